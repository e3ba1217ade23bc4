"""The table of sines is part of rail-int/2: its bytes are frozen, and it is right to the last bit. The polynomials are
as close to their functions as native/q15.h says."""

import hashlib
from itertools import pairwise

import numpy as np

from inference.fixedpoint import RECIPROCAL_POLYNOMIAL, exp2_fraction, polynomial_q15, sigmoid
from native.tables import sine_q30


def test_table_digest_is_frozen():
    encoded = b"".join(value.to_bytes(4, "little", signed=True) for value in sine_q30())
    assert hashlib.sha256(encoded).hexdigest() == "f8448633b4e693284db8c6f3eeaf10da74f4a1d505c3a024559b60ce83c99739"


def test_sine_squares_add_up_and_quadrants_mirror():
    sine = sine_q30()
    assert len(sine) == 4097
    for i in range(4097):
        cosine = sine[(i + 1024) % 4096]
        assert abs(sine[i] ** 2 + cosine**2 - 2**60) <= 2**31
        assert sine[i] == -sine[4096 - i]
    assert sine[1024] == 2**30
    assert all(a < b for a, b in pairwise(sine[:1025]))


def test_sine_is_that_of_the_c_library():
    """Which is right to 2^-52; a value that it leaves in doubt, closer than that to a half, does not come up."""
    scaled = np.sin(2 * np.pi * np.arange(1025) / 4096) * 2**30
    assert np.abs(scaled % 1 - 0.5).min() > 1e-6
    assert list(sine_q30()[:1025]) == np.floor(scaled + 0.5).astype(int).tolist()


def test_powers_of_two_within_their_error():
    x = np.arange(1 << 15)
    found = exp2_fraction(x)
    assert (found.max(), found.min()) == (32767, 16384)
    assert np.abs(found / 2**15 / 2.0 ** (-x / 2**15) - 1).max() < 1.1e-4


def test_reciprocals_within_their_error():
    v = np.arange(-(1 << 14), 1 << 14)
    found = polynomial_q15(v, RECIPROCAL_POLYNOMIAL)
    assert (found.min(), found.max()) == (16384, 32767)
    assert np.abs(found / 2**15 - 1 / (1.5 + v / 2**15)).max() < 4.3e-5


def test_sigmoid_is_close_at_every_point_and_symmetric():
    x = np.arange(-17 << 16, (17 << 16) + 1)
    found = sigmoid(x)
    assert (found.min(), found.max()) == (0, 32767)
    assert np.abs(found / 2**15 - 1 / (1 + np.exp(-x / 2**16))).max() < 2e-4
    positive = x > 0
    assert np.array_equal(found[positive] + found[x < 0][::-1], np.full(positive.sum(), 32767))
