"""Rotary frequencies in exact decimals: radians per position of each pair."""

from decimal import Context, Decimal, localcontext
from fractions import Fraction

DIGITS = 80


def frequencies(theta: Fraction, head_dim: int) -> tuple[Decimal, ...]:
    """theta**(-2i/head_dim) for each pair i."""
    with localcontext(Context(prec=DIGITS)):
        base = (Decimal(theta.numerator) / Decimal(theta.denominator)).ln()
        return tuple((-base * 2 * i / head_dim).exp() for i in range(head_dim // 2))
