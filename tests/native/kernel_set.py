"""Single kernels of a set, called with arrays. What stands around an output must be untouched after the call."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import native
from native import ffi, lib

GUARD = 16


def pointer(array: np.ndarray) -> Any:
    return ffi.cast(f"{array.dtype.name}_t *", array.ctypes.data)


@contextmanager
def guarded(size: int, dtype: type, begin: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """A vector, or a copy of `begin`, between elements that nobody may write; at an odd address for a vector unit."""
    whole = np.full(size + 2 * GUARD + 1, 0x5A, dtype)
    inner = whole[GUARD + 1 : GUARD + 1 + size]
    if begin is not None:
        inner[:] = begin
    yield inner
    assert (whole[: GUARD + 1] == 0x5A).all() and (whole[GUARD + 1 + size :] == 0x5A).all(), "wrote past an end"


def excess_of(x: np.ndarray) -> np.ndarray:
    return 128 * x.sum(axis=1, dtype=np.int32)


class KernelSet:
    """The functions of `struct kernels`, in its order."""

    def __init__(self, name: str) -> None:
        self.name, self._c = name, lib.kernels_at(native.kernels_index(name))

    def _vectors(self, x: np.ndarray, depth: int, keep: list) -> Any:
        """`x` (tokens, depth) int8 in memory as the contract wants it."""
        stride = -(-depth // 64) * 64 + 64
        padded = np.full((len(x), stride), 99, np.int8)  # past the padding there may be anything
        padded[:, : stride - 64] = 0
        padded[:, :depth] = x
        excess = excess_of(x)
        keep += [padded, excess]
        return ffi.new("struct vectors *", {"data": pointer(padded), "stride": stride, "excess": pointer(excess)})[0]

    def gemm(self, blocks: np.ndarray, depth: int, x: np.ndarray) -> np.ndarray:
        """`blocks` (blocks, bytes): the bytes from one block to the next may be more than the depth needs."""
        keep: list = []
        stride = 16 * len(blocks) + 5
        with guarded(len(x) * stride, np.int32) as out:
            self._c.gemm(pointer(blocks), blocks.shape[1], len(blocks), depth, self._vectors(x, depth, keep), len(x),
                         pointer(out), stride)  # fmt: skip
        rows = out.reshape(len(x), stride)
        assert (rows[:, -5:] == 0x5A).all(), "wrote between the rows"
        return rows[:, :-5]

    @property
    def has_gemm4(self) -> bool:
        return bool(self._c.gemm4)

    def gemm4(self, packed: tuple[np.ndarray, np.ndarray, np.ndarray], x: np.ndarray) -> np.ndarray:
        keep: list = []
        blocks, depth = len(packed[0]), 8 * packed[0].shape[1]
        with guarded(len(x) * 16 * blocks, np.int32) as out:
            self._c.gemm4(self._packed(packed), blocks, depth, self._vectors(x, depth, keep), len(x), pointer(out),
                          16 * blocks)  # fmt: skip
        return out.reshape(len(x), 16 * blocks)

    def unpack(self, packed: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
        """The first block."""
        depth = 8 * packed[0].shape[1]
        with guarded(16 * depth, np.uint8) as out:
            self._c.unpack(self._packed(packed), depth, pointer(out))
        return out

    def _packed(self, packed: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Any:
        return ffi.new("struct packed4 *", [pointer(part) for part in packed])

    def requantise(self, acc: np.ndarray, scales: np.ndarray, mantissa: int, shift: int) -> np.ndarray:
        with guarded(len(acc), np.int32) as out:
            self._c.requantise(pointer(acc), pointer(scales), mantissa, shift, len(acc), pointer(out))
        return out

    def max_abs(self, x: np.ndarray) -> int:
        return int(self._c.max_abs(pointer(x), len(x)))

    def sum_squares(self, x: np.ndarray, drop: int) -> int:
        return int(self._c.sum_squares(pointer(x), len(x), drop))

    def quantise(self, x: np.ndarray, reciprocal: int, shift: int) -> tuple[np.ndarray, int]:
        with guarded(len(x), np.int8) as out:
            total = self._c.quantise(pointer(x), len(x), reciprocal, shift, pointer(out))
        return out, total

    def add(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        with guarded(len(x), np.int32, x) as out:
            self._c.add(pointer(out), pointer(y), len(x))
        return out

    def rotate(self, x: np.ndarray, turn: np.ndarray) -> np.ndarray:
        with guarded(len(x), np.int32, x) as out:
            self._c.rotate(pointer(out), pointer(turn), len(x))
        return out

    def silu_mul(self, gate: np.ndarray, up: np.ndarray) -> np.ndarray:
        with guarded(len(gate), np.int32) as out:
            self._c.silu_mul(pointer(gate), pointer(up), len(gate), pointer(out))
        return out

    def hadamard(self, x: np.ndarray, log2: int) -> np.ndarray:
        with guarded(len(x), np.int32, x) as out:
            self._c.hadamard(pointer(out), len(x), log2)
        return out

    def scale_scores(self, scores: np.ndarray, query: tuple[int, int], positions: np.ndarray) -> tuple[np.ndarray, Any]:
        """`positions`: int16 (4, n), the fields of struct positions. Returns the scores and struct softmax."""
        found = ffi.new("struct softmax *", {"total": 12345})
        with guarded(len(scores), np.int32, scores) as out:
            self._c.scale_scores(pointer(out), ffi.new("struct scale *", query)[0], self._positions(positions),
                                 len(scores), found)  # fmt: skip
        return out, found

    def weigh(self, scores: np.ndarray, positions: np.ndarray, found: Any) -> tuple[np.ndarray, np.ndarray]:
        with guarded(len(scores), np.int8) as high, guarded(len(scores), np.int8) as low:
            self._c.weigh(pointer(scores), self._positions(positions), len(scores), pointer(high), pointer(low), found)
        return high, low

    def _positions(self, positions: np.ndarray) -> Any:
        return ffi.new("struct positions *", [pointer(row) for row in positions])

    def combine(self, sums: np.ndarray, mantissa: int, exponent: int) -> np.ndarray:
        with guarded(len(sums), np.int32) as out:
            scale = ffi.new("struct scale *", (mantissa, exponent))[0]
            self._c.combine(pointer(sums), scale, len(sums), pointer(out))
        return out
