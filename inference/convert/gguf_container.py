"""Strict, bounded reader of the GGUF container, versions 2 and 3, little endian.

    "GGUF"  u32 version  u64 tensors  u64 metadata entries
    metadata: key, u32 type, value ...      tensor infos: name, u32 n, u64 n dimensions, u32 type, u64 offset ...
    zeros to the alignment, then the tensors' data, each at a multiple of the alignment

Strings are a u64 length and bytes. Every count is compared with the bytes that are left before anything is made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from inference.convert.dequantise import OTHER_TYPES, TENSOR_TYPES, TensorType, size_bytes, stored
from inference.convert.gguf_cursor import Cursor
from inference.convert.lazy import StoredTensor
from inference.convert.sources import Source
from inference.errors import ConversionError

MAGIC = b"GGUF"
METADATA_MAX = 4096
TENSORS_MAX = 1 << 14
DIMENSIONS_MAX = 4
_DEFAULT_ALIGNMENT = 32


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor's place. `shape` is row-major, the reverse of the file's order."""

    name: str
    type: TensorType
    shape: tuple[int, ...]
    offset: int  # bytes from the start of the file
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Container:
    source: Source
    metadata: Mapping[str, Any]  # int, float, bool, str, or a list of one of them; floats of 32 bits as np.float32
    tensors: Mapping[str, TensorInfo]

    def stored(self, name: str) -> StoredTensor:
        """A tensor of values as float32, exactly those that its blocks stand for."""
        info = self.tensors[name]
        return stored(self.source, info.offset, info.type, info.shape)


def is_gguf(source: Source) -> bool:
    return source.data[:4] == MAGIC


def read_container(source: Source) -> Container:
    """Parse all but the tensors' data. Raises ConversionError (`gguf_damaged`, `unsupported`)."""
    cursor = Cursor(source)
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
        key = cursor.name()
        if key in metadata:
            raise cursor.error(f"metadata key {key!r} is repeated")
        metadata[key] = cursor.value()
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if type(alignment) is not int or not 8 <= alignment <= 65_536 or alignment & (alignment - 1):
        raise cursor.error(f"alignment {ascii(alignment)[:60]} is not a power of two from 8 to 65536")
    raw = [_tensor_info(cursor) for _ in range(tensor_count)]
    start = cursor.at + -cursor.at % alignment
    tensors = {info.name: info for info in _placed(raw, start, alignment, cursor)}
    if len(tensors) != len(raw):
        raise cursor.error("a tensor name is repeated")
    return Container(source, metadata, tensors)


def _tensor_info(cursor: Cursor) -> TensorInfo:
    """A tensor info with its offset as stored: from the start of the data."""
    name = cursor.name()
    dimensions = cursor.unsigned(4)
    if not 1 <= dimensions <= DIMENSIONS_MAX:
        raise cursor.error(f"tensor {name!r} has {dimensions} dimensions")
    shape = tuple(cursor.unsigned(8) for _ in range(dimensions))[::-1]
    number, offset = cursor.unsigned(4), cursor.unsigned(8)
    kind = TENSOR_TYPES.get(number)
    if kind is None:
        raise ConversionError(
            "unsupported",
            f"{cursor.source.name}: tensor {name!r} has type {OTHER_TYPES.get(number, f'number {number}')}; "
            f"read are {', '.join(kind.name for kind in TENSOR_TYPES.values())}",
        )
    if 0 in shape or shape[-1] % kind.block_values:
        raise cursor.error(f"tensor {name!r} of type {kind.name} has shape {shape}")
    return TensorInfo(name, kind, shape, offset, size_bytes(kind, shape))


def _placed(infos: list[TensorInfo], start: int, alignment: int, cursor: Cursor) -> Iterator[TensorInfo]:
    """The tensors with offsets from the start of the file; refuses those that overlap or leave the file."""
    end = start
    for info in sorted(infos, key=lambda info: info.offset):
        offset = start + info.offset
        if info.offset % alignment or offset < end or offset + info.size_bytes > len(cursor.source.data):
            raise cursor.error(f"tensor {info.name!r} is not aligned, overlaps another or passes the end of the file")
        end = offset + info.size_bytes
        yield replace(info, offset=offset)
