"""Float weights to the integers of rail-int/2 (SPEC.md sections 4 and 11).

Only element-wise IEEE operations, maxima, exact integer sums and decimal arithmetic are used: the result is the same on
every machine.
"""

from collections.abc import Iterable, Iterator
from decimal import Context, Decimal, localcontext
from math import frexp

import numpy as np
from numpy.typing import NDArray

from inference.convert.rope import DIGITS
from inference.convert.rotation import PI, Floats
from inference.directory import EXPONENT_MAX, EXPONENT_MIN
from inference.errors import ConversionError

INT32_LIMIT = 2**31 - 1


def exponent_for(name: str, largest: float) -> int:
    """The largest exponent with which the row scale `largest` stays below 2**16. Raises ConversionError
    (`weight_range`) for weights that the format cannot hold.
    """
    exponent = EXPONENT_MAX if largest <= 0 else min(EXPONENT_MAX, 15 - (frexp(largest)[1] - 1))
    if exponent < EXPONENT_MIN:
        raise ConversionError("weight_range", f"{name}: weights of {127 * largest:.3g} are not below the limit of 127")
    return exponent


def integer_scales(scales: Floats, exponent: int) -> NDArray[np.uint16]:
    """Row scales in units of 2**-exponent; at least 1 where a row is not zero."""
    rounded = np.clip(np.rint(scales * 2.0**exponent), 0, 65535)
    rounded[(rounded == 0) & (scales > 0)] = 1
    return rounded.astype(np.uint16)


def in_steps(weights: Floats, scales: NDArray[np.uint16], exponent: int) -> Floats:
    """Weights divided by the scale of their row."""
    steps = np.where(scales > 0, scales, 1) * 2.0**-exponent
    return weights / steps[:, None]


def eight_bits(chunks: Iterable[Floats], scales: NDArray[np.uint16], exponent: int) -> Iterator[NDArray[np.int8]]:
    """Rows of -127..127; ties of a half go to the even integer."""
    start = 0
    for chunk in chunks:
        steps = in_steps(chunk, scales[start : start + len(chunk)], exponent)
        yield np.clip(np.rint(steps), -127, 127).astype(np.int8)
        start += len(chunk)


def q16(values: Floats) -> NDArray[np.int32]:
    return np.clip(np.rint(values * 65536.0), -INT32_LIMIT, INT32_LIMIT).astype(np.int32)


def rope_turns(frequencies: tuple[Decimal, ...]) -> NDArray[np.uint64]:
    """Radians per position as 64-bit fractions of a turn, rounded down."""
    with localcontext(Context(prec=DIGITS)):
        return np.array([int(f / (2 * PI) * 2**64) % 2**64 for f in frequencies], dtype=np.uint64)
