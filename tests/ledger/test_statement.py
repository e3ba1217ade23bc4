"""Signed statements: bounds of every field, strictness of both CBOR layers, signatures, and who may sign what."""

from dataclasses import fields, replace
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_samples import (
    LOG_KEY,
    MODEL_ROOT,
    OPERATOR_KEY,
    OTHER_KEY,
    TIME,
    entries,
    erasure_statement,
    generation_statement,
    model_statement,
    operator_statement,
    payloads,
    replay_statement,
    steered_statement,
)

from ledger import cbor
from ledger.cose import Sign1, signing_bytes
from ledger.errors import LedgerError, ParseError, SignatureInvalid
from ledger.keys import operator_id
from ledger.payload import PAYLOAD_TYPES, payload_from_map
from ledger.statement import (
    STATEMENT_BYTES_MAX,
    GenerationStatement,
    Payload,
    ReplayStatement,
    Sampling,
    check_signed_by,
    open_statement,
    sign_statement,
    signature_errors,
)

OPERATOR = operator_id(OPERATOR_KEY.public)
GENERATION_BYTES_MAX = 1_000  # Of DESIGN.md, section 4; the bounds of the fields imply it.


def signed_bytes(payload: bytes, key_id: bytes = OPERATOR) -> bytes:
    """A genuinely signed object around any payload bytes."""
    return Sign1(key_id, payload, OPERATOR_KEY.sign(signing_bytes(key_id, payload))).encode()


def refused(data: bytes) -> str:
    with pytest.raises(ParseError) as caught:
        open_statement(data)
    assert len(str(caught.value)) < 300
    return caught.value.code


# What goes in comes out


@pytest.mark.parametrize("payload", [*payloads(), steered_statement()], ids=lambda payload: payload.type)
def test_statement_and_bytes_are_inverse(payload: Payload) -> None:
    data = sign_statement(payload, OPERATOR_KEY)
    statement = open_statement(data)
    assert statement.payload == payload
    assert type(statement.payload) is type(payload)
    assert statement.operator == OPERATOR
    assert statement.encode() == data == sign_statement(payload, OPERATOR_KEY)
    check_signed_by(statement, operator_statement())


@pytest.mark.parametrize("payload", [*payloads(), steered_statement()], ids=lambda payload: payload.type)
def test_an_independent_codec_reads_the_statement(payload: Payload) -> None:
    outer = cbor2.loads(sign_statement(payload, OPERATOR_KEY))
    assert outer.tag == 18
    protected, unprotected, inner, signature = outer.value
    assert cbor2.loads(protected) == {1: -8, 3: "application/rail-statement+cbor", 4: OPERATOR}
    assert (unprotected, len(signature)) == ({}, 64)
    assert cbor2.loads(inner) == payload.to_map()
    assert cbor2.dumps(cbor2.loads(inner), canonical=True) == inner
    to_be_signed = cbor2.dumps(["Signature1", protected, b"", inner])
    OPERATOR_KEY.verify_key.verify(to_be_signed, signature)


@settings(max_examples=50)
@given(st.data())
def test_any_generation_statement_is_inverse_and_small(data: st.DataObject) -> None:
    digests = st.binary(min_size=32, max_size=32)
    words = st.from_regex(r"[a-z0-9]([a-z0-9._/-]{0,62}[a-z0-9])?", fullmatch=True)
    tokens = st.integers(0, 2**32 - 1)
    sampling = st.builds(
        Sampling,
        temperature_micro=st.integers(0, 100_000_000),
        top_k=st.integers(0, 2**20),
        top_p_micro=st.integers(1, 1_000_000),
        seed=st.integers(0, 2**63 - 1),
        max_tokens=st.integers(1, 2**20),
        min_p_micro=st.integers(0, 1_000_000),
        repetition_micro=st.integers(10_000, 10_000_000),
        frequency_micro=st.integers(-2_000_000, 2_000_000),
        presence_micro=st.integers(-2_000_000, 2_000_000),
        logit_biases=st.integers(0, 300),
    )
    payload = data.draw(
        st.builds(
            GenerationStatement,
            time=st.integers(0, 253_402_300_799),
            counter=st.integers(0, 2**53 - 1),
            model_root=digests,
            engine=words,
            prompt_commitment=digests,
            output_commitment=digests,
            prompt_tokens=tokens,
            output_tokens=tokens,
            sampling=sampling,
            finish=st.sampled_from(["stop", "length", "cancelled"]),
            echo_permille=st.integers(0, 1000),
            fingerprint_root=digests,
            assurance=st.sampled_from(["replayable", "attested"]),
        )
    )
    signed = sign_statement(payload, OPERATOR_KEY)
    assert open_statement(signed).payload == payload
    assert len(signed) < GENERATION_BYTES_MAX


def test_the_largest_generation_statement_is_under_a_thousand_bytes() -> None:
    largest = GenerationStatement(
        time=253_402_300_799,
        counter=2**53 - 1,
        model_root=MODEL_ROOT,
        engine="e" * 64,
        prompt_commitment=MODEL_ROOT,
        output_commitment=MODEL_ROOT,
        prompt_tokens=2**32 - 1,
        output_tokens=2**32 - 1,
        sampling=Sampling(
            100_000_000, 2**20, 1_000_000, 2**63 - 1, 2**20, 1_000_000, 10_000_000, -2_000_000, -2_000_000, 300
        ),
        finish="cancelled",
        echo_permille=1000,
        fingerprint_root=MODEL_ROOT,
        assurance="replayable",
    )
    assert len(sign_statement(largest, OPERATOR_KEY)) == 750 < GENERATION_BYTES_MAX


# Bounds of fields

BAD_FIELDS: dict[Any, dict[str, list[Any]]] = {
    operator_statement: {
        "time": [-1, 253_402_300_800, 1.0, True, "1", None],
        "counter": [-1, 2**53, 0.0, False, None],
        "name": ["", " x", "x ", "a\nb", "a\x00b", "a\u202eb", "a\u200bb", "a\ufeffb", "x" * 101, "é" * 51, b"x", None],
        "contact": ["", "x" * 201, "a\tb", 5],
        "public": [b"", bytes(32), b"\xff" * 32, b"x" * 31, b"x" * 33, "x" * 32, None],
        "valid_from": [-1, None],
        "valid_to": [-1, TIME - 1, "never"],
        "action": ["", "Register", "delete", None, 1],
    },
    model_statement: {
        "model_root": [b"", b"x" * 31, "x" * 32],
        "name": [""],
        "family": ["", "Llama", "a b", "-a", "a-", "x" * 65, None],
        "parameters": [0, -1, 2**53],
        "engine": ["", "rail int"],
        "sources": [
            {"a": b"short"},
            {"": b"x" * 32},
            {b"a": b"x" * 32},
            {str(i): b"x" * 32 for i in range(33)},
            [],
            None,
        ],
        "licence": ["", "x" * 101],
    },
    generation_statement: {
        "model_root": [None],
        "engine": [None],
        "prompt_commitment": [b""],
        "output_commitment": [b"x" * 33],
        "prompt_tokens": [-1, 2**32],
        "output_tokens": [-1, 2**32, None],
        "sampling": [None, {}, {"seed": 1}],
        "finish": ["error", None],
        "echo_permille": [-1, 1001],
        "fingerprint_root": [None],
        "assurance": ["certain", ""],
    },
    replay_statement: {
        "entry_index": [-1, 2**63],
        "entry_leaf_hash": [b""],
        "verdict": ["maybe"],
        "first_difference": [-1, 2**32, "0", 0],
        "reason": ["Because", "", "x" * 65, "no/reason"],
        "engine": [""],
    },
    erasure_statement: {"entry_index": [-1], "entry_leaf_hash": [None], "reason": [None, "", "a reason"]},
}
CASES = [(make, name, value) for make, bad in BAD_FIELDS.items() for name, values in bad.items() for value in values]


@pytest.mark.parametrize(("make", "name", "value"), CASES)
def test_field_out_of_bounds_is_refused_made_or_parsed(make: Any, name: str, value: Any) -> None:
    payload = make()
    codes = {f"statement_{name}"} if name != "first_difference" or value != 0 else {"statement_first_difference"}
    with pytest.raises(ParseError) as caught:
        replace(payload, **{name: value})
    assert caught.value.code in codes
    try:
        data = cbor.encode({**payload.to_map(), name: value})
    except (TypeError, ValueError):
        return  # Not even CBOR of ours.
    code = refused(signed_bytes(data))
    assert code in codes or code.startswith("statement_sampling")


def test_every_field_has_a_bad_value_in_the_table_above() -> None:
    for make, bad in BAD_FIELDS.items():
        shared = set() if make is operator_statement else {"time", "counter"}
        assert {item.name for item in fields(make())} - shared == set(bad)
    assert {make().type for make in BAD_FIELDS} == set(PAYLOAD_TYPES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature_micro", -1),
        ("temperature_micro", 100_000_001),
        ("temperature_micro", 0.5),
        ("top_k", -1),
        ("top_k", 2**20 + 1),
        ("top_p_micro", 0),
        ("top_p_micro", 1_000_001),
        ("seed", -1),
        ("seed", 2**63),
        ("max_tokens", 0),
        ("max_tokens", 2**20 + 1),
        ("min_p_micro", -1),
        ("min_p_micro", 1_000_001),
        ("repetition_micro", 9_999),
        ("repetition_micro", 10_000_001),
        ("frequency_micro", -2_000_001),
        ("frequency_micro", 2_000_001),
        ("presence_micro", -2_000_001),
        ("presence_micro", 2_000_001),
        ("presence_micro", None),
        ("logit_biases", -1),
        ("logit_biases", 301),
    ],
)
def test_sampling_out_of_bounds_is_refused(name: str, value: Any) -> None:
    payload = generation_statement()
    with pytest.raises(ParseError) as caught:
        replace(payload.sampling, **{name: value})
    assert caught.value.code == f"statement_sampling_{name}"
    if isinstance(value, int):
        sampling = {**payload.sampling.to_map(), name: value}
        assert refused(signed_bytes(cbor.encode({**payload.to_map(), "sampling": sampling}))) == caught.value.code


OFF = {"min_p_micro": 0, "repetition_micro": 1_000_000, "frequency_micro": 0, "presence_micro": 0, "logit_biases": 0}


def test_parameters_that_are_off_are_left_out() -> None:
    """One form for each value: what is off may not be written, and what is written is not off."""
    sampling = generation_statement().sampling
    values = sampling.to_map()
    assert not values.keys() & OFF.keys()
    assert Sampling(**values, **OFF) == sampling
    for name, off in OFF.items():
        data = {**generation_statement().to_map(), "sampling": {**values, name: off}}
        assert refused(signed_bytes(cbor.encode(data))) == f"statement_sampling_{name}"
        assert name in replace(sampling, **{name: off + 1}).to_map()


@pytest.mark.parametrize("name", ["temperature_micro", "top_k", "top_p_micro", "seed", "max_tokens"])
def test_the_other_parameters_are_always_there(name: str) -> None:
    values = {key: item for key, item in generation_statement().sampling.to_map().items() if key != name}
    data = {**generation_statement().to_map(), "sampling": values}
    assert refused(signed_bytes(cbor.encode(data))) == f"statement_sampling_{name}"


@pytest.mark.parametrize("payload", payloads(), ids=lambda payload: payload.type)
def test_missing_or_unknown_fields_are_refused(payload: Payload) -> None:
    values = payload.to_map()
    for name in values:
        without = {key: item for key, item in values.items() if key != name}
        assert refused(signed_bytes(cbor.encode(without))) == f"statement_{name}"
    assert refused(signed_bytes(cbor.encode({**values, "note": "x"}))) == "statement_unknown_field"
    assert refused(signed_bytes(cbor.encode({**values, 1: 2}))) == "statement_unknown_field"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "statement_payload"),
        ([], "statement_payload"),
        (b"", "statement_payload"),
        ({}, "statement_v"),
        ({"v": 2, "type": "operator"}, "statement_v"),
        ({"v": "1", "type": "operator"}, "statement_v"),
        ({"v": 1}, "statement_type"),
        ({"v": 1, "type": "witness"}, "statement_type"),
        ({"v": 1, "type": 5}, "statement_type"),
        ({"v": 1, "type": [5]}, "statement_type"),
    ],
)
def test_payload_of_another_shape_is_refused(value: Any, code: str) -> None:
    assert refused(signed_bytes(cbor.encode(value))) == code
    with pytest.raises(ParseError):
        payload_from_map(value)


VERDICTS = [
    ("match", None, None, None),
    ("mismatch", 5, None, None),
    ("mismatch", None, "output_bytes", None),
    ("mismatch", 5, "output_bytes", None),
    ("not_reproducible", None, "model_unavailable", None),
    ("match", 5, None, "statement_first_difference"),
    ("match", None, "why", "statement_reason"),
    ("mismatch", None, None, "statement_reason"),
    ("not_reproducible", None, None, "statement_reason"),
    ("not_reproducible", 5, "why", "statement_first_difference"),
]


@pytest.mark.parametrize(("verdict", "difference", "reason", "code"), VERDICTS)
def test_verdict_goes_with_its_evidence(
    verdict: str, difference: int | None, reason: str | None, code: str | None
) -> None:
    def made() -> ReplayStatement:
        return replace(replay_statement(), verdict=verdict, first_difference=difference, reason=reason)

    if code is None:
        assert open_statement(sign_statement(made(), OPERATOR_KEY)).payload == made()
    else:
        with pytest.raises(ParseError) as caught:
            made()
        assert caught.value.code == code


# The signed object

PAYLOAD = cbor.encode(generation_statement().to_map())
GOOD = signed_bytes(PAYLOAD)
PROTECTED = {1: -8, 3: "application/rail-statement+cbor", 4: OPERATOR}


def envelope(
    protected: Any = PROTECTED, unprotected: Any = None, payload: Any = PAYLOAD, signature: Any = bytes(64)
) -> bytes:
    header = protected if isinstance(protected, bytes) else cbor2.dumps(protected, canonical=True)
    return cbor2.dumps(cbor2.CBORTag(18, [header, unprotected or {}, payload, signature]))


def test_the_envelope_helper_makes_our_bytes() -> None:
    assert envelope(signature=GOOD[-64:]) == GOOD


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "cose_tag"),
        (GOOD[1:], "cose_tag"),
        (b"\xd1" + GOOD[1:], "cose_tag"),
        (b"\xd8\x12" + GOOD[1:], "cose_tag"),
        (b"\xd2" + GOOD, "cbor_type"),
        (GOOD[:-1], "cbor_truncated"),
        (GOOD + b"\x00", "cbor_trailing"),
        (GOOD.replace(b"\xd2\x84", b"\xd2\x9f", 1) + b"\xff", "cbor_indefinite"),
        (GOOD.replace(b"\xd2\x84", b"\xd2\x98\x04", 1), "cbor_not_shortest"),
        (b"\xd2\x83" + GOOD[2:], "cbor_trailing"),
        (b"\xd2\x80", "cose_structure"),
        (b"\xd2\xa0", "cose_structure"),
        (b"\xd2\xf6", "cose_structure"),
        (envelope(payload=None), "cose_structure"),
        (envelope(payload="text"), "cose_structure"),
        (envelope(signature=None), "cose_structure"),
        (envelope(signature=bytes(63)), "cose_signature_length"),
        (envelope(signature=bytes(65)), "cose_signature_length"),
        (envelope(signature=b""), "cose_signature_length"),
        (envelope(unprotected={4: OPERATOR}), "cose_unprotected"),
        (envelope(unprotected=[1]), "cose_structure"),
        (envelope(b""), "cbor_truncated"),
        (envelope({}), "cose_protected"),
        (envelope(b"\xa0\x00"), "cbor_trailing"),
        (envelope(b"\x80"), "cose_protected"),
        (envelope({1: -8, 4: OPERATOR}), "cose_protected"),
        (envelope({**PROTECTED, 2: [1]}), "cose_protected"),
        (envelope({**PROTECTED, 1: -7}), "cose_algorithm"),
        (envelope({**PROTECTED, 1: "EdDSA"}), "cose_algorithm"),
        (envelope({**PROTECTED, 3: "application/cbor"}), "cose_content_type"),
        (envelope({**PROTECTED, 3: 60}), "cose_content_type"),
        (envelope({**PROTECTED, 4: OPERATOR[:-1]}), "cose_key_id"),
        (envelope({**PROTECTED, 4: OPERATOR.hex()}), "cose_key_id"),
        (envelope(cbor2.dumps({4: OPERATOR, 1: -8, 3: PROTECTED[3]})), "cbor_key_order"),
        (envelope(payload=b""), "cbor_truncated"),
        (envelope(payload=PAYLOAD + b"\x00"), "cbor_trailing"),
        (envelope(payload=PAYLOAD[:-1]), "cbor_truncated"),
        (envelope(payload=b"\xbf" + PAYLOAD[1:] + b"\xff"), "cbor_indefinite"),
        (envelope(payload=PAYLOAD.replace(b"\x61v\x01", b"\x61v\x18\x01")), "cbor_not_shortest"),
        (envelope(payload=PAYLOAD.replace(b"\x61v\x01", b"\x61v\xf9\x3c\x00")), "cbor_type"),
        (envelope(payload=PAYLOAD.replace(b"\x61v\x01", b"\x61v\xc1\x01")), "cbor_type"),
        (envelope(payload=b"\x81" * 60_000), "cbor_depth"),
        (envelope(payload=cbor2.dumps(generation_statement().to_map())), "cbor_key_order"),
        (envelope(payload=b"\xb0\x61v\x01" + PAYLOAD[1:]), "cbor_duplicate_key"),
        (envelope(payload=bytes(65_536)), "cose_size"),
    ],
)
def test_any_other_signed_object_is_refused(data: bytes, code: str) -> None:
    assert refused(data) == code


def test_statement_of_65535_bytes_is_read_and_one_more_is_not() -> None:
    head = len(envelope(payload=bytes(60_000))) - 60_000
    largest = envelope(payload=bytes(STATEMENT_BYTES_MAX - head))
    assert len(largest) == STATEMENT_BYTES_MAX
    assert refused(largest) == "cbor_trailing"
    assert refused(envelope(payload=bytes(STATEMENT_BYTES_MAX - head + 1))) == "cose_size"


def test_every_altered_bit_is_refused_or_does_not_verify() -> None:
    for data in entries():
        for position in range(len(data)):
            altered = bytearray(data)
            altered[position] ^= 1 << position % 8
            with pytest.raises((ParseError, SignatureInvalid)):
                check_signed_by(open_statement(bytes(altered)), operator_statement())


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: GOOD[:40] + tail))
def test_random_bytes_raise_errors_of_ours_only(data: bytes) -> None:
    with pytest.raises(LedgerError):
        open_statement(data)


@given(st.integers(0, len(PAYLOAD) - 1), st.integers(0, 255), st.booleans())
def test_altered_payloads_parse_to_themselves_or_are_refused(position: int, value: int, insert: bool) -> None:
    data = signed_bytes(PAYLOAD[:position] + bytes([value]) + PAYLOAD[position + (not insert) :])
    try:
        statement = open_statement(data)
    except ParseError:
        return
    assert statement.encode() == data


# Who signed


def test_signature_by_another_key_is_rejected() -> None:
    statement = open_statement(GOOD)
    with pytest.raises(SignatureInvalid) as caught:
        check_signed_by(statement, operator_statement(OTHER_KEY))
    assert caught.value.code == "statement_operator"
    forged = open_statement(Sign1(OPERATOR, PAYLOAD, OTHER_KEY.sign(signing_bytes(OPERATOR, PAYLOAD))).encode())
    with pytest.raises(SignatureInvalid) as caught:
        check_signed_by(forged, operator_statement())
    assert caught.value.code == "statement_signature"


def test_signatures_of_many_are_told_apart() -> None:
    """Statements of different lengths, keys and faults in one call: each has its own answer."""
    mine = [open_statement(data) for data in entries()]
    other = open_statement(sign_statement(operator_statement(OTHER_KEY), OTHER_KEY))
    forged = replace(mine[1], signature=other.signature)
    registration, others = operator_statement(), operator_statement(OTHER_KEY)
    pairs = [(statement, registration) for statement in mine]
    pairs += [(other, registration), (forged, registration), (other, others)]
    codes = [error.code if error else None for error in signature_errors(pairs)]
    assert codes == [None] * len(mine) + ["statement_operator", "statement_signature", None]
    assert signature_errors([]) == []


def test_signature_for_another_purpose_is_rejected() -> None:
    for message in (PAYLOAD, GOOD, b"Signature1" + PAYLOAD):
        with pytest.raises(SignatureInvalid):
            statement = Sign1(OPERATOR, PAYLOAD, OPERATOR_KEY.sign(message))
            check_signed_by(open_statement(statement.encode()), operator_statement())


def test_key_registers_itself_only() -> None:
    with pytest.raises(ParseError) as caught:
        sign_statement(operator_statement(OTHER_KEY), OPERATOR_KEY)
    assert caught.value.code == "statement_public"
    assert refused(signed_bytes(cbor.encode(operator_statement(OTHER_KEY).to_map()))) == "statement_public"
    rotation = replace(operator_statement(OTHER_KEY), action="rotate")
    assert open_statement(sign_statement(rotation, OPERATOR_KEY)).payload == rotation


def test_registered_key_signs_within_its_validity() -> None:
    statement = open_statement(GOOD)
    signed_at = statement.payload.time
    check_signed_by(statement, operator_statement())
    check_signed_by(statement, operator_statement(valid_to=signed_at))
    late = replace(operator_statement(), valid_from=signed_at + 1)
    for registration in (operator_statement(valid_to=signed_at - 1), late):
        with pytest.raises(SignatureInvalid) as caught:
            check_signed_by(statement, registration)
        assert caught.value.code == "statement_outside_validity"
    with pytest.raises(SignatureInvalid) as caught:
        check_signed_by(statement, operator_statement(LOG_KEY))
    assert caught.value.code == "statement_operator"
