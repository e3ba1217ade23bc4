"""Weights in 4 bits: codes, indexes and row scales (SPEC.md section 11)."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import native
from inference.convert.rotation import Floats

ROW_RMS = 22  # root mean square of a row in units of its scale; what is over 127 of them is cut off
UNIT = 64  # weights are compared with levels in 64ths of the row's scale
CUT = 8191


@cache
def codebooks() -> NDArray[np.uint8]:
    """256 codebooks of 16 rising levels plus 128, made by inference/training/codebooks.py."""
    data = (Path(__file__).parent / "codebooks.bin").read_bytes()
    return np.frombuffer(data, np.uint8).reshape(256, 16)


@cache
def levels() -> NDArray[np.int16]:
    """The codebooks in the units of `comparable`."""
    return np.ascontiguousarray((codebooks().astype(np.int16) - 128) * UNIT)


def whole(steps: Floats) -> Floats:
    """Weights in steps of their row's scale as whole numbers of UNITs."""
    return np.clip(np.rint(steps * UNIT), -CUT, CUT)


def comparable(steps: Floats) -> NDArray[np.int16]:
    """The same as the groups of 64 that share a code: (blocks of rows, groups, 64)."""
    return grouped(whole(steps).astype(np.int16))


def grouped(values: NDArray[Any]) -> NDArray[Any]:
    """(rows, columns) as groups of 16 rows x 4 columns, padded with zeros: (blocks, groups, 64)."""
    rows, columns = values.shape
    padded = np.zeros((-(-rows // 16) * 16, -(-columns // 8) * 8), dtype=values.dtype)
    padded[:rows, :columns] = values
    blocks = padded.reshape(-1, 16, padded.shape[1] // 4, 4).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(blocks).reshape(len(blocks), -1, 64)


def choose_codes(weights: NDArray[np.int16]) -> NDArray[np.uint8]:
    """The codebook of each group, (blocks, groups)."""
    return native.choose_codes(weights.reshape(-1, 64), levels()).reshape(weights.shape[:2])


def nearest(weights: NDArray[np.int16], codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The level of each weight, (blocks, groups, 64)."""
    return native.nearest_levels(weights.reshape(-1, 64), levels(), codes.reshape(-1)).reshape(weights.shape)


def empty_padding(indexes: NDArray[np.uint8], codes: NDArray[np.uint8], rows: int, columns: int) -> None:
    """Set what stands for no weight to 0, in place: rows and columns past the real ones, codes of padding alone."""
    by_row = indexes.reshape(len(indexes), -1, 16, 4)
    if rows % 16:
        by_row[-1, :, rows % 16 :] = 0
    by_row[:, -(-columns // 4) :] = 0
    if columns % 4:
        by_row[:, columns // 4, :, columns % 4 :] = 0
    codes[:, -(-columns // 4) :] = 0
