"""What a sample says about the whole: the exact (Clopper-Pearson) upper bound on the share of bad runs.

If the true share were p, the chance to see at most k bad runs among n is the binomial tail P(X <= k). The bound
is the p at which that chance falls to 5 %: a larger share would have shown itself with more than 95 % confidence.
The tail falls as p grows, so bisection finds it. Drawing without replacement makes the true bound no larger.
"""

from math import ceil, exp, lgamma, log

TAIL = 0.05  # 1 - confidence
PRECISION = 1_000_000  # bounds are rounded up to whole millionths
ROUNDING = 0.001  # of a millionth, so that 0.95 with the error of the arithmetic stays 0.95


def upper_bound_95(replayed: int, bad: int) -> float:
    """One-sided 95 % upper bound on the share of bad runs, rounded up to six decimals; 1.0 if nothing was replayed.

    For `bad` = 0 this is 1 - 0.05 ** (1 / replayed).
    """
    if not 0 <= bad <= replayed:
        raise ValueError(f"{bad} bad runs among {replayed}")
    if bad == replayed:
        return 1.0
    choose = [lgamma(replayed + 1) - lgamma(i + 1) - lgamma(replayed - i + 1) for i in range(bad + 1)]
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if _binomial_tail(replayed, choose, middle) > TAIL:
            low = middle
        else:
            high = middle
    return min(ceil(high * PRECISION - ROUNDING), PRECISION) / PRECISION


def _binomial_tail(n: int, choose: list[float], p: float) -> float:
    """P(X < len(choose)) for X ~ Binomial(n, p), 0 < p < 1, summed in logarithms so that no term overflows."""
    yes, no = log(p), log(1 - p)
    return sum(exp(ways + i * yes + (n - i) * no) for i, ways in enumerate(choose))
