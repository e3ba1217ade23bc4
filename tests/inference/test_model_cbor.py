"""Our strict decoder against cbor2: the same values, and exactly one encoding of each."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import cbor
from inference.errors import ModelFileError

leaves = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text() | st.binary()


@given(st.lists(leaves) | st.dictionaries(st.text(), st.lists(leaves)) | leaves)
def test_decode_inverts_encode(value: object) -> None:
    decoded = cbor.decode(cbor.encode(value))
    assert decoded == value
    assert cbor.encode(decoded) == cbor.encode(value)


@given(st.binary(max_size=64))
def test_accepted_bytes_are_the_only_encoding(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except ModelFileError as error:
        assert error.code == "directory_cbor"
    else:
        assert cbor.encode(value) == data
        assert cbor2.loads(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x18\x17",  # 23 in two bytes
        b"\x19\x00\xff",
        b"\x1a\x00\x00\xff\xff",
        b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff",
        b"\x1c",  # reserved
        b"\x5f\x41a\xff",  # indefinite bytes
        b"\x9f\xff",
        b"\xbf\xff",
        b"\xf9\x3c\x00",  # a float
        b"\xf7",  # undefined
        b"\xf8\x14",  # false in two bytes
        b"\xc1\x00",  # a tag
        b"\xd8\x1c\x80",  # a shared value
        b"\x61\xff",  # not UTF-8
        b"\xa2\x61b\x00\x61a\x00",  # keys out of order
        b"\xa2\x61a\x00\x61a\x00",  # a key twice
        b"\xa1\x01\x00",  # a key that is no text
        b"\x00\x00",  # something after the value
        b"\x5b\x10\x00\x00\x00\x00\x00\x00\x00",  # 2**60 bytes
        b"\x9b\x10\x00\x00\x00\x00\x00\x00\x00",  # 2**60 items
        b"\xbb\x10\x00\x00\x00\x00\x00\x00\x00",
        b"\x81" * 100_000,  # nesting
        b"\x9a\x00\x03\x00\x00" + bytes(3 << 16),  # 196,608 items
    ],
    ids=lambda data: data[:9].hex(),
)
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ModelFileError) as caught:
        cbor.decode(data)
    assert caught.value.code == "directory_cbor"
