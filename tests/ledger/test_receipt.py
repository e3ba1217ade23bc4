"""Receipts: what they prove, and that nothing altered is ever accepted as something else."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_samples import (
    LOG_KEY,
    OPERATOR_KEY,
    ORIGIN,
    OTHER_KEY,
    OUTPUT_CONTENT,
    OUTPUT_SALT,
    PROMPT_CONTENT,
    PROMPT_SALT,
    STEERED_CONTENT,
    TIME,
    WITNESS_KEY,
    entries,
    erasure_statement,
    generation_statement,
    model_statement,
    opening,
    operator_statement,
    receipt_of,
    steered_statement,
)

from ledger.commitment import commit, output_content
from ledger.encoding import format_base64
from ledger.errors import LedgerError, ParseError, ProofInvalid, SignatureInvalid
from ledger.keys import VerifyKey
from ledger.merkle import leaf_hash
from ledger.proof import check_tlog_proof, parse_tlog_proof
from ledger.receipt import RECEIPT_BYTES_MAX, CheckedReceipt, Opening, Receipt, SaltedContent, check_receipt
from ledger.statement import sign_statement

LOG = LOG_KEY.verify_key
ENTRIES = entries()
GENERATION = 2


def made(shown: bool = True) -> Receipt:
    return receipt_of(ENTRIES, GENERATION, shown=opening() if shown else None)


def rejected(receipt: Receipt, log: VerifyKey = LOG) -> str:
    with pytest.raises((ParseError, SignatureInvalid, ProofInvalid)) as caught:
        check_receipt(receipt, log)
    assert len(str(caught.value)) < 300
    return caught.value.code


# What a genuine receipt says


def test_receipt_of_a_generation() -> None:
    receipt = made()
    checked = check_receipt(Receipt.from_json(receipt.to_json()), LOG)
    assert checked.statement.payload == generation_statement()
    assert checked.operator == operator_statement()
    assert (checked.origin, checked.size, checked.index) == (ORIGIN, 5, GENERATION)
    assert checked.leaf_hash == leaf_hash(ENTRIES[GENERATION])
    assert checked.opened is not None
    assert checked.opened.prompt is not None
    assert checked.opened.output is not None
    assert checked.opened.prompt.ids == (1, 9038, 2501)
    assert checked.opened.prompt.stop == ("\n\n",)
    assert checked.opened.output.bytes.decode() == "Once upon a time — 中文"


@pytest.mark.parametrize("index", range(len(ENTRIES)))
def test_receipt_of_every_type_of_entry(index: int) -> None:
    receipt = receipt_of(ENTRIES, index)
    assert Receipt.from_json(receipt.to_json()) == receipt
    checked = check_receipt(receipt, LOG)
    assert (checked.index, checked.opened) == (index, None)


def test_receipt_in_a_log_of_one_entry() -> None:
    checked = check_receipt(receipt_of(ENTRIES[:1], 0), LOG)
    assert (checked.size, checked.operator) == (1, checked.statement.payload)


@pytest.mark.parametrize("part", ["prompt", "output"])
def test_receipt_may_show_one_part_only(part: str) -> None:
    receipt = replace(made(), opening=replace(opening(), **{part: None}))
    opened = check_receipt(Receipt.from_json(receipt.to_json()), LOG).opened
    assert opened is not None
    assert getattr(opened, part) is None


def test_witnesses_are_reported_when_they_are_known() -> None:
    receipt = receipt_of(ENTRIES, GENERATION, witnessed=True)
    assert check_receipt(receipt, LOG).cosignatures == ()
    (verified,) = check_receipt(receipt, LOG, [WITNESS_KEY.verify_key]).cosignatures
    assert (verified.key.name, verified.time) == ("w1.example/witness", TIME + 60)


def test_tlog_proof_of_a_receipt_verifies_alone() -> None:
    proof = parse_tlog_proof(made().to_tlog_proof())
    assert check_tlog_proof(proof, leaf_hash(ENTRIES[GENERATION]), LOG).checkpoint.size == 5


def test_object_form_takes_keys_in_any_order() -> None:
    receipt = made()
    shuffled = json.loads(json.dumps(receipt.to_object(), sort_keys=True))
    assert Receipt.from_object(shuffled) == receipt


def test_file_is_what_common_tools_write() -> None:
    text = made().to_json()
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
    assert text.startswith('{\n  "format": "rail-receipt/1",\n  "log": "rail.example/log1+7fd7bc70+')
    assert "— rail.example/log1" in text


# Altered bytes


def test_every_altered_bit_is_refused() -> None:
    """A checkpoint without unknown cosignatures: no bit of the file is without effect."""
    data = made().to_json().encode()
    for position in range(len(data)):
        for bit in {position % 8, 0, 5}:
            altered = bytearray(data)
            altered[position] ^= 1 << bit
            with pytest.raises((ParseError, SignatureInvalid, ProofInvalid)):
                check_receipt(Receipt.from_json(bytes(altered)), LOG)


def test_every_removed_or_doubled_byte_is_refused() -> None:
    data = made().to_json().encode()
    for position in range(len(data)):
        for altered in (data[:position] + data[position + 1 :], data[: position + 1] + data[position:]):
            with pytest.raises((ParseError, SignatureInvalid, ProofInvalid)):
                check_receipt(Receipt.from_json(altered), LOG)


def test_altered_cosignature_is_refused_or_not_counted() -> None:
    witnesses = [WITNESS_KEY.verify_key]
    data = receipt_of(ENTRIES, GENERATION, witnessed=True).to_json().encode()
    genuine = check_receipt(Receipt.from_json(data), LOG, witnesses)
    start = data.index("— w1.example".encode())
    for position in range(start, data.index(b'"', start)):
        altered = bytearray(data)
        altered[position] ^= 1 << position % 8
        try:
            checked = check_receipt(Receipt.from_json(bytes(altered)), LOG, witnesses)
        except (ParseError, SignatureInvalid):
            continue
        assert checked == replace(genuine, cosignatures=())


@given(st.data())
def test_altered_receipts_raise_errors_of_ours_only(data: st.DataObject) -> None:
    text = bytearray(made().to_json().encode())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        stop = min(start + data.draw(st.integers(0, 40)), len(text))
        text[start:stop] = data.draw(st.binary(max_size=20))
    accepted_as_itself_or_refused(bytes(text))


@given(st.binary(max_size=200))
def test_random_bytes_raise_errors_of_ours_only(data: bytes) -> None:
    accepted_as_itself_or_refused(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    ["format"],
    ["log"],
    ["entry"],
    ["entry", "index"],
    ["entry", "statement"],
    ["entry", "proof"],
    ["entry", "proof", 0],
    ["operator"],
    ["operator", "index"],
    ["operator", "statement"],
    ["operator", "proof"],
    ["operator", "proof", 1],
    ["checkpoint"],
    ["opening"],
    ["opening", "prompt"],
    ["opening", "prompt", "salt"],
    ["opening", "prompt", "content"],
    ["opening", "output"],
    ["opening", "output", "salt"],
    ["opening", "output", "content"],
]


def substituted(place: list[Any], value: Any) -> dict[str, Any]:
    """The JSON object of a genuine receipt with the value at `place` replaced."""
    whole = json.loads(made().to_json())
    inner = whole
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return whole


@given(st.sampled_from(PLACES), JSON)
def test_any_value_in_any_field_is_refused_with_an_error_of_ours(place: list[Any], value: Any) -> None:
    if value is None and place[0] == "opening" and place[-1] in ("opening", "prompt", "output"):
        return  # A genuine receipt that shows less.
    with pytest.raises((ParseError, SignatureInvalid, ProofInvalid)):
        check_receipt(Receipt.from_object(substituted(place, value)), LOG)


def accepted_as_itself_or_refused(data: bytes) -> CheckedReceipt | None:
    try:
        receipt = Receipt.from_json(data)
        checked = check_receipt(receipt, LOG)
    except LedgerError:
        return None
    assert receipt.to_json().encode() == data
    assert receipt == made()
    return checked


# Altered fields, each with its code

SOME_HASH = format_base64(bytes(32))


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        (["format"], "rail-receipt/2", "receipt_format"),
        (["log"], 5, "receipt_log"),
        (["log"], "rail.example/log1", "vkey_format"),
        (["log"], OTHER_KEY.vkey, "receipt_log"),
        (["entry"], [], "receipt_entry"),
        (["entry", "index"], 1, "entry_inclusion_root"),
        (["entry", "index"], 5, "entry_inclusion_index"),
        (["entry", "index"], -1, "proof_index"),
        (["entry", "index"], 2**63, "proof_index"),
        (["entry", "index"], 2.0, "receipt_entry_index"),
        (["entry", "index"], True, "receipt_entry_index"),
        (["entry", "index"], "2", "receipt_entry_index"),
        (["entry", "statement"], "", "entry_inclusion_root"),
        (["entry", "statement"], "AAAA", "entry_inclusion_root"),
        (["entry", "statement"], "AAA", "receipt_entry_statement"),
        (["entry", "statement"], "AAB=", "receipt_entry_statement"),
        (["entry", "statement"], "A" * 87_384, "receipt_entry_statement"),
        (["entry", "proof"], [], "entry_inclusion_length"),
        (["entry", "proof"], [SOME_HASH] * 3, "entry_inclusion_root"),
        (["entry", "proof"], [SOME_HASH] * 4, "entry_inclusion_length"),
        (["entry", "proof"], [SOME_HASH] * 64, "receipt_entry_proof"),
        (["entry", "proof"], "AAAA", "receipt_entry_proof"),
        (["entry", "proof", 0], "AAAA", "proof_hashes"),
        (["entry", "proof", 0], SOME_HASH[:-1], "receipt_entry_proof"),
        (["entry", "proof", 0], None, "receipt_entry_proof"),
        (["operator", "index"], 1, "operator_inclusion_root"),
        (["operator", "statement"], format_base64(ENTRIES[1]), "operator_inclusion_root"),
        (["operator", "proof"], [], "operator_inclusion_length"),
        (["operator", "proof", 0], SOME_HASH, "operator_inclusion_root"),
        (["checkpoint"], "", "note_structure"),
        (["checkpoint"], "\ud800", "receipt_checkpoint"),
        (["checkpoint"], 5, "receipt_checkpoint"),
        (["opening"], [], "receipt_opening"),
        (["opening", "prompt", "salt"], "AAAA", "receipt_opening_prompt_salt"),
        (["opening", "prompt", "salt"], SOME_HASH, "opening_prompt"),
        (["opening", "prompt", "content"], format_base64(OUTPUT_CONTENT), "opening_prompt"),
        (["opening", "output", "salt"], SOME_HASH, "opening_output"),
        (["opening", "output", "content"], "", "opening_output"),
        (["opening", "output"], {"salt": SOME_HASH, "content": "AAAA"}, "opening_output"),
        (["opening", "output"], {"salt": SOME_HASH}, "receipt_opening_output_content"),
        (["opening", "output"], {"salt": "", "content": "", "x": 1}, "receipt_opening_output_unknown_field"),
    ],
)
def test_altered_field_is_named(place: list[Any], value: Any, code: str) -> None:
    with pytest.raises((ParseError, SignatureInvalid, ProofInvalid)) as caught:
        check_receipt(Receipt.from_object(substituted(place, value)), LOG)
    assert caught.value.code == code


def test_missing_and_unknown_fields_are_named() -> None:
    for name in made().to_object():
        whole = made().to_object()
        del whole[name]
        with pytest.raises(ParseError) as caught:
            Receipt.from_object(whole)
        assert caught.value.code == f"receipt_{name}"
    with pytest.raises(ParseError) as caught:
        Receipt.from_object({**made().to_object(), "note": 1})
    assert caught.value.code == "receipt_unknown_field"


def rewritten(change: Callable[[str], str]) -> str:
    text = made().to_json()
    changed = change(text)
    assert changed != text
    return changed


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "receipt_json"),
        (b"\xff", "receipt_json"),
        (b"\xef\xbb\xbf{}", "receipt_json"),
        ("{", "receipt_json"),
        ("[" * 100_000, "receipt_json"),
        ("1" * 10_000, "receipt_json"),
        ("null", "receipt"),
        ("[]", "receipt"),
        ("{}", "receipt_format"),
        (rewritten(lambda text: json.dumps(json.loads(text))), "receipt_not_canonical"),
        (rewritten(lambda text: json.dumps(json.loads(text), indent=2) + "\n"), "receipt_not_canonical"),
        (rewritten(lambda text: json.dumps(json.loads(text), indent=2, sort_keys=True)), "receipt_not_canonical"),
        (rewritten(lambda text: text[:-1]), "receipt_not_canonical"),
        (rewritten(lambda text: text + "\n"), "receipt_not_canonical"),
        (rewritten(lambda text: text.replace("\n", "\r\n")), "receipt_not_canonical"),
        (rewritten(lambda text: text.replace('"index": 2', '"index": 2, "index": 2')), "receipt_not_canonical"),
        (rewritten(lambda text: text.replace('"index": 2', '"index": 7, "index": 2')), "receipt_not_canonical"),
        (rewritten(lambda text: text.replace('"index": 2', '"index": -0')), "receipt_not_canonical"),
        (rewritten(lambda text: text.replace("rail-receipt", "r\\u0061il-receipt")), "receipt_not_canonical"),
        (rewritten(lambda text: text.replace('"index": 2', '"index": NaN')), "receipt_entry_index"),
        (b" " * (RECEIPT_BYTES_MAX + 1), "receipt_size"),
    ],
)
def test_file_in_another_form_is_refused(data: str | bytes, code: str) -> None:
    with pytest.raises(ParseError) as caught:
        Receipt.from_json(data)
    assert caught.value.code == code


# Receipts that are well made, of things that prove nothing


def test_receipt_of_another_log_is_rejected() -> None:
    assert rejected(made(), OTHER_KEY.verify_key) == "receipt_log"
    borrowed = replace(made(), log_vkey=OTHER_KEY.vkey)
    assert rejected(borrowed, OTHER_KEY.verify_key) == "checkpoint_origin"


def test_checkpoint_of_another_size_is_rejected() -> None:
    shorter = receipt_of(ENTRIES[:4], GENERATION)
    mixed = replace(made(), proof=replace(made().proof, checkpoint=shorter.proof.checkpoint))
    assert rejected(mixed).startswith("operator_inclusion_")


def test_operator_evidence_must_register_the_signing_key() -> None:
    other = sign_statement(operator_statement(OTHER_KEY), OTHER_KEY)
    items = [other, *ENTRIES]
    assert check_receipt(receipt_of(items, 3, operator_index=1), LOG).index == 3
    assert rejected(receipt_of(items, 3, operator_index=0)) == "entry_statement_operator"
    assert rejected(receipt_of(items, 3, operator_index=2)) == "operator_not_registration"


def test_forged_signature_in_the_log_is_rejected() -> None:
    forged = ENTRIES[GENERATION][:-64] + OTHER_KEY.sign(b"anything")
    assert rejected(receipt_of([*ENTRIES, forged], 5)) == "entry_statement_signature"
    registration = ENTRIES[0][:-64] + bytes(64)
    assert rejected(receipt_of([registration, *ENTRIES], 3)) == "operator_statement_signature"


def test_garbage_in_the_log_is_rejected() -> None:
    assert rejected(receipt_of([*ENTRIES, b"garbage"], 5)) == "entry_cose_tag"
    assert rejected(receipt_of([b"", *ENTRIES], 3)) == "operator_cose_tag"


def test_entry_before_the_registration_or_after_its_end_is_rejected() -> None:
    reordered = [*ENTRIES[1:], ENTRIES[0]]
    assert rejected(receipt_of(reordered, 1, operator_index=4)) == "receipt_operator"
    expired = sign_statement(operator_statement(valid_to=TIME + 1), OPERATOR_KEY)
    assert rejected(receipt_of([expired, *ENTRIES[1:]], GENERATION)) == "entry_statement_outside_validity"
    assert check_receipt(receipt_of([expired, *ENTRIES[1:]], 1), LOG).statement.payload == model_statement()


def test_registration_is_made_while_the_key_is_valid() -> None:
    early = sign_statement(replace(operator_statement(), valid_from=TIME + 1), OPERATOR_KEY)
    assert rejected(receipt_of([early, *ENTRIES[1:]], GENERATION)) == "operator_statement_outside_validity"


def test_opening_of_an_entry_without_content_is_rejected() -> None:
    assert rejected(receipt_of(ENTRIES, 4, shown=opening())) == "opening"
    assert erasure_statement().type == "erasure"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (output_content([1, 2], b"x"), "opening_output_tokens"),
        (PROMPT_CONTENT, "opening_output_fields"),
        (b"\xa0", "opening_output_fields"),
        (b"\xff", "cbor_type"),
    ],
)
def test_committed_content_must_have_the_stated_form(content: bytes, code: str) -> None:
    committed = replace(generation_statement(), output_commitment=commit("output", OUTPUT_SALT, content))
    items = [*ENTRIES, sign_statement(committed, OPERATOR_KEY)]
    shown = Opening(prompt=None, output=SaltedContent(OUTPUT_SALT, content))
    assert rejected(receipt_of(items, 5, shown=shown)) == code


@pytest.mark.parametrize("stated", [0, 1, 2, 3])
def test_as_many_biases_as_the_statement_says(stated: int) -> None:
    steered = steered_statement()
    committed = replace(steered, sampling=replace(steered.sampling, logit_biases=stated))
    items = [*ENTRIES, sign_statement(committed, OPERATOR_KEY)]
    receipt = receipt_of(items, 5, shown=Opening(SaltedContent(PROMPT_SALT, STEERED_CONTENT), None))
    if stated != 2:
        assert rejected(receipt) == "opening_prompt_biases"
        return
    opened = check_receipt(receipt, LOG).opened
    assert opened is not None and opened.prompt is not None
    assert opened.prompt.bias == ((13, -100_000_000), (700, 1_500_000))
