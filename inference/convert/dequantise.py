"""ggml's tensor types: the bytes of a block, and the float32 values that they stand for, exactly.

One row of a tensor is a sequence of blocks. `d` and `m` are float16, `q` small integers; the float32 products are
exact, so only the one subtraction or addition rounds.

    Q4_0    32 values    d | 16 bytes of q                              (q - 8) d
    Q4_1    32           d | m | 16 bytes of q                          q d + m
    Q5_0    32           d | 4 bytes of fifth bits | 16 bytes of q      (q - 16) d
    Q5_1    32           d | m | 4 bytes of fifth bits | 16 of q        q d + m
    Q8_0    32           d | 32 int8                                    q d
                         byte j of q: value j in its low half, value j + 16 in its high half; bit j is of value j

    Q2_K    256 = 16 x 16    16 bytes of scale (low) and minimum (high half) | 64 of q | d | m    q (s d) - (t m)
    Q3_K    256 = 16 x 16    32 of third bits | 64 of q | 12 of scales | d                        (q - 4) ((s - 32) d)
    Q4_K    256 = 8 x 32     d | m | 12 of scales and minima | 128 of q                           q (s d) - (t m)
    Q5_K    256 = 8 x 32     d | m | 12 of scales and minima | 32 of fifth bits | 128 of q        q (s d) - (t m)
    Q6_K    256 = 16 x 16    128 of low halves | 64 of high pairs | 16 int8 scales | d            (q - 32) (s d)
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.convert.lazy import Floats, StoredTensor
from inference.convert.sources import Source

Bytes = NDArray[np.integer[Any]]  # uint8
Blocks = NDArray[Any]  # of a structured type: fields as drawn above

_CHUNK_VALUES = 1 << 20  # bounds the memory of the steps in between


@dataclass(frozen=True, slots=True)
class TensorType:
    name: str
    block_values: int
    block: np.dtype[Any]  # the bytes of one block
    widen: Callable[[Blocks], Floats]  # n blocks to (n, block_values)


def stored(source: Source, offset: int, kind: TensorType, shape: tuple[int, ...]) -> StoredTensor:
    """A tensor whose blocks begin at byte `offset` of a source, and end inside it."""

    def read() -> Floats:
        values = dequantise(source.data[offset : offset + size_bytes(kind, shape)], kind, shape)
        source.release()
        return values

    return StoredTensor(shape, read)


def size_bytes(kind: TensorType, shape: tuple[int, ...]) -> int:
    """Rows must be whole blocks."""
    return prod(shape) // kind.block_values * kind.block.itemsize


def dequantise(data: memoryview, kind: TensorType, shape: tuple[int, ...]) -> Floats:
    """The values of a tensor; `data` is exactly its blocks. An infinite scale gives values that are not finite."""
    blocks = np.frombuffer(data, kind.block)
    if kind.name == "F32":
        return blocks.astype(np.float32, copy=not blocks.flags.aligned).reshape(shape)
    values = np.empty((len(blocks), kind.block_values), np.float32)
    step = _CHUNK_VALUES // kind.block_values
    with np.errstate(invalid="ignore"):
        for at in range(0, len(blocks), step):
            values[at : at + step] = kind.widen(blocks[at : at + step])
    return values.reshape(shape)


def _f32(values: NDArray[Any]) -> Floats:
    return values.astype(np.float32)


def _halves(packed: Bytes) -> Bytes:
    """(..., n) bytes to (..., 2, n): all low halves, then all high halves."""
    return np.stack((packed & 15, packed >> 4), axis=-2)


def _pairs(packed: Bytes) -> Bytes:
    """(..., n) bytes to (..., 4, n): all lowest pairs of bits, then the next."""
    return packed[..., None, :] >> np.arange(0, 8, 2, dtype=np.uint8)[:, None] & 3


def _bits(packed: Bytes) -> Bytes:
    """(..., n) bytes to (..., 8, n): all lowest bits, then the next."""
    return packed[..., None, :] >> np.arange(8, dtype=np.uint8)[:, None] & 1


def _bf16(b: Blocks) -> Floats:
    bits = b.astype("<u4")
    bits <<= 16
    return bits.view("<f4").astype(np.float32, copy=False)[:, None]


def _nibbles(b: Blocks) -> Floats:
    return _f32(_halves(b["q"]).reshape(-1, 32))


def _fifths(b: Blocks) -> Floats:
    fifth = np.unpackbits(b["bits"], axis=1, bitorder="little")
    return _f32(_halves(b["q"]).reshape(-1, 32) | fifth << 4)


def _scale(b: Blocks, name: str = "d") -> Floats:
    return _f32(b[name])[:, None]


def _scales_and_minima(packed: Bytes) -> tuple[Bytes, Bytes]:
    """12 bytes to 8 scales and 8 minima of 6 bits. The last four of each lie in pieces:

    bytes 0-3     high pair of scale 4-7      scale 0-3
    bytes 4-7     high pair of minimum 4-7    minimum 0-3
    bytes 8-11    low half of minimum 4-7     low half of scale 4-7
    """
    a, b, c = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = np.concatenate((a & 63, c & 15 | a >> 6 << 4), axis=1)
    return scales, np.concatenate((b & 63, c >> 4 | b >> 6 << 4), axis=1)


def _grouped(b: Blocks, q: Bytes, scales: Bytes, minima: Bytes) -> Floats:
    """q (s d) - (t m) over as many groups as there are scales."""
    steps, lows = _f32(scales) * _scale(b), _f32(minima) * _scale(b, "m")
    return (_f32(q.reshape(*steps.shape, -1)) * steps[:, :, None] - lows[:, :, None]).reshape(-1, 256)


def _q2_k(b: Blocks) -> Floats:
    return _grouped(b, _pairs(b["q"].reshape(-1, 2, 32)), b["scales"] & 15, b["scales"] >> 4)


def _q3_k(b: Blocks) -> Floats:
    q = _f32(_pairs(b["q"].reshape(-1, 2, 32)).reshape(-1, 256) | _bits(b["bits"]).reshape(-1, 256) << 2) - 4
    low, high = _halves(b["scales"][:, :8]).reshape(-1, 16), _pairs(b["scales"][:, 8:]).reshape(-1, 16)
    steps = (_f32(low | high << 4) - 32) * _scale(b)
    return (q.reshape(-1, 16, 16) * steps[:, :, None]).reshape(-1, 256)


def _q4_k(b: Blocks) -> Floats:
    return _grouped(b, _halves(b["q"].reshape(-1, 4, 32)), *_scales_and_minima(b["scales"]))


def _q5_k(b: Blocks) -> Floats:
    q = _halves(b["q"].reshape(-1, 4, 32)).reshape(-1, 8, 32) | _bits(b["bits"]) << 4
    return _grouped(b, q, *_scales_and_minima(b["scales"]))


def _q6_k(b: Blocks) -> Floats:
    low, high = _halves(b["low"].reshape(-1, 2, 64)).reshape(-1, 256), _pairs(b["high"].reshape(-1, 2, 32))
    q = _f32(low | high.reshape(-1, 256) << 4) - 32
    return (q.reshape(-1, 16, 16) * (_f32(b["scales"]) * _scale(b))[:, :, None]).reshape(-1, 256)


def _block(*fields: tuple[str, str, int]) -> np.dtype[Any]:
    return np.dtype([(name, kind, count) if count > 1 else (name, kind) for name, kind, count in fields])


_D, _M, _FIFTHS, _Q16 = ("d", "<f2", 1), ("m", "<f2", 1), ("bits", "u1", 4), ("q", "u1", 16)
_K_SCALES, _Q64, _Q128, _BITS = ("scales", "u1", 12), ("q", "u1", 64), ("q", "u1", 128), ("bits", "u1", 32)

TENSOR_TYPES = {  # by ggml's numbers
    0: TensorType("F32", 1, np.dtype("<f4"), _f32),
    1: TensorType("F16", 1, np.dtype("<f2"), lambda b: _f32(b)[:, None]),
    2: TensorType("Q4_0", 32, _block(_D, _Q16), lambda b: (_nibbles(b) - 8) * _scale(b)),
    3: TensorType("Q4_1", 32, _block(_D, _M, _Q16), lambda b: _nibbles(b) * _scale(b) + _scale(b, "m")),
    6: TensorType("Q5_0", 32, _block(_D, _FIFTHS, _Q16), lambda b: (_fifths(b) - 16) * _scale(b)),
    7: TensorType("Q5_1", 32, _block(_D, _M, _FIFTHS, _Q16), lambda b: _fifths(b) * _scale(b) + _scale(b, "m")),
    8: TensorType("Q8_0", 32, _block(_D, ("q", "i1", 32)), lambda b: _f32(b["q"]) * _scale(b)),
    10: TensorType("Q2_K", 256, _block(("scales", "u1", 16), _Q64, _D, _M), _q2_k),
    11: TensorType("Q3_K", 256, _block(_BITS, _Q64, _K_SCALES, _D), _q3_k),
    12: TensorType("Q4_K", 256, _block(_D, _M, _K_SCALES, _Q128), _q4_k),
    13: TensorType("Q5_K", 256, _block(_D, _M, _K_SCALES, _BITS, _Q128), _q5_k),
    14: TensorType("Q6_K", 256, _block(("low", "u1", 128), ("high", "u1", 64), ("scales", "i1", 16), _D), _q6_k),
    30: TensorType("BF16", 1, np.dtype("<u2"), _bf16),
}
F32, F16, BF16 = TENSOR_TYPES[0], TENSOR_TYPES[1], TENSOR_TYPES[30]
# What else there is, for a clear refusal.
OTHER_TYPES = {
    9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S",
    22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0",
    35: "TQ2_0", 39: "MXFP4", 40: "NVFP4",
}  # fmt: skip
