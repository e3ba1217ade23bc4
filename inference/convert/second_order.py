"""Rounding to levels so that the errors of a row cancel in its product with real inputs.

For each row, (v - w) G (v - w) is made small, G being the products of the inputs (calibration.py): coordinate descent,
column by column, each time to the level nearest to the best value given all others. A first pass takes the columns not
yet rounded as they are; later passes polish.

All sums are sums of integers below 2**53, exact in any order, so that a matrix product is the same on every machine.
"""

import numpy as np
from numpy.typing import NDArray

from inference.convert import four_bits
from inference.convert.rotation import Floats

PASSES = 4
BLOCK = 32  # columns whose mutual effects are followed one by one; those of others come as one product
ROWS = 4096  # rows at one time


def round_rows(weights: Floats, codes: NDArray[np.uint8], gram: Floats) -> NDArray[np.uint8]:
    """Level of each weight, (rows, columns).

    `weights`: whole numbers in the units of `four_bits.levels`, |w| < 2**13; `codes` (blocks, groups); `gram` as
    `calibration.damped` gives it.
    """
    indexes = np.empty(weights.shape, dtype=np.uint8)
    by_row = np.repeat(codes, 16, axis=0)[: len(weights)]
    for start in range(0, len(weights), ROWS):
        part = slice(start, start + ROWS)
        _descend(weights[part], by_row[part], gram, indexes[part])
    return indexes


def _descend(weights: Floats, codes: NDArray[np.uint8], gram: Floats, indexes: NDArray[np.uint8]) -> None:
    books = four_bits.levels().astype(np.float64)
    errors = np.zeros_like(weights)
    for _ in range(PASSES):
        for start in range(0, weights.shape[1], BLOCK):
            end = min(start + BLOCK, weights.shape[1])
            slope = errors @ gram[:, start:end]
            for column in range(start, end):
                own = gram[column, column]
                wanted = weights[:, column] - (slope[:, column - start] - errors[:, column] * own) / own
                levels = books[codes[:, column // 4]]
                index = (2 * wanted[:, None] > levels[:, 1:] + levels[:, :-1]).sum(axis=1)
                error = np.take_along_axis(levels, index[:, None], axis=1)[:, 0] - weights[:, column]
                slope += (error - errors[:, column])[:, None] * gram[column, start:end]
                errors[:, column], indexes[:, column] = error, index
