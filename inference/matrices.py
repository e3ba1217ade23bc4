"""How weights stand in memory: blocks of 16 rows, whole bytes or two 4-bit weights a byte (SPEC.md section 4)."""

import numpy as np
from numpy.typing import NDArray

from native import BLOCK_ROWS as ROWS

Bytes = NDArray[np.uint8]


def blocked(weights: NDArray[np.int8], depth: int) -> Bytes:
    """(rows, columns) of -127..127 as bytes (blocks, depth / 4, 16, 4) with 128 added; padding weighs nothing."""
    rows, columns = weights.shape
    padded = np.full((-(-rows // ROWS) * ROWS, depth), 128, dtype=np.uint8)
    padded[:rows, :columns] = weights.astype(np.int16) + 128
    return np.ascontiguousarray(padded.reshape(-1, ROWS, depth // 4, 4).transpose(0, 2, 1, 3))


def rows_of(stored: Bytes, rows: int, columns: int) -> NDArray[np.int8]:
    """The inverse of `blocked`."""
    blocks, steps = stored.shape[:2]
    flat = stored.transpose(0, 2, 1, 3).reshape(blocks * ROWS, steps * 4)
    return (flat[:rows, :columns].astype(np.int16) - 128).astype(np.int8)


def halved(indexes: Bytes) -> Bytes:
    """Indexes 0..15 in the form of `blocked` as halves of bytes (blocks, depth / 8, 64)."""
    pairs = indexes.reshape(indexes.shape[0], -1, 2, ROWS * 4)
    return np.ascontiguousarray(pairs[:, :, 0] | pairs[:, :, 1] << 4)


def looked_up(stored: Bytes, codes: Bytes, codebooks: Bytes) -> Bytes:
    """4-bit weights as bytes in the form of `blocked`: each half picks from the codebook that its code names."""
    return codebooks[codes[:, :, None, None], _cells(stored)]


def padding_is_empty(stored: Bytes, rows: int, columns: int) -> bool:
    """Whether all rows and columns past the real ones are 128, or index 0 with 4 bits a weight."""
    step = 4 if stored.ndim == 4 else 8
    last, tail = _cells(stored[-1:]), _cells(stored[:, columns // step :])
    empty = 128 if stored.ndim == 4 else 0
    rest = columns % step
    return all(
        (part == empty).all()
        for part in (
            last[:, :, (rows - 1) % ROWS + 1 :],
            tail[:, -(-rest // 4) :],
            tail[:, rest // 4 : rest // 4 + 1, :, rest % 4 :] if rest % 4 else tail[:, :0],
        )
    )


def _cells(stored: Bytes) -> Bytes:
    """Bytes or indexes as (blocks, groups of four columns, 16 rows, 4 columns)."""
    if stored.ndim == 4:
        return stored
    return np.stack([stored & 15, stored >> 4], axis=2).reshape(len(stored), 2 * stored.shape[1], ROWS, 4)
