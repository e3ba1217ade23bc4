"""POST /api/verify: verdicts of good and bad texts, each with the shape that is documented."""

import json

import pytest
from flask.testing import FlaskClient

from inference.sampling import SamplingParams
from ledger.errors import ParseError, SignatureInvalid
from ledger.statement import open_statement
from tests.web.outsider import log_text
from tests.web.shapes import assert_error, body_of
from web.generation import LoggedRun
from web.schemas import VerdictBody
from web.services import Services
from web.signed_verdict import check_verdict
from web.verification import later_than

EXCERPT = (
    "lamp keeper walked down to the harbour before dawn and counted eleven boats that had come home safely through "
    "the fog and the cold autumn rain"
)
WORDS = f"The old {EXCERPT}, and then he put out the light and slept until noon."
HUMAN = "Nobody in the office believed the printer would survive another week of quarterly reports and angry kicks."


@pytest.fixture(scope="module")
def record_id(services: Services, app: object) -> int:
    return log_text(services, app.test_client(), WORDS)  # type: ignore[attr-defined]


def verify(client: FlaskClient, text: str) -> VerdictBody:
    return body_of(client.post("/api/verify", json={"text": text}), VerdictBody)


def test_whole_text_is_exact_and_names_its_record(client: FlaskClient, services: Services, record_id: int) -> None:
    verdict = verify(client, WORDS)
    assert (verdict.verdict, verdict.layer, verdict.matched_permille) == ("exact", "raw", 1000)
    (match,) = verdict.records
    entry = services.log.entry(record_id)
    assert (match.record_id, match.leaf_hash) == (record_id, entry.leaf_hash.hex())
    assert match.operator.id == open_statement(entry.statement).operator.hex()
    assert match.model is not None and match.model.name == "tiny"
    assert verdict.log.origin == services.log.origin


def test_changed_spaces_quotes_and_invisible_characters_are_exact_after_normalisation(
    client: FlaskClient, record_id: int
) -> None:
    verdict = verify(client, "  " + WORDS.replace(" ", "\u00a0\n ").replace("lamp", "la\u200bmp") + "\ufeff")
    assert (verdict.verdict, verdict.layer) == ("exact", "normalised")


def test_excerpt_has_offsets_in_both_units(client: FlaskClient, record_id: int) -> None:
    text = f"\U0001f9ea {HUMAN} Then the {EXCERPT}. {HUMAN}"
    verdict = verify(client, text)
    assert verdict.verdict == "excerpt"
    (span,) = verdict.spans
    assert text[span.start : span.end] == EXCERPT
    assert WORDS[span.record_start : span.record_end] == EXCERPT
    utf16 = text.encode("utf-16-le")[2 * span.start_utf16 : 2 * span.end_utf16].decode("utf-16-le")
    assert utf16 == EXCERPT
    assert span.start_utf16 == span.start + 1


def test_unrelated_text_is_none_up_to_a_log_size(client: FlaskClient, services: Services, record_id: int) -> None:
    verdict = verify(client, HUMAN)
    assert (verdict.verdict, verdict.spans, verdict.records) == ("none", [], [])
    assert verdict.log.size == services.log.size()


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\u200d\ufeff\u00ad", "\x00", "one two"])
def test_text_too_short_to_check_is_unchecked_with_its_reason(client: FlaskClient, text: str) -> None:
    verdict = verify(client, text)
    assert verdict.verdict == "unchecked"
    assert verdict.reason and verdict.reason_code


def test_long_text_is_unchecked_and_a_longer_one_is_refused(client: FlaskClient, services: Services) -> None:
    limit = services.settings.max_text_bytes
    verdict = verify(client, "a" * (limit + 1))
    assert (verdict.verdict, verdict.reason_code) == ("unchecked", "too_long")
    assert_error(client.post("/api/verify", json={"text": "a" * 10_000_000}), 413, "content_too_large")


def test_full_length_text_in_any_script_passes_the_body_limit(client: FlaskClient, services: Services) -> None:
    for character in ("a", "字", "\U0001f9ea"):
        text = character * (services.settings.max_text_bytes // len(character.encode()))
        assert client.post("/api/verify", json={"text": text}).status_code == 200


def test_text_is_not_in_the_answer(client: FlaskClient) -> None:
    assert b"quarterly reports" not in client.post("/api/verify", json={"text": HUMAN}).data


def test_our_own_generation_is_found(client: FlaskClient, services: Services) -> None:
    run: LoggedRun = services.generation.run("and", SamplingParams(seed=2, temperature_micro=700_000, max_tokens=100))
    verdict = verify(client, run.text)
    assert verdict.verdict in ("exact", "unchecked")  # a very short output is below what is ever matched
    if verdict.verdict == "exact":
        assert run.entry.index in [match.record_id for match in verdict.records]


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_field", "text"),
        ({"text": None}, "invalid_value", "text"),
        ({"text": 7}, "invalid_value", "text"),
        ({"text": "x", "url": "y"}, "unknown_field", "url"),
        ([], "invalid_value", None),
        ({"text": "\udc00 x"}, "invalid_unicode", "text"),
        ({"text": "x", "\ud800": 1}, "invalid_unicode", None),
    ],
)
def test_bad_body_is_400(client: FlaskClient, body: object, code: str, param: str | None) -> None:
    escaped = json.dumps(body)  # in ASCII, so that half a surrogate pair travels as an escape
    assert_error(client.post("/api/verify", data=escaped, content_type="application/json"), 400, code, param)


def test_signed_verdict_is_of_this_text_and_unaltered(client: FlaskClient, services: Services, record_id: int) -> None:
    body = client.post("/api/verify", json={"text": WORDS, "sign": True}).get_json()
    VerdictBody.model_validate_json(json.dumps(body))
    signed = body.pop("signed")
    assert check_verdict(signed, WORDS) == body
    assert signed["vkey"] == services.signer.key.vkey
    with pytest.raises(ParseError, match="another text"):
        check_verdict(signed, HUMAN)
    with pytest.raises(SignatureInvalid):
        check_verdict(signed | {"verdict": body | {"matched_permille": 999}}, WORDS)
    with pytest.raises(ParseError, match="does not parse"):
        check_verdict({"format": "rail-verdict/1"}, WORDS)
    assert verify(client, WORDS).signed is None


def test_edited_copy_has_its_alignment_and_error_rate(client: FlaskClient, record_id: int) -> None:
    words = WORDS.split()
    words[4::7] = ["otherwise"] * len(words[4::7])
    text = " ".join(words)
    verdict = verify(client, text)
    assert verdict.verdict == "edited" and verdict.calibration is not None
    assert (verdict.registrants, verdict.first_registered.record_id) == (1, record_id)  # type: ignore[union-attr]
    resemblance = verdict.records[0].resemblance
    assert resemblance is not None and resemblance.aligned_permille >= resemblance.aligned_needed
    assert all(text[span.start : span.end] == WORDS[span.record_start : span.record_end] for span in verdict.spans)


def test_who_registers_a_known_text_later_is_shown_as_later() -> None:
    first, own, others = (
        {"record_id": number, "operator": {"id": name}} for number, name in ((3, "a"), (7, "a"), (9, "b"))
    )
    assert [later_than(record, first) for record in (first, own, others)] == [None, None, 3]
    assert later_than(others, None) is None
