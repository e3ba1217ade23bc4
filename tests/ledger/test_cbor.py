"""Deterministic CBOR: one encoding per value, every rule broken once, and an independent codec beside ours."""

from itertools import product

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.cbor import DEPTH_MAX, CborValue, decode, encode, read
from ledger.compiled import cbor_is_valid
from ledger.errors import ParseError

LIMIT = 1_000_000

INTEGERS = st.integers(-(2**64), 2**64 - 1)
LEAVES = st.none() | INTEGERS | st.binary(max_size=40) | st.text(max_size=40)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=30), inner, max_size=5),
    max_leaves=12,
).filter(lambda value: depth(value) <= 8)


def depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


@given(VALUES)
def test_encode_and_decode_are_inverse(value: CborValue) -> None:
    assert decode(encode(value), LIMIT) == value


@given(VALUES)
def test_encoding_equals_that_of_an_independent_codec(value: CborValue) -> None:
    assert encode(value) == cbor2.dumps(value, canonical=True)


@given(st.binary(max_size=60))
def test_random_bytes_decode_to_one_value_or_are_refused(data: bytes) -> None:
    only_reencodes_to_itself(data)


@given(VALUES, st.data())
def test_altered_encodings_decode_to_one_value_or_are_refused(value: CborValue, data: st.DataObject) -> None:
    encoded = bytearray(encode(value))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] = data.draw(st.integers(0, 255))
    only_reencodes_to_itself(bytes(encoded))


def only_reencodes_to_itself(data: bytes) -> None:
    try:
        value = decode(data, LIMIT)
    except ParseError as error:
        assert error.code.startswith("cbor_")
        assert not cbor_is_valid(data, DEPTH_MAX)
        return
    assert cbor_is_valid(data, DEPTH_MAX)
    assert encode(value) == data
    assert cbor2.loads(data) == value
    assert read(data) == value


# RFC 8949 appendix A, the examples inside the subset.
EXAMPLES: dict[str, CborValue] = {
    "00": 0,
    "17": 23,
    "1818": 24,
    "18ff": 255,
    "190100": 256,
    "1903e8": 1000,
    "1a000f4240": 1000000,
    "1b000000e8d4a51000": 1000000000000,
    "1bffffffffffffffff": 2**64 - 1,
    "20": -1,
    "3863": -100,
    "3bffffffffffffffff": -(2**64),
    "40": b"",
    "4401020304": b"\x01\x02\x03\x04",
    "60": "",
    "62c3bc": "ü",
    "64f0908591": "\U00010151",
    "80": [],
    "8301820203820405": [1, [2, 3], [4, 5]],
    "a0": {},
    "a201020304": {1: 2, 3: 4},
    "a26161016162820203": {"a": 1, "b": [2, 3]},
    "f6": None,
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_of_the_specification(text: str) -> None:
    data = bytes.fromhex(text)
    assert decode(data, LIMIT) == EXAMPLES[text]
    assert encode(EXAMPLES[text]) == data


def test_map_keys_are_in_bytewise_order() -> None:
    # RFC 8949 section 4.2.1: 10, 100, -1, "z", "aa"; the older length-first order would put -1 before 100.
    value: CborValue = {"aa": 0, -1: 0, "z": 0, 100: 0, 10: 0}  # type: ignore[dict-item]
    encoded = encode(value)
    assert encoded.hex() == "a50a001864002000617a0062616100"
    assert decode(encoded, LIMIT) == value


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "cbor_truncated"),
        ("18", "cbor_truncated"),
        ("42ff", "cbor_truncated"),
        ("6261", "cbor_truncated"),
        ("8201", "cbor_truncated"),
        ("a101", "cbor_truncated"),
        ("5bffffffffffffffff", "cbor_truncated"),
        ("7bffffffffffffffff", "cbor_truncated"),
        ("9bffffffffffffffff", "cbor_truncated"),
        ("bbffffffffffffffff", "cbor_truncated"),
        ("9a0fffffff", "cbor_truncated"),
        ("1817", "cbor_not_shortest"),
        ("1900ff", "cbor_not_shortest"),
        ("1a0000ffff", "cbor_not_shortest"),
        ("1b00000000ffffffff", "cbor_not_shortest"),
        ("3800", "cbor_not_shortest"),
        ("580161", "cbor_not_shortest"),
        ("780161", "cbor_not_shortest"),
        ("980100", "cbor_not_shortest"),
        ("b8010000", "cbor_not_shortest"),
        ("5f4101ff", "cbor_indefinite"),
        ("7f6161ff", "cbor_indefinite"),
        ("9f01ff", "cbor_indefinite"),
        ("bf0102ff", "cbor_indefinite"),
        ("1c", "cbor_reserved"),
        ("3d", "cbor_reserved"),
        ("5e", "cbor_reserved"),
        ("ff", "cbor_type"),
        ("f4", "cbor_type"),
        ("f5", "cbor_type"),
        ("f7", "cbor_type"),
        ("f8ff", "cbor_type"),
        ("f90000", "cbor_type"),
        ("f97e00", "cbor_type"),
        ("fa47c35000", "cbor_type"),
        ("fb3ff199999999999a", "cbor_type"),
        ("c001", "cbor_type"),
        ("c249010000000000000000", "cbor_type"),
        ("61ff", "cbor_utf8"),
        ("63eda080", "cbor_utf8"),
        ("a2616201616100", "cbor_key_order"),
        ("a262616100617a00", "cbor_key_order"),
        ("a220000a00", "cbor_key_order"),
        ("a2616101616100", "cbor_duplicate_key"),
        ("a201000100", "cbor_duplicate_key"),
        ("a14000", "cbor_key_type"),
        ("a18000", "cbor_key_type"),
        ("a1a000", "cbor_key_type"),
        ("a1f600", "cbor_key_type"),
        ("0000", "cbor_trailing"),
        ("f6f6", "cbor_trailing"),
        ("81" * 9 + "00", "cbor_depth"),
        ("a100" * 9 + "00", "cbor_depth"),
        ("81" * 100_000, "cbor_depth"),
    ],
)
def test_any_other_encoding_is_refused(text: str, code: str) -> None:
    with pytest.raises(ParseError) as caught:
        decode(bytes.fromhex(text), LIMIT)
    assert caught.value.code == code
    assert len(str(caught.value)) < 200


def test_text_is_exactly_what_python_takes_for_utf8() -> None:
    """All of one and two bytes, and of three and four those beside the bounds of RFC 3629."""
    edges = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
    texts = [bytes(pair) for pair in product(range(256), repeat=2)] + [bytes([one]) for one in range(256)]
    texts += [bytes(three) for three in product(range(0xDF, 0xF1), edges, edges)]
    texts += [bytes(four) for four in product(range(0xEE, 0xF7), edges, edges, edges)]
    for text in texts:
        try:
            text.decode()
        except UnicodeDecodeError:
            valid = False
        else:
            valid = True
        assert cbor_is_valid(bytes([0x60 + len(text)]) + text, 0) == valid, text


def test_eight_levels_are_allowed() -> None:
    data = bytes.fromhex("81" * 8 + "00")
    assert encode(decode(data, LIMIT)) == data


def test_input_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(ParseError) as caught:
        decode(b"\xff" * 11, 10)
    assert caught.value.code == "cbor_size"


@pytest.mark.parametrize("value", [1.0, True, {True: 1}, {b"": 1}, {None: 1}, {(1,): 1}, object(), [1, 2.5], {1, 2}])
def test_value_outside_the_subset_cannot_be_encoded(value: CborValue) -> None:
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize("value", [2**64, -(2**64) - 1, [[[[[[[[[0]]]]]]]]]])
def test_value_out_of_bounds_cannot_be_encoded(value: CborValue) -> None:
    with pytest.raises(ValueError, match=r"64 bits|deeper"):
        encode(value)
