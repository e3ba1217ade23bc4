"""Changes of basis: orthogonal, spreading, and the same bits on every machine."""

import hashlib

import numpy as np
import pytest

from inference.convert.rotation import hadamard, hartley, rotate

WIDTHS = [2, 8, 24, 64, 96, 172, 288, 576, 896, 2048]


@pytest.mark.parametrize("width", WIDTHS)
def test_rotation_keeps_lengths_and_angles(width: int) -> None:
    basis = rotate(np.eye(width))
    assert np.abs(basis @ basis.T - np.eye(width)).max() < 1e-12


@pytest.mark.parametrize("width", WIDTHS)
def test_one_loud_channel_becomes_even(width: int) -> None:
    x = np.zeros(width)
    x[width // 3] = 100.0
    block = width & -width
    assert np.abs(rotate(x)).max() <= 100 * np.sqrt(2 / min(width, 64 * block))
    assert abs(np.linalg.norm(rotate(x)) - 100) < 1e-9


def test_a_large_odd_factor_is_left_unmixed() -> None:
    width = 2 * 67
    x = np.zeros(width)
    x[0] = 1.0
    assert np.count_nonzero(rotate(x)) == 2


def test_rows_are_rotated_each_for_itself() -> None:
    rows = np.random.default_rng(1).standard_normal((5, 3, 96))
    for place in np.ndindex(5, 3):
        assert np.array_equal(rotate(rows)[place], rotate(rows[place]))


@pytest.mark.parametrize("log2", range(8))
def test_hadamard_is_the_matrix_of_parities(log2: int) -> None:
    size = 1 << log2
    signs = np.array([[1.0 - 2.0 * ((i & j).bit_count() & 1) for j in range(size)] for i in range(size)])
    x = np.random.default_rng(log2).integers(-1000, 1000, (3, 2 * size)).astype(np.float64)
    assert np.array_equal(hadamard(x, size), (x.reshape(3, 2, size) @ signs).reshape(3, 2 * size))


@pytest.mark.parametrize("count", [3, 5, 9, 43, 63])
def test_hartley_is_orthogonal_and_symmetric(count: int) -> None:
    matrix = np.array(hartley(count))
    assert np.abs(matrix @ matrix - np.eye(count)).max() < 1e-14
    assert np.array_equal(matrix, matrix.T)


def test_bits_are_frozen() -> None:
    """Other bits mean other model files: CONVERTER in pipeline.py must get a new number then."""
    x = (np.arange(3 * 1440) % 1009 - 504.0).reshape(3, 1440) / 128
    assert hashlib.sha256(rotate(x).astype("<f8").tobytes()).hexdigest() == FROZEN


FROZEN = "9fabd6745104db557f24d982379a84733a2e87d5410bf507192bf5ef99585eb1"
