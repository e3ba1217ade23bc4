"""The confidence bound, against an exact computation in whole numbers."""

from fractions import Fraction
from math import comb

import pytest

from web.audit.confidence import upper_bound_95


def exact_tail(n: int, k: int, p: Fraction) -> Fraction:
    """P(X <= k), exactly."""
    return sum((comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1)), Fraction(0))


@pytest.mark.parametrize("n", [1, 2, 5, 20, 59, 100])
def test_without_a_bad_run_the_bound_has_its_closed_form(n: int) -> None:
    assert upper_bound_95(n, 0) == pytest.approx(1 - 0.05 ** (1 / n), abs=1e-6)


@pytest.mark.parametrize(("n", "k"), [(n, k) for n in (1, 2, 7, 20, 64) for k in range(0, n, max(1, n // 5))])
def test_the_bound_is_the_smallest_that_five_percent_allow(n: int, k: int) -> None:
    bound = Fraction(round(upper_bound_95(n, k) * 1_000_000), 1_000_000)
    assert exact_tail(n, k, bound) <= Fraction(5, 100)
    assert exact_tail(n, k, bound - Fraction(2, 1_000_000)) > Fraction(5, 100)


def test_nothing_replayed_and_all_bad_say_nothing_good() -> None:
    assert upper_bound_95(0, 0) == 1.0
    assert upper_bound_95(9, 9) == 1.0


def test_large_samples_neither_overflow_nor_vanish() -> None:
    assert 0 < upper_bound_95(100_000, 0) < 0.0001
    assert 0.5 < upper_bound_95(100_000, 50_000) < 0.51


def test_impossible_counts_are_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="3 bad runs among 2"):
        upper_bound_95(2, 3)
