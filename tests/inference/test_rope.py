"""Rotary frequencies in exact decimals against plain formulas, and the order of rows."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from float_models import in_halves

from inference.convert.rope import (
    FactorScaling,
    LinearScaling,
    Llama3Scaling,
    frequencies,
    interleaved,
    is_rotated,
)


@pytest.mark.parametrize("theta", [1, 10_000, 500_000, 1_000_000])
@pytest.mark.parametrize("head_dim", [2, 64, 80, 256])
def test_frequencies_are_powers_of_theta(theta: int, head_dim: int) -> None:
    found = frequencies(Fraction(theta), head_dim)
    assert len(found) == head_dim // 2
    assert found[0] == 1
    for i, frequency in enumerate(found):
        assert math.isclose(frequency, theta ** (-2 * i / head_dim), rel_tol=1e-14)


def test_frequencies_have_their_digits() -> None:
    """10000**(-1/2), **(-1/4) and **(-3/4), where the decimals are known."""
    known = [Decimal(1), Decimal("0.1"), Decimal("0.01"), Decimal("0.001")]
    found = frequencies(Fraction(10_000), 8)
    assert all(abs(a - b) < Decimal("1e-24") for a, b in zip(found, known, strict=True))
    assert len(found[1].as_tuple().digits) >= 75


def test_linear_scaling_divides_every_frequency() -> None:
    plain, scaled = frequencies(Fraction(10_000), 64), frequencies(Fraction(10_000), 64, LinearScaling(Fraction(5, 2)))
    assert all(math.isclose(a / b, 2.5, rel_tol=1e-15) for a, b in zip(plain, scaled, strict=True))


def test_llama3_scaling_keeps_fast_pairs_divides_slow_ones_and_blends_between() -> None:
    scaling = Llama3Scaling(Fraction(8), Fraction(1), Fraction(4), 8192)
    plain, scaled = frequencies(Fraction(500_000), 128), frequencies(Fraction(500_000), 128, scaling)
    kinds = set()
    for a, b in zip(plain, scaled, strict=True):
        turns = 8192 * float(a) / (2 * math.pi)
        if turns > 4:
            expected, kind = float(a), "fast"
        elif turns < 1:
            expected, kind = float(a) / 8, "slow"
        else:
            blend = (turns - 1) / 3
            expected, kind = float(a) * ((1 - blend) / 8 + blend), "between"
        kinds.add(kind)
        assert math.isclose(b, expected, rel_tol=1e-14)
    assert kinds == {"fast", "slow", "between"}


def test_factors_divide_each_frequency_by_its_own() -> None:
    plain = frequencies(Fraction(10_000), 8)
    scaled = frequencies(Fraction(10_000), 8, FactorScaling([Fraction(n) for n in (1, 2, 4, 8)], Fraction(2)))
    assert [float(a / b) for a, b in zip(plain, scaled, strict=True)] == [2, 4, 8, 16]


def test_rows_in_halves_become_neighbours() -> None:
    rows = np.array([0, 10, 20, 1, 11, 21, 100, 110, 120, 101, 111, 121], np.float32)
    assert interleaved(rows, 6).tolist() == [0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121]
    matrix = np.arange(96, dtype=np.float32).reshape(24, 4)
    for head_dim in (2, 4, 8, 12, 24):
        assert np.array_equal(interleaved(in_halves(matrix, head_dim), head_dim), matrix)


def test_queries_and_keys_are_rotated_and_nothing_else() -> None:
    rotated = {"wq", "wk", "wq.bias", "wk.bias", "norm_q", "norm_k"}
    others = {"wv", "wv.bias", "wo", "norm_attn", "norm_ffn", "w1", "w2", "w3"}
    assert {part for part in rotated | others if is_rotated(f"layers.10.{part}")} == rotated
    assert not any(map(is_rotated, ("tok_embed", "norm_final", "head")))
