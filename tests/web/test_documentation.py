"""The OpenAPI document covers every route of the API, and its references and schemas hold."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from pydantic import BaseModel

from web import openai_schemas, schemas

UNDOCUMENTED = ("openapi.", "pages.")
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
SCHEMA_KEYWORDS = {
    "$ref", "type", "title", "description", "properties", "required", "additionalProperties", "items", "anyOf",
    "enum", "const", "default", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "minItems", "maxItems", "minLength", "maxLength", "maxProperties",
}  # fmt: skip
TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}


@pytest.fixture(scope="module")
def document(app: APIFlask) -> dict[str, Any]:
    response = app.test_client().get("/openapi.json")
    assert response.mimetype == "application/json"
    found: dict[str, Any] = response.get_json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_route_is_documented_and_nothing_else(app: APIFlask, document: dict[str, Any]) -> None:
    routes = set()
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith(UNDOCUMENTED):
            path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
            routes |= {(path, method.lower()) for method in (rule.methods or set()) & METHODS}
    assert {(path, method) for path, method, _ in operations(document)} == routes


def test_document_is_openapi_in_shape(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] == "RAIL" and document["info"]["version"]
    seen = set()
    for path, _, operation in operations(document):
        assert operation["summary"] and operation["tags"]
        assert operation["operationId"] not in seen
        seen.add(operation["operationId"])
        declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))
        for parameter in operation.get("parameters", []):
            assert parameter["in"] in ("path", "query", "header")
            assert parameter["in"] != "path" or parameter["required"] is True
            check_schema(parameter["schema"], document)
        assert "default" in operation["responses"]
        assert any(status.startswith("2") for status in operation["responses"])
        contents = [response.get("content", {}) for response in operation["responses"].values()]
        contents.append(operation.get("requestBody", {}).get("content", {}))
        assert all(response["description"] for response in operation["responses"].values())
        for content in contents:
            for media_type, described in content.items():
                assert re.fullmatch(r"[a-z]+/[a-z+.-]+", media_type)
                check_schema(described["schema"], document)


def check_schema(schema: dict[str, Any], document: dict[str, Any]) -> None:
    """JSON Schema 2020-12 in shape: known keywords only, references that lead somewhere."""
    assert schema.keys() <= SCHEMA_KEYWORDS, schema
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        assert name in document["components"]["schemas"], schema["$ref"]
    assert schema.get("type", "object") in TYPES
    for inner in [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]:
        check_schema(inner, document)
    assert set(schema.get("required", [])) <= schema.get("properties", {}).keys()
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            check_schema(schema[key], document)


def test_components_are_json_schemas(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        check_schema(schema, document)


def test_streams_files_and_errors_are_documented(document: dict[str, Any]) -> None:
    def content(path: str, method: str, status: str) -> dict[str, Any]:
        found: dict[str, Any] = document["paths"][path][method]["responses"][status]["content"]
        return found

    assert content("/v1/completions", "post", "200").keys() == {"application/json", "text/event-stream"}
    assert content("/v1/chat/completions", "post", "default").keys() == {"application/json"}
    assert content("/api/verify", "post", "default").keys() == {"application/problem+json"}
    assert content("/checkpoint", "get", "200").keys() == {"text/plain"}
    assert content("/models/{root}.rail", "get", "206").keys() == {"application/octet-stream"}
    submission = document["paths"]["/api/records"]["post"]["requestBody"]["content"]
    assert submission.keys() == {"application/json", "application/cose"}


def test_every_answer_model_is_used(document: dict[str, Any]) -> None:
    """What the two files of schemas declare is part of the document, directly or inside another model."""
    names = {name.rpartition(".")[2] for name in document["components"]["schemas"]}
    internal = {"GenerationFields", "Envelope", "RecordQuery", "ReceiptQuery"}
    declared = {
        name
        for module in (schemas, openai_schemas)
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__
    }
    assert declared - internal == names & declared


def test_document_is_the_same_for_every_reader(client: FlaskClient) -> None:
    assert client.get("/openapi.json").data == client.get("/openapi.json").data
