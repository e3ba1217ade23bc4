"""Number formats and rounding of rail-int/1 in plain Python and NumPy integers (SPEC.md sections 1 to 3).

Written from the SPEC for the reference engine; shares nothing with the C kernels but the tables.
Arrays are int64; every product is bounded in the SPEC so that it fits.
"""

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from native.tables import exp2_q30, sigmoid_q30, sine_q30

Ints = NDArray[np.int64]

INT32_LIMIT = 2**31 - 1
EXP2 = np.array(exp2_q30(), dtype=np.int64)
SIGMOID = np.array(sigmoid_q30(), dtype=np.int64)
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
    """Scale of RMSNorm(x) quantised against x's maximum: (maximum / 127) / sqrt(mean(x**2) + eps)."""
    if maximum == 0:
        return Scale(0, 0)
    drop = max(0, maximum.bit_length() - 24)
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


def exp2_neg(x: Ints) -> Ints:
    """2**-x in Q30 for x >= 0 in Q16."""
    index, fraction = (x >> 8) & 255, x & 255
    high = EXP2[index]
    value = high - ((high - EXP2[index + 1]) * fraction >> 8)
    return np.where(x >= 31 << 16, 0, value >> np.minimum(x >> 16, 31))


def sigmoid(x: Ints) -> Ints:
    """1 / (1 + e**-x) in Q30 for x in Q16."""
    a = np.minimum(np.abs(x), (16 << 16) - 1)
    low = SIGMOID[a >> 9]
    s = low + ((SIGMOID[(a >> 9) + 1] - low) * (a & 511) >> 9)
    return np.where(x < 0, (1 << 30) - s, s)


def sine(turns: int) -> int:
    """sin in Q30 of an angle in 2**-64 turns."""
    turns %= 1 << 64
    index, fraction = turns >> 52, (turns >> 36) & 0xFFFF
    return SINE[index] + ((SINE[index + 1] - SINE[index]) * fraction >> 16)


def cosine(turns: int) -> int:
    """cos in Q30 of an angle in 2**-64 turns."""
    return sine(turns + (1 << 62))
