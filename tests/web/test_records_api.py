"""/api/records: read, list, submit, receipts and replays; and what a record that is not public never shows."""

from base64 import b64encode
from dataclasses import replace
from secrets import token_bytes
from typing import Any

import pytest
import scitt_cose
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask.testing import FlaskClient
from sqlalchemy import text

from inference.sampling import SamplingParams
from ledger.cose_receipt import check_cose_receipt, detach
from ledger.keys import SigningKey, VerifyKey
from ledger.proof import parse_tlog_proof
from ledger.receipt import Receipt, check_receipt
from ledger.statement import Sampling, open_statement
from tests.web.outsider import Outsider, content_with, encode_content
from tests.web.shapes import assert_error, body_of
from web.generation import LoggedRun
from web.opened import opened_transcript
from web.parameters import stated
from web.present import receipt_url
from web.schemas import Record, RecordPage, ReplayBody
from web.services import Services

GREEDY_ONE = Sampling(temperature_micro=0, top_k=0, top_p_micro=1_000_000, seed=0, max_tokens=1)
PARAMS = SamplingParams(seed=9, temperature_micro=900_000, max_tokens=30)
STEERED = replace(
    PARAMS,
    temperature_micro=4_000_000,
    max_tokens=80,
    seed=2,  # a run that does not end by itself, so that each parameter has its say
    min_p_micro=1_000,
    repetition_micro=1_200_000,
    frequency_micro=-150_000,
    presence_micro=250_000,
    logit_bias=((5, 2_000_000), (70, -100_000_000)),
)


@pytest.fixture(scope="module")
def runs(services: Services) -> dict[str, LoggedRun]:
    return {
        visibility: services.generation.run(f"the {visibility} one and", PARAMS, visibility)
        for visibility in ("public", "matchable", "private")
    }


def test_record_is_found_by_index_and_leaf_hash(client: FlaskClient, runs: dict[str, LoggedRun]) -> None:
    run = runs["public"]
    record = body_of(client.get(f"/api/records/{run.entry.index}"), Record)
    assert record.leaf_hash == run.entry.leaf_hash.hex()
    assert record.content is not None
    assert (record.content.prompt, record.content.output) == ("the public one and", run.text)
    assert record.operator.name == "tester"
    assert record.model is not None and record.model.name == "tiny"
    assert record.statement["sampling"]["seed"] == 9
    by_hash = body_of(client.get(f"/api/records/{record.leaf_hash}"), Record)
    assert by_hash.record_id == record.record_id


@pytest.mark.parametrize("name", ["01", "-1", "+1", "1.0", "x", "A" * 64, "٣", "1 ", "0x1"])
def test_record_has_one_name_only(client: FlaskClient, name: str) -> None:
    assert_error(client.get(f"/api/records/{name}"), 400, "invalid_record_id")


@pytest.mark.parametrize("name", ["999999", "9" * 18, "0" * 64])
def test_missing_record_is_404_on_every_route(client: FlaskClient, name: str) -> None:
    for path in ("", "/receipt", "/receipt.tlog-proof", "/receipt.cose", "/transparent.cose"):
        assert_error(client.get(f"/api/records/{name}{path}"), 404, "record_not_found")
    assert_error(client.post(f"/api/records/{name}/replay"), 404, "record_not_found")


def test_list_pages_through_the_log(client: FlaskClient, services: Services, runs: dict[str, LoggedRun]) -> None:
    seen: list[int] = []
    after: int | None = -1
    while after is not None:
        page = body_of(client.get(f"/api/records?after={after}&limit=2"), RecordPage)
        assert len(page.records) <= 2
        seen += [record.record_id for record in page.records]
        after = page.next_after
    assert seen == list(range(services.log.size()))
    beyond = body_of(client.get("/api/records?after=99999999"), RecordPage)
    assert (beyond.records, beyond.next_after) == ([], None)


@pytest.mark.parametrize(
    ("query", "param"), [("limit=0", "limit"), ("limit=9999", "limit"), ("after=-2", "after"), ("after=x", "after")]
)
def test_list_bounds_its_parameters(client: FlaskClient, query: str, param: str) -> None:
    assert_error(client.get(f"/api/records?{query}"), 400, "invalid_value", param)


@pytest.mark.parametrize("visibility", ["matchable", "private"])
def test_text_that_is_not_public_is_served_nowhere(client: FlaskClient, services: Services, visibility: str) -> None:
    text = {
        "matchable": "and then the brown hen ran over the bridge and into the inn where it slept on the stove",
        "private": "when nobody looked a grey mouse carried every crumb of cake to seven sons and slept on the stove",
    }[visibility]
    content = content_with(services, text, prompt=f"a {visibility} prompt", visibility=visibility)
    outsider = Outsider(client)
    submitted = outsider.post(outsider.generation(content, services.engine.model.root), content)
    index = body_of(submitted, Record, 201).record_id
    verdict = client.post("/api/verify", json={"text": f"Somebody wrote that {text}, or so it is said."})
    answers = [
        submitted,
        client.get(f"/api/records/{index}"),
        client.get("/api/records?limit=500"),
        client.get(f"/api/records/{index}/receipt"),
        client.get(f"/api/records/{index}/receipt.tlog-proof"),
        client.get(f"/api/records/{index}/transparent.cose"),
        client.post(f"/api/records/{index}/replay"),
        client.get(f"/tile/entries/000.p/{index + 1}"),
        client.get(f"/records/{index}"),
        client.get(f"/records/{index}.json"),
        client.get("/metrics"),
        verdict,
    ]
    assert body_of(answers[1], Record).visibility == visibility
    for answer in answers:
        assert answer.status_code in (200, 201)
        assert b"slept on the stove" not in answer.data
        assert content.prompt_text.encode() not in answer.data
        assert content.access_key().encode() not in answer.data
        assert b64encode(content.output_salt) not in answer.data
    found = [match["record_id"] for match in verdict.get_json()["records"]]
    assert found == ([index] if visibility == "matchable" else [])


def test_receipt_checks_offline_and_opens_public_records(
    client: FlaskClient, services: Services, runs: dict[str, LoggedRun]
) -> None:
    run = runs["public"]
    response = client.get(receipt_url(run.entry.index))
    assert response.mimetype == "application/json"
    checked = check_receipt(Receipt.from_json(response.data), VerifyKey.parse(services.log.vkey))
    assert checked.index == run.entry.index
    assert checked.opened is not None and checked.opened.output is not None
    assert checked.opened.output.bytes == run.transcript.output_bytes


def test_receipt_opens_only_with_the_access_key(client: FlaskClient, runs: dict[str, LoggedRun]) -> None:
    for visibility in ("matchable", "private"):
        run = runs[visibility]
        closed = Receipt.from_json(client.get(receipt_url(run.entry.index)).data)
        opened = client.get(receipt_url(run.entry.index, run.receipt_key))
        assert closed.opening is None
        assert Receipt.from_json(opened.data).opening is not None
        assert opened.headers["Cache-Control"] == "no-store"
        wrong = client.get(receipt_url(run.entry.index, "0" * 64))
        assert_error(wrong, 403, "wrong_access_key", "key")
        assert_error(client.get(receipt_url(run.entry.index, "short")), 400, "invalid_value", "key")
    other = client.get(receipt_url(runs["private"].entry.index, runs["matchable"].receipt_key))
    assert_error(other, 403, "wrong_access_key", "key")


def test_cose_receipts_verify_with_an_independent_checker(
    client: FlaskClient, services: Services, runs: dict[str, LoggedRun]
) -> None:
    entry = runs["private"].entry
    public = Ed25519PublicKey.from_public_bytes(services.log.key.public)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    response = client.get(f"/api/records/{entry.index}/receipt.cose")
    assert response.content_type == "application/scitt-receipt+cose"
    theirs = scitt_cose.verify_receipt(response.data, leaf_entry_hex=entry.statement.hex(), log_public_key_pem=pem)
    assert theirs.ok, theirs.errors
    assert theirs.leaf_index == entry.index
    transparent = client.get(f"/api/records/{entry.index}/transparent.cose")
    assert transparent.content_type == "application/scitt-statement+cose"
    (inside,) = scitt_cose.extract_receipts(transparent.data)
    assert scitt_cose.verify_receipt(inside, leaf_entry_hex=entry.statement.hex(), log_public_key_pem=pem).ok
    statement, receipts = detach(transparent.data)
    assert statement == entry.statement
    check_cose_receipt(receipts[0], statement, services.log.key)


def test_tlog_proof_is_the_proof_of_the_receipt(client: FlaskClient, runs: dict[str, LoggedRun]) -> None:
    response = client.get(f"/api/records/{runs['private'].entry.index}/receipt.tlog-proof")
    assert response.content_type == "text/plain; charset=utf-8"
    assert parse_tlog_proof(response.data).index == runs["private"].entry.index


def test_replay_now_says_match(client: FlaskClient, runs: dict[str, LoggedRun]) -> None:
    for run in runs.values():
        outcome = body_of(client.post(f"/api/records/{run.entry.index}/replay"), ReplayBody)
        assert (outcome.verdict, outcome.reason) == ("match", None)
        assert outcome.tokens == len(run.transcript.output_ids)


def test_replay_of_another_type_is_refused(client: FlaskClient) -> None:
    assert_error(client.post("/api/records/0/replay"), 422, "not_a_generation")


def test_run_that_never_happened_does_not_replay(client: FlaskClient, services: Services) -> None:
    outsider = Outsider(client)
    content = content_with(services)
    made_up = body_of(outsider.post(outsider.generation(content, services.engine.model.root), content), Record, 201)
    outcome = body_of(client.post(f"/api/records/{made_up.record_id}/replay"), ReplayBody)
    assert (outcome.verdict, outcome.first_difference) == ("mismatch", 0)

    beyond = replace(content, prompt_ids=(10_000,), prompt_salt=token_bytes(32))
    statement = outsider.generation(beyond, services.engine.model.root)
    assert_error(outsider.post(statement, beyond), 400, "id_out_of_range")
    impossible = body_of(outsider.post(statement), Record, 201)
    outcome = body_of(client.post(f"/api/records/{impossible.record_id}/replay"), ReplayBody)
    assert (outcome.verdict, outcome.reason) == ("not_reproducible", "no_content")


def test_steered_run_is_shown_as_such_and_replays(client: FlaskClient, services: Services) -> None:
    run = services.generation.run("the steered one", STEERED)
    record = body_of(client.get(f"/api/records/{run.entry.index}"), Record)
    sampling = record.statement["sampling"]
    assert (sampling["frequency_micro"], sampling["logit_biases"]) == (-150_000, 2)
    outcome = body_of(client.post(f"/api/records/{run.entry.index}/replay"), ReplayBody)
    assert (outcome.verdict, outcome.tokens) == ("match", len(run.transcript.output_ids))
    page = client.get(f"/records/{run.entry.index}").get_data(as_text=True)
    assert "min-p 0.001, repetition penalty 1.2, frequency penalty -0.15, presence penalty 0.25" in page
    assert "2 tokens were made more or less likely by hand" in page
    receipt = Receipt.from_json(client.get(receipt_url(run.entry.index)).data)
    checked = check_receipt(receipt, VerifyKey.parse(services.log.vkey))
    assert opened_transcript(checked) == run.transcript


@pytest.mark.parametrize(
    "lie",
    [
        {"min_p_micro": 300_000},
        {"repetition_micro": 1_000_000},
        {"frequency_micro": 2_000_000},
        {"presence_micro": -2_000_000},
        {"logit_bias": ((5, 2_000_000), (70, 100_000_000))},
        {"logit_bias": ()},
    ],
    ids=str,
)
def test_a_lie_about_a_parameter_does_not_replay(client: FlaskClient, services: Services, lie: dict[str, Any]) -> None:
    """An outsider logs a true run of ours with one parameter changed: taken, since it is signed, but found out."""
    run = services.generation.run("the steered one", STEERED)
    content = services.log.content(run.entry.index)
    assert content is not None
    claimed = replace(STEERED, **lie)
    false = replace(content, logit_bias=claimed.logit_bias)
    outsider = Outsider(client)
    statement = outsider.generation(
        false, services.engine.model.root, sampling=stated(claimed), finish=run.transcript.finish_reason
    )
    record = body_of(outsider.post(statement, false), Record, 201)
    outcome = body_of(client.post(f"/api/records/{record.record_id}/replay"), ReplayBody)
    assert (outcome.verdict, outcome.reason) == ("mismatch", "token")


def test_biases_that_the_statement_does_not_bear_out_are_refused(client: FlaskClient, services: Services) -> None:
    outsider = Outsider(client)
    content = replace(content_with(services), logit_bias=((5, 1),))
    statement = outsider.generation(content, services.engine.model.root)
    assert_error(outsider.post(statement, content), 422, "content_logit_biases")
    body = {"statement": b64encode(statement).decode(), "content": encode_content(content)}
    for bias in ({"05": 1}, {"-5": 1}, {"x": 1}, {"5": 100_000_001}, {"2147483648": 1}):
        body["content"] = {**encode_content(content), "logit_bias": bias}
        assert_error(client.post("/api/records", json=body), 422, "content_logit_bias")
    body["content"] = {**encode_content(content), "logit_bias": {"5": 0.5}}
    assert_error(client.post("/api/records", json=body), 400, "invalid_value", "content.logit_bias.5")


def test_a_bias_that_the_model_cannot_have_had_is_not_reproducible(client: FlaskClient, services: Services) -> None:
    outsider = Outsider(client)
    content = replace(content_with(services), logit_bias=((1_000_000, 1),))
    statement = outsider.generation(
        content, services.engine.model.root, sampling=replace(GREEDY_ONE, max_tokens=1024, logit_biases=1)
    )
    record = body_of(outsider.post(statement, content), Record, 201)
    outcome = body_of(client.post(f"/api/records/{record.record_id}/replay"), ReplayBody)
    assert (outcome.verdict, outcome.reason) == ("not_reproducible", "id_out_of_range")


def test_attested_run_is_not_replayed(client: FlaskClient, services: Services) -> None:
    outsider = Outsider(client)
    content = content_with(services)
    statement = outsider.generation(content, services.engine.model.root, assurance="attested")
    record = body_of(outsider.post(statement, content), Record, 201)
    outcome = body_of(client.post(f"/api/records/{record.record_id}/replay"), ReplayBody)
    assert (outcome.verdict, outcome.reason) == ("not_reproducible", "attested_only")


def test_submission_is_idempotent(client: FlaskClient, services: Services) -> None:
    outsider = Outsider(client)
    content = content_with(services)
    statement = outsider.generation(content, services.engine.model.root)
    first = outsider.post(statement, content)
    record = body_of(first, Record, 201)
    assert first.headers["Location"] == f"/api/records/{record.record_id}"
    size = services.log.size()
    assert body_of(outsider.post(statement, content), Record, 200).record_id == record.record_id
    raw = client.post("/api/records", data=statement, content_type="application/cose")
    assert body_of(raw, Record, 200).record_id == record.record_id
    assert services.log.size() == size


def test_submitted_content_is_found_and_shown(client: FlaskClient, services: Services) -> None:
    outsider = Outsider(client)
    content = content_with(services, "an other inn and the thing in the inn on the street and then some")
    body_of(outsider.post(outsider.generation(content, services.engine.model.root), content), Record, 201)
    verdict = client.post("/api/verify", json={"text": content.output_text}).get_json()
    assert verdict["verdict"] == "exact"
    assert verdict["records"][0]["operator"]["name"] == "outsider"


def test_published_replay_is_listed_with_its_record(
    client: FlaskClient, services: Services, runs: dict[str, LoggedRun]
) -> None:
    auditor = Outsider(client, name="auditor")
    entry = runs["public"].entry
    published = body_of(auditor.post(auditor.replay(entry.index, entry.leaf_hash)), Record, 201)
    record = body_of(client.get(f"/api/records/{entry.index}"), Record)
    assert [(note.record_id, note.verdict, note.operator.name) for note in record.replays] == [
        (published.record_id, "match", "auditor")
    ]


def test_erased_record_keeps_its_statement_and_loses_its_text(client: FlaskClient, services: Services) -> None:
    run = services.generation.run("the erased one", PARAMS)
    services.log.erase(run.entry.index, "requested", services.operator_key)
    record = body_of(client.get(f"/api/records/{run.entry.index}"), Record)
    assert (record.erased, record.content, record.visibility) == (True, None, None)
    outcome = body_of(client.post(f"/api/records/{run.entry.index}/replay"), ReplayBody)
    assert (outcome.verdict, outcome.reason) == ("not_reproducible", "no_content")
    assert_error(client.get(receipt_url(run.entry.index, run.receipt_key)), 403, "wrong_access_key", "key")


def test_erasure_by_its_operator_takes_the_text_out_of_the_index(client: FlaskClient, services: Services) -> None:
    outsider = Outsider(client)
    content = content_with(services, "a text of ten words or more that has to go away again soon")
    posted = outsider.post(outsider.generation(content, services.engine.model.root), content)
    record = body_of(posted, Record, 201)
    indexed = "SELECT count(*) FROM index_records WHERE record_id = :id"
    with services.log.engine.connect() as connection:
        assert connection.execute(text(indexed), {"id": record.record_id}).scalar() == 1
    leaf = bytes.fromhex(record.leaf_hash)
    body_of(outsider.post(outsider.erasure(record.record_id, leaf)), Record, 201)
    assert client.post("/api/verify", json={"text": content.output_text}).get_json()["verdict"] == "none"
    with services.log.engine.connect() as connection:
        assert connection.execute(text(indexed), {"id": record.record_id}).scalar() == 0


class TestBadStatements:
    """What a stranger may send in place of a statement."""

    def test_unknown_key(self, client: FlaskClient, services: Services) -> None:
        outsider = Outsider(client)
        outsider.key = SigningKey.generate("stranger.test")
        content = content_with(services)
        refused = outsider.post(outsider.generation(content, services.engine.model.root), content)
        assert_error(refused, 422, "unknown_operator")

    def test_wrong_signature(self, client: FlaskClient, services: Services) -> None:
        outsider = Outsider(client)
        statement = bytearray(outsider.generation(content_with(services), services.engine.model.root))
        statement[-1] ^= 1
        assert_error(outsider.post(bytes(statement)), 400, "statement_signature")

    def test_unknown_model(self, client: FlaskClient, services: Services) -> None:
        outsider = Outsider(client)
        assert_error(outsider.post(outsider.generation(content_with(services), bytes(32))), 422, "unknown_model")

    def test_used_counter(self, client: FlaskClient, services: Services) -> None:
        outsider = Outsider(client)
        outsider.counter = 0
        refused = outsider.post(outsider.generation(content_with(services), services.engine.model.root))
        assert_error(refused, 422, "counter_used")

    def test_content_of_another_run(self, client: FlaskClient, services: Services) -> None:
        outsider = Outsider(client)
        content = content_with(services)
        statement = outsider.generation(content, services.engine.model.root)
        altered = replace(content, output_bytes=b"something else")
        assert_error(outsider.post(statement, altered), 422, "content_output_commitment")
        shown = replace(content, prompt_text="another prompt")
        assert_error(outsider.post(statement, shown), 422, "content_prompt_text")

    @pytest.mark.parametrize(
        ("code", "claim"),
        [
            ("content_echo_permille", {"echo_permille": 1}),
            ("content_fingerprint_root", {"fingerprint_root": bytes(32)}),
        ],
    )
    def test_claims_that_the_content_does_not_bear_out(
        self, client: FlaskClient, services: Services, code: str, claim: dict[str, Any]
    ) -> None:
        outsider = Outsider(client)
        content = content_with(services)
        size = services.log.size()
        statement = outsider.generation(content, services.engine.model.root, **claim)
        assert_error(outsider.post(statement, content), 422, code)
        assert services.log.size() == size

    def test_more_output_than_the_run_allowed(self, client: FlaskClient, services: Services) -> None:
        outsider = Outsider(client)
        content = content_with(services)
        for counted in (content, None):
            statement = outsider.generation(content, services.engine.model.root, sampling=GREEDY_ONE)
            assert_error(outsider.post(statement, counted), 422, "output_over_max_tokens")

    @pytest.mark.parametrize("size", [65_536, 1 << 20])
    def test_too_large(self, client: FlaskClient, size: int) -> None:
        for response in (
            client.post("/api/records", json={"statement": b64encode(bytes(size)).decode()}),
            client.post("/api/records", data=bytes(size), content_type="application/cose"),
        ):
            assert_error(response, 400, "cose_size")

    def test_not_canonical_cbor(self, client: FlaskClient, services: Services) -> None:
        outsider = Outsider(client)
        statement = outsider.generation(content_with(services), services.engine.model.root)
        open_statement(statement)
        longer = statement.replace(b"\x67counter\x01", b"\x67counter\x18\x01")
        assert longer != statement
        assert client.post("/api/records", data=longer, content_type="application/cose").status_code == 400

    @pytest.mark.parametrize("statement", [b"", b"\xff", b"\xd2", b"{}", bytes(100)])
    def test_not_a_statement(self, client: FlaskClient, statement: bytes) -> None:
        response = client.post("/api/records", data=statement, content_type="application/cose")
        assert response.status_code == 400
        assert_error(response, 400, response.get_json()["code"])

    @pytest.mark.parametrize("text", ["AAA", "AAA=\n", "AA==AA==", "A-_=", "AAB=", "é"])
    def test_not_base64(self, client: FlaskClient, text: str) -> None:
        assert_error(client.post("/api/records", json={"statement": text}), 400, "invalid_base64", "statement")
