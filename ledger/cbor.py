"""Deterministic CBOR (RFC 8949 section 4.2.1), the subset that statements need, with exactly one encoding per value.

Values: integers of 64 bits, byte strings, UTF-8 text, arrays, maps with integer or text keys, null. There are no
floats, tags, booleans or other simple values, and no indefinite lengths; integers and lengths take the shortest form;
map keys are in the bytewise order of their encodings, each once; nothing follows the value; arrays and maps nest 8 deep
at most.

encode(decode(data)) == data for every input that `decode` accepts. The rules are checked in C first (compiled/cbor.c);
then any reader of CBOR gives the one value. `read`, which is both at once, says which rule an input breaks. It
allocates nothing that the input does not fill.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import cbor2

from ledger.compiled import cbor_is_valid
from ledger.errors import ParseError

CborValue: TypeAlias = (
    "int | bytes | str | Sequence[CborValue] | Mapping[int, CborValue] | Mapping[str, CborValue] | None"
)

DEPTH_MAX = 8

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP = range(6)
_MAJOR_NAMES = ("unsigned integer", "negative integer", "byte string", "text", "array", "map", "tag", "simple value")
_NULL = b"\xf6"
_SHORTEST = (
    24,
    1 << 8,
    1 << 16,
    1 << 32,
)  # the least argument for which 1, 2, 4 and 8 more bytes are the shortest form
_SHORT_HEADS = [[bytes([major << 5 | argument]) for argument in range(24)] for major in range(_MAP + 1)]


def encode(value: CborValue) -> bytes:
    """The one encoding of `value`; raises TypeError or ValueError for a value outside the subset."""
    out = bytearray()
    _encode_into(out, value, DEPTH_MAX)
    return bytes(out)


def _encode_into(out: bytearray, value: CborValue, depth: int) -> None:
    if value is None:
        out += _NULL
    elif isinstance(value, bool):
        raise TypeError("booleans are not part of the subset")
    elif isinstance(value, int):
        out += _head(_UINT, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
    elif isinstance(value, bytes):
        out += _head(_BYTES, len(value)) + value
    elif isinstance(value, str):
        encoded = value.encode("utf-8")
        out += _head(_TEXT, len(encoded)) + encoded
    elif depth == 0:
        raise ValueError(f"arrays and maps nest deeper than {DEPTH_MAX}")
    elif isinstance(value, Mapping):
        keys = {_encode_key(key): item for key, item in value.items() if _is_key(key)}
        if len(keys) != len(value):
            raise TypeError("map keys are integers or text")
        out += _head(_MAP, len(keys))
        for key in sorted(keys):
            out += key
            _encode_into(out, keys[key], depth - 1)
    elif isinstance(value, Sequence):
        out += _head(_ARRAY, len(value))
        for item in value:
            _encode_into(out, item, depth - 1)
    else:
        raise TypeError(f"{type(value).__name__} is not part of the subset")


def _is_key(key: object) -> bool:
    return isinstance(key, int | str) and not isinstance(key, bool)


@lru_cache(maxsize=512, typed=True)
def _encode_key(key: int | str) -> bytes:
    """Statements are encoded often, with the same few names of fields."""
    return encode(key)


def _head(major: int, argument: int) -> bytes:
    """Initial byte and the shortest form of its argument."""
    if argument < 24:
        return _SHORT_HEADS[major][argument]
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * width:
            return bytes([major << 5 | info]) + argument.to_bytes(width, "big")
    raise ValueError("an integer of more than 64 bits is not part of the subset")


def decode(data: bytes, bytes_max: int) -> CborValue:
    """The value of exactly these bytes; raises ParseError with a code `cbor_*` that names the rule that was broken."""
    if len(data) > bytes_max:
        raise ParseError("cbor_size", f"{len(data)} bytes of CBOR; the limit is {bytes_max}")
    if cbor_is_valid(data, DEPTH_MAX):
        return cbor2.loads(data)
    return read(data)


def read(data: bytes) -> CborValue:
    """`decode` in Python alone, without a limit."""
    decoder = _Decoder(data)
    value = decoder.value(DEPTH_MAX)
    if decoder.position != len(data):
        raise ParseError("cbor_trailing", f"{len(data) - decoder.position} bytes follow the CBOR value")
    return value


class _Decoder:
    """A cursor over the input; `position` is the next byte to read."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def value(self, depth: int) -> CborValue:
        """Read one value that may hold `depth` more levels of arrays and maps."""
        start = self.position
        if self.data[start : start + 1] == _NULL:
            self.position = start + 1
            return None
        major, argument = self.head()
        if major == _UINT:
            return argument
        if major == _BYTES:
            return self.take(argument)
        if major == _TEXT:
            return self.text(argument)
        if major == _NEGATIVE:
            return -1 - argument
        if depth == 0:
            raise ParseError("cbor_depth", f"arrays and maps nest deeper than {DEPTH_MAX} at byte {start}")
        # Every item takes a byte at least: a length that the input cannot hold is refused before anything is built.
        if argument * (2 if major == _MAP else 1) > len(self.data) - self.position:
            raise ParseError("cbor_truncated", f"the {_MAJOR_NAMES[major]} at byte {start} is longer than the input")
        if major == _ARRAY:
            return [self.value(depth - 1) for _ in range(argument)]
        return self.map(argument, depth - 1)

    def head(self) -> tuple[int, int]:
        """Read an initial byte and its argument: (major type, argument)."""
        start = self.position
        if start >= len(self.data):
            self.take(1)
        initial = self.data[start]
        self.position = start + 1
        major, info = initial >> 5, initial & 31
        if major > _MAP:
            raise ParseError("cbor_type", f"a {_MAJOR_NAMES[major]} (0x{initial:02x}) at byte {start} is not allowed")
        if info < 24:
            return major, info
        if info == 31:
            raise ParseError("cbor_indefinite", f"indefinite length at byte {start}; lengths are definite here")
        if info > 27:
            raise ParseError("cbor_reserved", f"reserved initial byte 0x{initial:02x} at byte {start}")
        argument = int.from_bytes(self.take(1 << info - 24), "big")
        if argument < _SHORTEST[info - 24]:
            raise ParseError("cbor_not_shortest", f"the number {argument} at byte {start} is not in its shortest form")
        return major, argument

    def text(self, length: int) -> str:
        """Read `length` bytes of UTF-8."""
        start = self.position
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise ParseError("cbor_utf8", f"the text at byte {start} is not UTF-8") from None

    def map(self, pairs: int, depth: int) -> dict[int, CborValue] | dict[str, CborValue]:
        """Read `pairs` keys and values; keys strictly ascend in their encoded form."""
        result: dict = {}
        previous = b""
        for _ in range(pairs):
            start = self.position
            if start < len(self.data) and self.data[start] >> 5 not in (_UINT, _NEGATIVE, _TEXT):
                raise ParseError("cbor_key_type", f"the map key at byte {start} is neither integer nor text")
            key = self.value(0)
            encoded = self.data[start : self.position]
            if encoded <= previous:
                if encoded == previous:
                    raise ParseError("cbor_duplicate_key", f"the map key at byte {start} occurs twice")
                raise ParseError("cbor_key_order", f"the map key at byte {start} is out of order")
            result[key] = self.value(depth)
            previous = encoded
        return result

    def take(self, length: int) -> bytes:
        """Read exactly `length` bytes."""
        end = self.position + length
        if end > len(self.data):
            raise ParseError("cbor_truncated", f"the input ends at byte {len(self.data)}, {end - len(self.data)} short")
        part = self.data[self.position : end]
        self.position = end
        return part
