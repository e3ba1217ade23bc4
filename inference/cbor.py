"""Deterministic CBOR (RFC 8949 section 4.2.1), the few types that a model directory uses.

Integers of at most 64 bits, byte and text strings, arrays, maps with text keys, booleans and null. No tags, no
floating point, no indefinite lengths. The decoder is our own because it must refuse, before it takes memory,
what a general decoder accepts: tags, other encodings of the same value, and more items than a directory has.
"""

from typing import Any

import cbor2

from inference.errors import ModelFileError

ITEMS_MAX = 1 << 17
DEPTH_MAX = 5

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_SIMPLE_VALUES = {20: False, 21: True, 22: None}


def encode(value: object) -> bytes:
    """The one encoding of `value`; `decode` is its inverse."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes) -> Any:
    """The value that `data` encodes, all of it. ModelFileError (`directory_cbor`) unless `encode` gives `data`."""
    decoder = _Decoder(data)
    value = decoder.item(0)
    if decoder.at != len(data):
        raise decoder.error("bytes after the end of the value")
    return value


class _Decoder:
    """A cursor over the bytes; `item` reads one value and moves behind it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.items = 0

    def error(self, what: str) -> ModelFileError:
        return ModelFileError("directory_cbor", f"model directory: {what} at byte {self.at}; the file is damaged")

    def item(self, depth: int) -> Any:
        self.items += 1
        if self.items > ITEMS_MAX or depth > DEPTH_MAX:
            raise self.error(f"more than {ITEMS_MAX} items or nested deeper than {DEPTH_MAX}")
        major, value = self._head()
        if major in (_UNSIGNED, _SIMPLE):
            return value
        if major == _NEGATIVE:
            return -1 - value
        if major == _BYTES:
            return self._take(value)
        if major == _TEXT:
            return self._text(value)
        if major == _ARRAY:
            self._fits(value)
            return [self.item(depth + 1) for _ in range(value)]
        if major == _MAP:
            return self._map(value, depth)
        raise self.error("a tag, a floating point number or a reserved value")

    def _head(self) -> tuple[int, Any]:
        """Major type and argument; for a simple value, the value itself."""
        initial = self._take(1)[0]
        major, info = initial >> 5, initial & 31
        if major == _SIMPLE:
            if info not in _SIMPLE_VALUES:
                raise self.error("a floating point number or a reserved value")
            return major, _SIMPLE_VALUES[info]
        if info < 24:
            return major, info
        if info > 27:
            raise self.error("an indefinite or reserved length")
        width = 1 << (info - 24)
        value = int.from_bytes(self._take(width), "big")
        smallest = 24 if width == 1 else 1 << (4 * width)
        if value < smallest:
            raise self.error("a number that is not in its shortest form")
        return major, value

    def _take(self, count: int) -> bytes:
        self._fits(count)
        taken = self.data[self.at : self.at + count]
        self.at += count
        return taken

    def _fits(self, count: int) -> None:
        """Each byte or item that follows takes at least one byte, so this bounds memory as well."""
        if count > len(self.data) - self.at:
            raise self.error(f"a length of {count} that passes the end")

    def _text(self, count: int) -> str:
        try:
            return self._take(count).decode("utf-8")
        except UnicodeDecodeError:
            raise self.error("a text that is not UTF-8") from None

    def _map(self, count: int, depth: int) -> dict[str, Any]:
        self._fits(count)
        found: dict[str, Any] = {}
        previous = b""
        for _ in range(count):
            start = self.at
            key = self.item(depth + 1)
            encoded = self.data[start : self.at]
            if type(key) is not str or encoded <= previous:
                raise self.error("a map key that is not a text, or is repeated or out of order")
            previous = encoded
            found[key] = self.item(depth + 1)
        return found
