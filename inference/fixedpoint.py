"""Number formats and rounding of rail-int/2 in plain Python and NumPy integers (SPEC.md sections 1 to 3).

Written from the SPEC for the reference engine; shares nothing with the C kernels but the tables.
Arrays are int64; every product is bounded in the SPEC so that it fits.
"""

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from native.tables import sine_q30

Ints = NDArray[np.int64]

INT32_LIMIT = 2**31 - 1
EXP2_POLYNOMIAL = (32767, -22709, 7843, -1739, 222)  # Q15, rising powers
RECIPROCAL_POLYNOMIAL = (21845, -14568, 9718, -6372, 4203, -3560, 2454)
LOG2E_Q14 = 23637
SINE = sine_q30()


@dataclass(frozen=True, slots=True)
class Scale:
    """A real number mantissa * 2**-exponent; mantissa has exactly 15 bits, or is 0."""

    mantissa: int
    exponent: int


def round_shift(values: Ints, bits: int) -> Ints:
    """floor(values / 2**bits + 1/2); `bits` >= 0."""
    return values if bits == 0 else (values + (1 << (bits - 1))) >> bits


def saturate(values: Ints) -> Ints:
    """Clamp to the symmetric int32 range."""
    return np.clip(values, -INT32_LIMIT, INT32_LIMIT)


def requantise_shift(exponent: int) -> int:
    """Shifts of rescaled sums stay in 1..62."""
    return min(max(exponent, 1), 62)


def scale_ratio(numerator: int, denominator: int) -> Scale:
    """numerator / denominator truncated to a 15-bit mantissa, after truncating the denominator to 40 bits."""
    if numerator == 0:
        return Scale(0, 0)
    n_bits, d_bits = numerator.bit_length(), denominator.bit_length()
    quotient = (numerator << (63 - n_bits)) // (denominator << 40 >> d_bits)
    q_bits = quotient.bit_length()
    return Scale(quotient >> (q_bits - 15), 38 - q_bits + d_bits - n_bits)


def plain_scale(maximum: int) -> Scale:
    """Scale of a Q16 vector quantised against its maximum: maximum / 127 / 2**16."""
    ratio = scale_ratio(maximum, 127)
    return Scale(ratio.mantissa, ratio.exponent + 16)


def norm_scale(x: Ints, maximum: int, norm_eps_q48: int) -> Scale:
    """Scale of a vector quantised against `maximum`, over the root mean square of x: (maximum / 127) / sqrt(mean(x**2)
    + eps).
    """
    if maximum == 0:
        return Scale(0, 0)
    drop = max(0, int(np.abs(x).max()).bit_length() - 24)
    squares = sum(v * v for v in round_shift(x, drop).tolist())
    squares += len(x) * norm_eps_q48 >> (16 + 2 * drop)
    up = (64 - squares.bit_length()) & ~1
    ratio = scale_ratio(maximum * isqrt(len(x) << 32), 127 * isqrt(squares << up))
    return Scale(ratio.mantissa, ratio.exponent + 16 + drop - up // 2)


def quantise(x: Ints) -> tuple[Ints, int]:
    """Q16 values to integers in [-127, 127] against their own maximum, which comes second."""
    maximum = int(np.abs(x).max())
    if maximum == 0:
        return np.zeros_like(x), 0
    shift = 23 + maximum.bit_length()
    return round_shift(x * ((127 << shift) // maximum), shift), maximum


def multiply_q15(a: Ints, b: Ints | int) -> Ints:
    """floor(a b / 2**15 + 1/2)."""
    return round_shift(a * b, 15)


def polynomial_q15(x: Ints, coefficients: tuple[int, ...]) -> Ints:
    """Horner's rule, each product rounded."""
    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = coefficient + multiply_q15(x, value)
    return value


def exp2_fraction(x: Ints) -> Ints:
    """2**-x in Q15 for x in Q15, 0 <= x < 1."""
    return polynomial_q15(x, EXP2_POLYNOMIAL)


def sigmoid(x: Ints) -> Ints:
    """1 / (1 + e**-x) in Q15 for x in Q16."""
    z = (np.minimum(np.abs(x), (16 << 16) - 1) >> 5) * LOG2E_Q14 >> 10
    s = polynomial_q15((exp2_fraction(z & 32767) >> (z >> 15)) - 16384, RECIPROCAL_POLYNOMIAL)
    return np.where(x < 0, 32767 - s, s)


def sine(turns: int) -> int:
    """sin in Q30 of an angle in 2**-64 turns."""
    turns %= 1 << 64
    index, fraction = turns >> 52, (turns >> 36) & 0xFFFF
    return SINE[index] + ((SINE[index + 1] - SINE[index]) * fraction >> 16)


def cosine(turns: int) -> int:
    """cos in Q30 of an angle in 2**-64 turns."""
    return sine(turns + (1 << 62))
