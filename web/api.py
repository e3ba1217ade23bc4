"""`/api`: verify, records, receipts, replays, models; and the models' files."""

from apiflask import APIBlueprint
from flask import Response, jsonify, request, send_file

from ledger.cose_receipt import RECEIPT_TYPE, attach
from ledger.cose_receipt import STATEMENT_TYPE as TRANSPARENT_TYPE
from web.current import current_services
from web.errors import RequestError
from web.metrics import current_metrics
from web.present import (
    batch_json,
    log_json,
    model_json,
    new_record_json,
    record_json,
    record_summary,
    replay_json,
    standing_json,
)
from web.records import cose_receipt_of, find_model, find_operator, find_record, receipt_of
from web.request import parse_body
from web.request_log import note_leaf
from web.schemas import (
    Batch,
    BatchIn,
    Model,
    Models,
    Operator,
    ReceiptQuery,
    Record,
    RecordIn,
    RecordPage,
    RecordQuery,
    ReplayBody,
    VerdictBody,
    VerifyRequest,
)
from web.signed_verdict import sign_verdict
from web.submission import decode_batch, decode_record, decode_statements, submit, submit_group
from web.verification import verify_text

blueprint = APIBlueprint("api", __name__, tag="Ledger")

STATEMENT_TYPE = "application/cose"
INVITATION = "Rail-Invitation"  # header with the code of an invitation, for a registration
BUNDLE_TYPE = "application/vnd.rail.bundle"
MODEL_TYPE = "application/octet-stream"
IMMUTABLE_SECONDS = 365 * 24 * 3600


@blueprint.post("/api/verify")
@blueprint.input(VerifyRequest, arg_name="body")
@blueprint.output(VerdictBody)
def verify(body: VerifyRequest) -> Response:
    """Say which registered runs a text comes from, and which parts of it.

    A text that cannot be checked, such as an empty one, is a verdict too: `unchecked`, with its reason. With `sign` the
    answer has the same again, bound to the hash of the text and signed by the service's operator.
    """
    services = current_services()
    verdict = verify_text(services, body.text)
    if body.sign:
        verdict["signed"] = sign_verdict(body.text, verdict.copy(), services.signer.key)
    current_metrics().verdicts.labels(verdict["verdict"]).inc()
    return jsonify(verdict)


@blueprint.get("/api/records")
@blueprint.input(RecordQuery, location="query", arg_name="query")
@blueprint.output(RecordPage)
def records(query: RecordQuery) -> Response:
    """List records in log order."""
    services = current_services()
    size = services.log.size()
    start = query.after + 1
    stop = min(start + query.limit, size)
    page = [record_summary(services, entry) for entry in services.log.entries(start, stop)] if start < stop else []
    next_after = stop - 1 if start < stop < size else None
    return jsonify({"records": page, "next_after": next_after, "log": log_json(services)})


@blueprint.post("/api/records")
@blueprint.output(Record, status_code=201)
def submit_record() -> Response:
    """Log a statement that was signed elsewhere: JSON with base64, or the bare COSE_Sign1.

    201 for a new record, 200 for one that the log holds already: a retry is safe.
    """
    services = current_services()
    if request.mimetype == STATEMENT_TYPE:
        statement, content = request.get_data(), None
    else:
        statement, content = decode_record(parse_body(RecordIn))
    entry = submit(services, statement, content, request.headers.get(INVITATION))
    note_leaf(entry.index)
    current_metrics().count_entries([entry])
    response = jsonify(new_record_json(services, entry, content) if entry.new else record_json(services, entry))
    response.status_code = 201 if entry.new else 200
    response.headers["Location"] = f"/api/records/{entry.index}"
    return response


@blueprint.post("/api/records/batch")
@blueprint.output(Batch, status_code=201)
def submit_batch() -> Response:
    """Log many statements in one step, all of them or none: JSON, or statements each after its length in 16 bits.

    201 if any of them is new, 200 if the log holds them all already. A refusal names the statement in `param`.
    """
    services = current_services()
    if request.mimetype == BUNDLE_TYPE:
        items = decode_statements(request.get_data())
    else:
        items = decode_batch(parse_body(BatchIn))
    entries = submit_group(services, items, request.headers.get(INVITATION))
    note_leaf(entries[0].index)
    current_metrics().count_entries(entries)
    response = jsonify(batch_json(services, entries))
    response.status_code = 201 if any(entry.new for entry in entries) else 200
    return response


@blueprint.get("/api/records/<record>")
@blueprint.output(Record)
def record(record: str) -> Response:
    """Read a record by index or leaf hash. Its text is there only if it is public."""
    services = current_services()
    return jsonify(record_json(services, find_record(services, record)))


@blueprint.get("/api/records/<record>/receipt")
@blueprint.input(ReceiptQuery, location="query", arg_name="query")
def receipt(record: str, query: ReceiptQuery) -> Response:
    """Get everything for an offline check in one file. With the access key, the opening of a record not public."""
    services = current_services()
    entry = find_record(services, record)
    response = Response(receipt_of(services, entry, query.key).to_json(), mimetype="application/json")
    response.headers["Content-Disposition"] = f'inline; filename="rail-{entry.index}.receipt.json"'
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/api/records/<record>/receipt.tlog-proof")
def tlog_proof(record: str) -> Response:
    """Get the record's inclusion proof and checkpoint as a C2SP tlog-proof."""
    services = current_services()
    entry = find_record(services, record)
    proof = services.log.receipt(entry.index, False, services.publication.head_for(services.log, entry.index))
    response = Response(proof.to_tlog_proof(), mimetype="text/plain")
    response.headers["Content-Disposition"] = f'inline; filename="rail-{entry.index}.tlog-proof"'
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/api/records/<record>/receipt.cose")
def cose_receipt(record: str) -> Response:
    """Get the record's inclusion proof as a COSE receipt (RFC 9942), which SCITT tools check."""
    services = current_services()
    entry = find_record(services, record)
    return _cose(cose_receipt_of(services, entry).encode(), RECEIPT_TYPE, f"rail-{entry.index}.receipt.cose")


@blueprint.get("/api/records/<record>/transparent.cose")
def transparent_statement(record: str) -> Response:
    """Get the signed statement with its COSE receipt inside (RFC 9943): one file for an offline check."""
    services = current_services()
    entry = find_record(services, record)
    body = attach(entry.statement, [cose_receipt_of(services, entry)])
    return _cose(body, TRANSPARENT_TYPE, f"rail-{entry.index}.cose")


def _cose(body: bytes, content_type: str, name: str) -> Response:
    response = Response(body, content_type=content_type)
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/api/records/<record>/replay")
@blueprint.output(ReplayBody)
def replay(record: str) -> Response:
    """Run a logged generation again now, and say whether every bit agrees. Nothing is logged."""
    services = current_services()
    outcome = services.replay.replay(find_record(services, record))
    current_metrics().replays.labels(outcome.verdict).inc()
    return jsonify(replay_json(outcome))


@blueprint.get("/api/operators/<operator>")
@blueprint.output(Operator)
def operator(operator: str) -> Response:
    """Describe an operator's key: since when it counts, whether it was rotated or revoked, and gaps in its counters."""
    return jsonify(standing_json(find_operator(current_services(), operator)))


@blueprint.get("/api/models")
@blueprint.output(Models)
def models() -> Response:
    """List the registered models."""
    services = current_services()
    found = [model_json(services, entry, model) for entry, model in services.log.models()]
    return jsonify({"models": found, "log": log_json(services)})


@blueprint.get("/api/models/<root>")
@blueprint.output(Model)
def model(root: str) -> Response:
    """Describe one registered model."""
    services = current_services()
    return jsonify(model_json(services, *find_model(services, root)))


@blueprint.get("/models/<root>.rail")
def artifact(root: str) -> Response:
    """Download a model file, whole or in ranges. Its ETag is the model root."""
    services = current_services()
    find_model(services, root)
    loaded = services.engine.model
    if loaded.root.hex() != root:
        raise RequestError("artifact_not_held", "this model is registered, but its file is not kept here", 404)
    response = send_file(
        loaded.path,
        mimetype=MODEL_TYPE,
        as_attachment=True,
        download_name=f"{loaded.config.name}-{root[:16]}.rail",
        etag=root,
        conditional=True,
        max_age=IMMUTABLE_SECONDS,
    )
    response.cache_control.public = True
    response.cache_control.immutable = True
    if request.method == "HEAD" or response.status_code == 304:
        response.close()  # without a body to send, nobody else closes the file
    return response
