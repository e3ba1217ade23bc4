"""The blocks in which weights stand: every byte has its place, and padding is empty."""

import numpy as np
import pytest

from inference.matrices import blocked, halved, looked_up, padding_is_empty, rows_of
from native import blocked_shape

SHAPES = [(1, 1), (15, 3), (16, 8), (17, 9), (40, 12), (33, 100), (64, 64)]


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_rows_come_back_from_blocks(rows: int, columns: int) -> None:
    weights = np.random.default_rng(rows).integers(-127, 128, (rows, columns), dtype=np.int8)
    shape = blocked_shape(rows, columns, 8)
    stored = blocked(weights, 4 * shape[1])
    assert stored.shape == shape
    assert np.array_equal(rows_of(stored, rows, columns), weights)
    assert padding_is_empty(stored, rows, columns)
    for row, column in ((0, 0), (rows - 1, columns - 1), (rows // 2, columns // 3)):
        assert stored[row // 16, column // 4, row % 16, column % 4] == int(weights[row, column]) + 128


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_halves_pick_from_the_codebook_of_their_group(rows: int, columns: int) -> None:
    draw = np.random.default_rng(columns)
    shape = blocked_shape(rows, columns, 4)
    groups = 2 * shape[1]
    indexes = draw.integers(0, 16, (shape[0], groups, 64), dtype=np.uint8)
    codes = draw.integers(0, 256, (shape[0], groups), dtype=np.uint8)
    codebooks = draw.integers(1, 256, (256, 16), dtype=np.uint8)
    stored = halved(indexes)
    assert stored.shape == shape
    found = looked_up(stored, codes, codebooks)
    assert found.shape == (shape[0], groups, 16, 4)
    for block, group, i in ((0, 0, 0), (shape[0] - 1, groups - 1, 63), (0, groups // 2, 17)):
        assert found[block, group, i // 4, i % 4] == codebooks[codes[block, group], indexes[block, group, i]]


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
@pytest.mark.parametrize("bits", [4, 8])
def test_any_weight_in_the_padding_is_noticed(rows: int, columns: int, bits: int) -> None:
    empty, other = (0, 1) if bits == 4 else (128, 129)
    blocks, depth = -(-rows // 16), -(-columns // 8) * 8
    for row in range(16 * blocks):
        for column in range(depth):
            cells = np.full((blocks, depth // 4, 16, 4), empty, dtype=np.uint8)
            cells[row // 16, column // 4, row % 16, column % 4] = other
            stored = cells if bits == 8 else halved(cells.reshape(blocks, -1, 64))
            assert padding_is_empty(stored, rows, columns) == (row < rows and column < columns), (row, column)
