"""What a sample says about the whole: the exact (Clopper-Pearson) upper bound on the share of bad runs.

If the true share were p, the chance to see at most k bad runs among n is the binomial tail P(X <= k). The bound
is the p at which that chance falls to 5 %: a larger share would have shown itself with more than 95 % confidence.
The tail falls as p grows, so bisection finds it. Drawing without replacement makes the true bound no larger.
"""

from math import ceil, exp, lgamma, log

TAIL = 0.05  # 1 - confidence
PRECISION = 1_000_000  # bounds are rounded up to whole millionths


def upper_bound_95(replayed: int, bad: int) -> float:
    """One-sided 95 % upper bound on the share of bad runs, rounded up to six decimals; 1.0 if nothing was replayed.

    For `bad` = 0 this is 1 - 0.05 ** (1 / replayed).
    """
    if not 0 <= bad <= replayed:
        raise ValueError(f"{bad} bad runs among {replayed}")
    if bad == replayed:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _binomial_tail(replayed, bad, middle) > TAIL:
            low = middle
        else:
            high = middle
    return min(ceil(high * PRECISION), PRECISION) / PRECISION


def _binomial_tail(n: int, k: int, p: float) -> float:
    """P(X <= k) for X ~ Binomial(n, p), 0 < p < 1, summed in logarithms so that no term overflows."""
    terms = (
        lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) + i * log(p) + (n - i) * log(1 - p) for i in range(k + 1)
    )
    return sum(exp(term) for term in terms)
