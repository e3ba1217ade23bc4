"""The integer tables are part of rail-int/2: their bytes are frozen, and they are right to the last bit."""

import hashlib
from decimal import ROUND_HALF_UP, Decimal, getcontext
from itertools import pairwise

import pytest

from native.tables import exp2_q30, sigmoid_q30, sine_q30


@pytest.mark.parametrize(
    ("table", "digest"),
    [
        (exp2_q30, "21c50821b132c0a124613b2ee76cac286c1cb8148ed63fb62a3763910318da50"),
        (sigmoid_q30, "330bc94ccc7299fa3eade9895348342d5d97fd2ee797c5b91535de9b15d9634d"),
        (sine_q30, "f8448633b4e693284db8c6f3eeaf10da74f4a1d505c3a024559b60ce83c99739"),
    ],
)
def test_table_digest_is_frozen(table, digest):
    encoded = b"".join(value.to_bytes(4, "little", signed=True) for value in table())
    assert hashlib.sha256(encoded).hexdigest() == digest


def rounded(value: Decimal) -> int:
    return int((value * 2**30).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def test_exp2_is_correctly_rounded():
    getcontext().prec = 60
    step = Decimal(2).ln() / 256
    assert list(exp2_q30()) == [rounded((-step * i).exp()) for i in range(257)]


def test_sigmoid_is_correctly_rounded():
    getcontext().prec = 60
    assert list(sigmoid_q30()) == [rounded(1 / (1 + (Decimal(-i) / 128).exp())) for i in range(2049)]


def test_sine_squares_add_up_and_quadrants_mirror():
    sine = sine_q30()
    assert len(sine) == 4097
    for i in range(4097):
        cosine = sine[(i + 1024) % 4096]
        assert abs(sine[i] ** 2 + cosine**2 - 2**60) <= 2**31
        assert sine[i] == -sine[4096 - i]
    assert sine[1024] == 2**30
    assert all(a < b for a, b in pairwise(sine[:1025]))
