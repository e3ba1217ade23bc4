"""Reads the front of a GGUF file, value by value; fails instead of passing its end."""

from typing import Any

import numpy as np

from inference.convert.sources import Source
from inference.errors import ConversionError

FRONT_BYTES_MAX = 64 << 20  # bounds the memory of the metadata, which Python holds in up to ten times its bytes
STRING_BYTES_MAX = 16 << 20
ARRAY_ITEMS_MAX = 1 << 21
NAME_BYTES_MAX = 256

_STRING, _ARRAY, _BOOL = 8, 9, 7
_SCALARS = {
    0: "<u1",
    1: "<i1",
    2: "<u2",
    3: "<i2",
    4: "<u4",
    5: "<i4",
    6: "<f4",
    7: "<u1",
    10: "<u8",
    11: "<i8",
    12: "<f8",
}


class Cursor:
    """A place in a source; each call reads on from there. Raises ConversionError (`gguf_damaged`)."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.at = 0

    def error(self, what: str) -> ConversionError:
        return ConversionError("gguf_damaged", f"{self.source.name}: GGUF file: {what} (near byte {self.at})")

    def take(self, count: int) -> memoryview:
        if count > len(self.source.data) - self.at:
            raise self.error(f"cut short, {count} more bytes were announced")
        if count > FRONT_BYTES_MAX - self.at:
            raise self.error(f"more than {FRONT_BYTES_MAX} bytes before the tensors")
        self.at += count
        return self.source.data[self.at - count : self.at]

    def unsigned(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def string(self, bytes_max: int = STRING_BYTES_MAX) -> str:
        length = self.unsigned(8)
        if length > bytes_max:
            raise self.error(f"a string of {length} bytes, at most {bytes_max} are taken")
        try:
            return str(self.take(length), "utf-8")
        except UnicodeDecodeError:
            raise self.error("a string that is not UTF-8") from None

    def name(self) -> str:
        """A key, or the name of a tensor."""
        text = self.string(NAME_BYTES_MAX)
        if not text.isprintable():
            raise self.error(f"a name that is not printable: {text[:60]!r}")
        return text

    def value(self) -> Any:
        """A type and a value of it. Arrays come as lists, 32-bit floats as np.float32."""
        kind = self.unsigned(4)
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            kind, count = self.unsigned(4), self.unsigned(8)
            if count > ARRAY_ITEMS_MAX:
                raise self.error(f"an array of {count} items, at most {ARRAY_ITEMS_MAX} are taken")
            if kind == _STRING:
                return [self.string() for _ in range(count)]
            return self._scalars(kind, count)
        return self._scalars(kind, 1)[0]

    def _scalars(self, kind: int, count: int) -> list[Any]:
        if kind not in _SCALARS:
            raise self.error(f"metadata type {kind} is unknown or an array of arrays")
        dtype = np.dtype(_SCALARS[kind])
        values = np.frombuffer(self.take(dtype.itemsize * count), dtype)
        if kind == _BOOL:
            if (values > 1).any():
                raise self.error("a boolean that is neither 0 nor 1")
            return [bool(value) for value in values]
        return list(values) if dtype.kind == "f" else values.tolist()
