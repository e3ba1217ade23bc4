"""Strict, bounded reader of safetensors files.

    u64 N    header: N bytes, a JSON object padded with spaces    tensors' data, in one piece

    {"NAME": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, ..., "__metadata__": {TEXT: TEXT, ...}}

Offsets count from the end of the header, little endian; together the tensors cover the data without gaps or overlaps.
The format's own library is not used: it takes the last of repeated names, gives no BF16 to NumPy, and would be one more
compiled dependency for a format of one page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from inference.convert.dequantise import BF16, F16, F32, stored
from inference.convert.lazy import StoredTensor
from inference.convert.sources import Source
from inference.convert.strict_json import parse_object
from inference.errors import ConversionError

HEADER_BYTES_MAX = 8 << 20
TENSORS_MAX = 1 << 14
DIMENSIONS_MAX = 8
SIZE_MAX = 1 << 48  # of one dimension or offset
NAME_CHARACTERS_MAX = 256

_TYPES = {"F32": F32, "F16": F16, "BF16": BF16}
_WIDTHS = {  # bytes; types outside _TYPES are known only to check the file
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorPlace:
    dtype: str
    shape: tuple[int, ...]  # row-major
    begin: int  # bytes from the start of the file
    end: int


@dataclass(frozen=True, slots=True)
class Weights:
    """A file whose header is sound."""

    source: Source
    tensors: Mapping[str, TensorPlace]

    def stored(self, name: str) -> StoredTensor:
        """A tensor of values as float32, exactly as stored. Raises ConversionError (`unsupported`) for other types."""
        place = self.tensors[name]
        if place.dtype not in _TYPES:
            raise ConversionError(
                "unsupported",
                f"{self.source.name}: tensor {name!r} has type {place.dtype}; read are {', '.join(_TYPES)}",
            )
        return stored(self.source, place.begin, _TYPES[place.dtype], place.shape)

    def data(self, name: str) -> memoryview:
        place = self.tensors[name]
        return self.source.data[place.begin : place.end]


def read_weights(source: Source) -> Weights:
    """Parse the header. Raises ConversionError (`safetensors_damaged`)."""
    if len(source.data) < 8:
        raise _damaged(source, f"{len(source.data)} bytes are too few")
    size = int.from_bytes(source.data[:8], "little")
    if not 2 <= size <= min(HEADER_BYTES_MAX, len(source.data) - 8):
        raise _damaged(source, f"a header of {size} bytes; the file has {len(source.data)}, at most 8 MiB are taken")
    if source.data[8] != ord("{"):
        raise _damaged(source, "the header does not begin with a brace")
    header = parse_object(source.data[8 : 8 + size], source.name, "safetensors_damaged", HEADER_BYTES_MAX)
    _check_metadata(source, header.pop("__metadata__", {}))
    if len(header) > TENSORS_MAX:
        raise _damaged(source, f"{len(header)} tensors are too many")
    start = 8 + size
    tensors = {name: _place(source, name, entry, start) for name, entry in header.items()}
    end = start
    for name, place in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if place.begin != end:
            raise _damaged(source, f"tensor {name!r} leaves a gap or overlaps another")
        end = place.end
    if end != len(source.data):
        raise _damaged(source, f"the tensors end at byte {end}, the file at {len(source.data)}")
    return Weights(source, tensors)


def _check_metadata(source: Source, metadata: Any) -> None:
    if type(metadata) is not dict or any(type(value) is not str for value in metadata.values()):
        raise _damaged(source, "__metadata__ is not a map of texts")


def _place(source: Source, name: str, entry: Any, start: int) -> TensorPlace:
    if not name.isprintable() or len(name) > NAME_CHARACTERS_MAX:
        raise _damaged(source, f"the tensor name {name[:60]!r} is not printable or longer than 256 characters")
    if type(entry) is not dict or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _damaged(source, f"tensor {name!r} does not have exactly dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if type(dtype) is not str or dtype not in _WIDTHS:
        raise _damaged(source, f"tensor {name!r} has the unknown type {str(dtype)[:40]!r}")
    if not _are_sizes(shape) or len(shape) > DIMENSIONS_MAX or not _are_sizes(offsets) or len(offsets) != 2:
        raise _damaged(source, f"tensor {name!r} has a bad shape or bad offsets")
    begin, end = offsets
    if end - begin != prod(shape) * _WIDTHS[dtype] or start + end > len(source.data):
        raise _damaged(
            source, f"tensor {name!r} is {shape} of {dtype}, which is not bytes {begin} to {end} of the data"
        )
    return TensorPlace(dtype, tuple(shape), start + begin, start + end)


def _are_sizes(values: Any) -> bool:
    return type(values) is list and all(type(value) is int and 0 <= value <= SIZE_MAX for value in values)


def _damaged(source: Source, what: str) -> ConversionError:
    return ConversionError("safetensors_damaged", f"{source.name}: safetensors file: {what}")
