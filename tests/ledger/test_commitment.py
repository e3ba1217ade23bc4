"""Commitments: their bytes, their binding, and the content that they open to."""

from hashlib import sha256

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.commitment import (
    OutputContent,
    PromptContent,
    check_commitment,
    commit,
    new_salt,
    output_content,
    parse_output_content,
    parse_prompt_content,
    prompt_content,
)
from ledger.errors import LedgerError, ParseError, ProofInvalid

SALT = bytes(range(32))
IDS = st.lists(st.integers(0, 2**31 - 1), max_size=20)


def test_commitment_is_the_hash_of_the_specification() -> None:
    content = cbor2.dumps({"ids": [1, 263], "bytes": b"Once"}, canonical=True)
    assert output_content([1, 263], b"Once") == content
    assert commit("output", SALT, content) == sha256(b"rail/commitment/v1\0output\0" + SALT + content).digest()


def test_tag_salt_and_content_are_all_bound() -> None:
    content = prompt_content([1, 2, 3], ["."])
    commitment = commit("prompt", SALT, content)
    check_commitment("prompt", SALT, content, commitment)
    for salt, wrong in [
        (SALT[::-1], content),
        (SALT, prompt_content([1, 2, 4], ["."])),
        (SALT, prompt_content([1, 2, 3])),
    ]:
        with pytest.raises(ProofInvalid) as caught:
            check_commitment("prompt", salt, wrong, commitment)
        assert caught.value.code == "opening_prompt"
    with pytest.raises(ProofInvalid) as caught:
        check_commitment("output", SALT, content, commitment)
    assert caught.value.code == "opening_output"


def test_salts_are_fresh() -> None:
    assert len({new_salt() for _ in range(100)}) == 100


@pytest.mark.parametrize("salt", [b"", bytes(31), bytes(33)])
def test_salt_of_another_length_is_an_error(salt: bytes) -> None:
    with pytest.raises(ValueError, match="salt"):
        commit("prompt", salt, b"")


def test_unknown_tag_is_an_error() -> None:
    with pytest.raises(ValueError, match="tag"):
        commit("answer", SALT, b"")  # type: ignore[arg-type]


BIASES = st.dictionaries(st.integers(0, 2**31 - 1), st.integers(-100_000_000, 100_000_000), max_size=300)


@given(IDS, st.lists(st.text(max_size=10), max_size=4), BIASES)
def test_prompt_content_is_inverse(ids: list[int], stop: list[str], biases: dict[int, int]) -> None:
    bias = tuple(sorted(biases.items()))
    content = prompt_content(ids, stop, bias)
    assert parse_prompt_content(content) == PromptContent(tuple(ids), tuple(stop), bias)
    fields = {"ids": ids, "stop": stop, "bias": biases} if biases else {"ids": ids, "stop": stop}
    assert content == cbor2.dumps(fields, canonical=True)


def test_biases_are_bound() -> None:
    commitment = commit("prompt", SALT, prompt_content([1], [], ((5, 1), (7, 2))))
    for bias in ((), ((5, 1),), ((5, 2), (7, 2)), ((6, 1), (7, 2))):
        with pytest.raises(ProofInvalid):
            check_commitment("prompt", SALT, prompt_content([1], [], bias), commitment)


@given(IDS, st.binary(max_size=100))
def test_output_content_is_inverse(ids: list[int], output: bytes) -> None:
    assert parse_output_content(output_content(ids, output)) == OutputContent(tuple(ids), output)


@given(st.binary(max_size=60))
def test_random_content_raises_errors_of_ours_only(content: bytes) -> None:
    for parse in (parse_prompt_content, parse_output_content):
        with pytest.raises(LedgerError):
            parse(content)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "opening_prompt_fields"),
        ([], "opening_prompt_fields"),
        ({"ids": []}, "opening_prompt_fields"),
        ({"ids": [], "stop": [], "text": ""}, "opening_prompt_fields"),
        ({"ids": b"", "stop": []}, "opening_prompt_fields"),
        ({"ids": [], "stop": None}, "opening_prompt_fields"),
        ({"ids": [-1], "stop": []}, "opening_prompt_ids"),
        ({"ids": [2**31], "stop": []}, "opening_prompt_ids"),
        ({"ids": ["1"], "stop": []}, "opening_prompt_ids"),
        ({"ids": [None], "stop": []}, "opening_prompt_ids"),
        ({"ids": [1], "stop": [b"."]}, "opening_prompt_stop"),
        ({"ids": [1], "stop": ["."] * 17}, "opening_prompt_stop"),
        ({"ids": [1], "stop": [], "bias": {}}, "opening_prompt_bias"),
        ({"ids": [1], "stop": [], "bias": []}, "opening_prompt_bias"),
        ({"ids": [1], "stop": [], "bias": None}, "opening_prompt_bias"),
        ({"ids": [1], "stop": [], "bias": {-1: 1}}, "opening_prompt_bias"),
        ({"ids": [1], "stop": [], "bias": {"1": 1}}, "opening_prompt_bias"),
        ({"ids": [1], "stop": [], "bias": {1: 1, "1": 1}}, "opening_prompt_bias"),
        ({"ids": [1], "stop": [], "bias": {2**31: 1}}, "opening_prompt_bias"),
        ({"ids": [1], "stop": [], "bias": {1: 100_000_001}}, "opening_prompt_bias"),
        ({"ids": [1], "stop": [], "bias": {1: None}}, "opening_prompt_bias"),
        ({"ids": [1], "stop": [], "bias": dict.fromkeys(range(301), 1)}, "opening_prompt_bias"),
        ({"ids": [1], "stop": [], "biases": {1: 1}}, "opening_prompt_fields"),
        ({"ids": [1.0], "stop": []}, "cbor_type"),
        ({"ids": [True], "stop": []}, "cbor_type"),
    ],
)
def test_prompt_content_of_another_shape_is_refused(value: object, code: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_prompt_content(cbor2.dumps(value, canonical=True))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "opening_output_fields"),
        ({"ids": []}, "opening_output_fields"),
        ({"ids": [], "bytes": "text"}, "opening_output_fields"),
        ({"ids": [], "bytes": b"", "text": ""}, "opening_output_fields"),
        ({"ids": [-5], "bytes": b""}, "opening_output_ids"),
        ({"ids": [[1]], "bytes": b""}, "opening_output_ids"),
    ],
)
def test_output_content_of_another_shape_is_refused(value: object, code: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_output_content(cbor2.dumps(value, canonical=True))
    assert caught.value.code == code


def test_content_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(ParseError) as caught:
        parse_output_content(output_content([], bytes(8 * 1024 * 1024)))
    assert caught.value.code == "cbor_size"
