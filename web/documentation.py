"""What APIFlask cannot read off the views: streams, files, alternative bodies and errors in the OpenAPI document."""

from typing import Any

from pydantic import BaseModel

from ledger.cose_receipt import RECEIPT_TYPE, STATEMENT_TYPE
from web.openai_schemas import ChatChunk, CompletionChunk, OpenAIError
from web.schemas import BatchIn, ProblemBody, RecordIn

Document = dict[str, Any]

BINARY: Document = {"type": "string", "format": "binary"}
TEXT: Document = {"type": "string"}
RECEIPT: Document = {"type": "object", "description": "rail-receipt/1 (ledger/SPEC.md); keep the file byte for byte"}

# Answers that are no JSON of a model in `schemas`: path -> media type and schema of the 200.
FILES: dict[str, tuple[str, Document]] = {
    "/api/records/{record}/receipt": ("application/json", RECEIPT),
    "/api/records/{record}/receipt.tlog-proof": ("text/plain", TEXT),
    "/api/records/{record}/receipt.cose": (RECEIPT_TYPE, BINARY),
    "/api/records/{record}/transparent.cose": (STATEMENT_TYPE, BINARY),
    "/api/private/buckets/{bits}/{prefix}": ("application/octet-stream", BINARY),
    "/models/{root}.rail": ("application/octet-stream", BINARY),
    "/checkpoint": ("text/plain", TEXT),
    "/tile/{name}": ("application/octet-stream", BINARY),
    "/metrics": ("text/plain", TEXT),
}
STREAMS: dict[str, type[BaseModel]] = {"/v1/completions": CompletionChunk, "/v1/chat/completions": ChatChunk}
PARAMETERS = {
    "record": "index of the record in the log, or its leaf hash in hexadecimal",
    "operator": "operator id: SHA-256 of the public key, 64 hexadecimal digits",
    "root": "model root: 64 hexadecimal digits",
    "bits": "`prefix_bits` of /api/private",
    "prefix": "the first bits of a fingerprint, as a number",
    "name": "name or root of a model; or what follows /tile/ in a C2SP tile path, such as 0/x001/067.p/8",
}


def complete_document(document: Document) -> Document:
    """The generated document with what the views alone do not say."""
    for path, (media_type, schema) in FILES.items():
        document["paths"][path]["get"]["responses"]["200"] = _answer("Successful response", media_type, schema)
    _complete_ranges(document["paths"]["/models/{root}.rail"]["get"])
    for path, chunk in STREAMS.items():
        answer = document["paths"][path]["post"]["responses"]["200"]
        answer["description"] = "The completion; with `stream`, events whose data is a chunk, ended by `[DONE]`"
        answer["content"]["text/event-stream"] = {"schema": _component(document, chunk)}
    single, batch = document["paths"]["/api/records"]["post"], document["paths"]["/api/records/batch"]["post"]
    _complete_submission(document, single, RecordIn, "application/cose")
    _complete_submission(document, batch, BatchIn, "application/vnd.rail.bundle")
    for path, operations in document["paths"].items():
        shape, media_type = (
            (OpenAIError, "application/json") if path.startswith("/v1/") else (ProblemBody, "application/problem+json")
        )
        error = _answer("Error", media_type, _component(document, shape))
        for operation in operations.values():
            operation["responses"]["default"] = error
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    parameter["description"] = PARAMETERS[parameter["name"]]
    return document


def _complete_ranges(operation: Document) -> None:
    operation["parameters"].append({"in": "header", "name": "Range", "schema": TEXT, "required": False})
    operation["responses"]["206"] = _answer("The ranges asked for", "application/octet-stream", BINARY)
    operation["responses"]["304"] = {"description": "The ETag of If-None-Match is this model root"}


def _complete_submission(document: Document, operation: Document, shape: type[BaseModel], bare: str) -> None:
    operation["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {"schema": _component(document, shape)},
            bare: {"schema": BINARY},
        },
    }
    invitation = {"in": "header", "name": "Rail-Invitation", "schema": TEXT, "required": False}
    invitation["description"] = "code of an invitation, for a registration where the log's host asks for one"
    operation.setdefault("parameters", []).append(invitation)
    operation["responses"]["201"]["description"] = "New, and durable in the log"
    operation["responses"]["200"] = {
        **operation["responses"]["201"],
        "description": "The log holds exactly this already",
    }


def _answer(description: str, media_type: str, schema: Document) -> Document:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _component(document: Document, shape: type[BaseModel]) -> Document:
    """A reference to `shape` among the document's components, where it is added if it is not there."""
    name = shape.__name__
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    if name not in schemas:
        schema = shape.model_json_schema(ref_template=f"#/components/schemas/{name}.{{model}}")
        for inner, definition in schema.pop("$defs", {}).items():
            schemas[f"{name}.{inner}"] = definition
        schemas[name] = schema
    return {"$ref": f"#/components/schemas/{name}"}
