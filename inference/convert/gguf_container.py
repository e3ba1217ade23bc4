"""Strict, bounded reader of the GGUF container, versions 2 and 3, little endian.

    "GGUF"  u32 version  u64 tensors  u64 metadata entries
    metadata: key, u32 type, value ...      tensor infos: name, u32 n, u64 n dimensions, u32 type, u64 offset ...
    zeros to the alignment, then the tensors' data, each at a multiple of the alignment

Strings are a u64 length and bytes. Every count is compared with the bytes that are left before anything is made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.convert.sources import Source
from inference.errors import ConversionError

MAGIC = b"GGUF"
METADATA_MAX = 4096
TENSORS_MAX = 1 << 14
DIMENSIONS_MAX = 4
NAME_BYTES_MAX = 256
STRING_BYTES_MAX = 16 << 20
ARRAY_ITEMS_MAX = 1 << 21
_DEFAULT_ALIGNMENT = 32

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

# ggml tensor types by number: (name, values in a block, bytes of a block). Others are known by name only.
_TENSOR_TYPES = {0: ("F32", 1, 4), 1: ("F16", 1, 2), 8: ("Q8_0", 32, 34)}
_UNSUPPORTED = {
    2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K",
    15: "Q8_K", 28: "F64", 30: "BF16",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor's place. `shape` is row-major, the reverse of the file's order."""

    name: str
    type: str
    shape: tuple[int, ...]
    offset: int  # bytes from the start of the file
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Container:
    source: Source
    metadata: Mapping[str, Any]  # int, float, bool, str, or a list of one of them; floats of 32 bits as np.float32
    tensors: Mapping[str, TensorInfo]

    def tensor(self, name: str) -> NDArray[np.float32]:
        """Values of a tensor as float32; F16 and Q8_0 are widened exactly as stored."""
        info = self.tensors[name]
        data = self.source.data[info.offset : info.offset + info.size_bytes]
        if info.type == "F32":
            return np.frombuffer(data, "<f4").astype(np.float32, copy=False).reshape(info.shape)
        if info.type == "F16":
            return np.frombuffer(data, "<f2").astype(np.float32).reshape(info.shape)
        blocks = np.frombuffer(data, np.dtype([("scale", "<f2"), ("values", "i1", 32)]))
        with np.errstate(invalid="ignore"):  # an infinite scale times 0; whoever takes the tensor refuses the NaN
            return (blocks["values"] * blocks["scale"].astype(np.float32)[:, None]).reshape(info.shape)


def is_gguf(source: Source) -> bool:
    return source.data[:4] == MAGIC


def read_container(source: Source) -> Container:
    """Parse all but the tensors' data. Raises ConversionError (`gguf_damaged`, `unsupported`)."""
    cursor = _Cursor(source)
    if cursor.take(4) != MAGIC:
        raise cursor.error("the magic is not GGUF")
    version = cursor.unsigned(4)
    if version not in (2, 3):
        raise ConversionError(
            "unsupported", f"{source.name}: GGUF version {version:#x}; 2 and 3 (little endian) are read"
        )
    tensor_count, entry_count = cursor.unsigned(8), cursor.unsigned(8)
    if tensor_count > TENSORS_MAX or entry_count > METADATA_MAX:
        raise cursor.error(f"{tensor_count} tensors and {entry_count} metadata entries are too many")
    metadata: dict[str, Any] = {}
    for _ in range(entry_count):
        key = cursor.string(NAME_BYTES_MAX)
        if key in metadata:
            raise cursor.error(f"metadata key {key!r} is repeated")
        metadata[key] = cursor.value(cursor.unsigned(4))
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if type(alignment) is not int or not 8 <= alignment <= 65_536 or alignment & (alignment - 1):
        raise cursor.error(f"alignment {alignment!r} is not a power of two from 8 to 65536")
    raw = [_tensor_info(cursor) for _ in range(tensor_count)]
    start = cursor.at + -cursor.at % alignment
    tensors = {info.name: info for info in _placed(raw, start, alignment, cursor)}
    if len(tensors) != len(raw):
        raise cursor.error("a tensor name is repeated")
    return Container(source, metadata, tensors)


class _Cursor:
    """Reads forward through a source; fails instead of passing its end."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.at = 0

    def error(self, what: str) -> ConversionError:
        return ConversionError("gguf_damaged", f"{self.source.name}: GGUF file: {what} (near byte {self.at})")

    def take(self, count: int) -> memoryview:
        if count > len(self.source.data) - self.at:
            raise self.error(f"cut short, {count} more bytes were announced")
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

    def value(self, kind: int) -> Any:
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


def _tensor_info(cursor: _Cursor) -> TensorInfo:
    """A tensor info with its offset as stored: from the start of the data."""
    name = cursor.string(NAME_BYTES_MAX)
    dimensions = cursor.unsigned(4)
    if not 1 <= dimensions <= DIMENSIONS_MAX:
        raise cursor.error(f"tensor {name!r} has {dimensions} dimensions")
    shape = tuple(cursor.unsigned(8) for _ in range(dimensions))[::-1]
    number, offset = cursor.unsigned(4), cursor.unsigned(8)
    if number not in _TENSOR_TYPES:
        shown = _UNSUPPORTED.get(number, f"number {number}")
        raise ConversionError(
            "unsupported", f"{cursor.source.name}: tensor {name!r} has type {shown}; F32, F16 and Q8_0 are read"
        )
    kind, block_values, block_bytes = _TENSOR_TYPES[number]
    if 0 in shape or shape[-1] % block_values:
        raise cursor.error(f"tensor {name!r} of type {kind} has shape {shape}")
    return TensorInfo(name, kind, shape, offset, prod(shape) // block_values * block_bytes)


def _placed(infos: list[TensorInfo], start: int, alignment: int, cursor: _Cursor) -> Iterator[TensorInfo]:
    """The tensors with offsets from the start of the file; refuses those that overlap or leave the file."""
    end = start
    for info in sorted(infos, key=lambda info: info.offset):
        offset = start + info.offset
        if info.offset % alignment or offset < end or offset + info.size_bytes > len(cursor.source.data):
            raise cursor.error(f"tensor {info.name!r} is not aligned, overlaps another or passes the end of the file")
        end = offset + info.size_bytes
        yield TensorInfo(info.name, info.type, info.shape, offset, info.size_bytes)
