"""POST /api/records/batch: many statements in one step, all of them or none."""

from base64 import b64encode

from flask.testing import FlaskClient

from tests.web.outsider import Outsider, content_with, encode_content
from tests.web.shapes import assert_error, body_of
from web.schemas import Batch
from web.services import Services

BUNDLE = "application/vnd.rail.bundle"


def test_batch_is_logged_whole_and_in_order(client: FlaskClient, services: Services) -> None:
    outsider = Outsider(client, "batch.example")
    statements = [outsider.generation(content_with(services), services.engine.model.root) for _ in range(3)]
    bundle = b"".join(len(item).to_bytes(2, "big") + item for item in statements)
    batch = body_of(client.post("/api/records/batch", data=bundle, content_type=BUNDLE), Batch, 201)
    first = batch.records[0].record_id
    assert [(placed.record_id, placed.new) for placed in batch.records] == [(first + i, True) for i in range(3)]
    assert [services.log.entry(placed.record_id).statement for placed in batch.records] == statements
    again = body_of(client.post("/api/records/batch", data=bundle, content_type=BUNDLE), Batch, 200)
    assert again.records == [placed.model_copy(update={"new": False}) for placed in batch.records]


def test_batch_as_json_brings_content(client: FlaskClient, services: Services) -> None:
    outsider = Outsider(client, "json-batch.example")
    content = content_with(
        services, "a text that only this batch of records holds, with words enough to be found again by the index"
    )
    statement = outsider.generation(content, services.engine.model.root)
    record = {"statement": b64encode(statement).decode(), "content": encode_content(content)}
    placed = body_of(client.post("/api/records/batch", json={"records": [record]}), Batch, 201).records[0]
    assert services.log.content(placed.record_id) == content
    verdict = client.post("/api/verify", json={"text": content.output_text}).get_json()
    assert placed.record_id in [found["record_id"] for found in verdict["records"]]


def test_batch_refusal_names_the_statement_and_logs_nothing(client: FlaskClient, services: Services) -> None:
    outsider = Outsider(client, "refused.example")
    good = outsider.generation(content_with(services), services.engine.model.root)
    outsider.counter -= 1  # of the good one
    bad = outsider.generation(content_with(services), services.engine.model.root)
    size = services.log.size()
    for group, code, status in (([good, bad], "counter_used", 422), ([good, good[:-1]], "cbor_truncated", 400)):
        bundle = b"".join(len(item).to_bytes(2, "big") + item for item in group)
        response = client.post("/api/records/batch", data=bundle, content_type=BUNDLE)
        assert_error(response, status, code, "records.1")
    assert services.log.size() == size
    assert_error(client.post("/api/records/batch", data=b"\0\5ab", content_type=BUNDLE), 400, "bundle_length")
    assert_error(client.post("/api/records/batch", json={"records": []}), 400, "invalid_value", "records")
