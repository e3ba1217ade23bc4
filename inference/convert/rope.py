"""Rotary positions: frequencies in exact decimals, and the order of the rows that are rotated in pairs.

A pair turns by `frequency * position` radians. The decimals are correctly rounded at every step, so they are the
same on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction

from inference.convert.lazy import Floats, StoredTensor

DIGITS = 80
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803")

_ROTATED_PARTS = ("wq", "wk", "wq.bias", "wk.bias", "norm_q", "norm_k")


@dataclass(frozen=True, slots=True)
class LinearScaling:
    """Positions are divided by `factor`."""

    factor: Fraction  # above 0


@dataclass(frozen=True, slots=True)
class Llama3Scaling:
    """Pairs that turn less than `low` times in the original context are slowed by `factor`, those that turn more than
    `high` times are not, and those between are blended.
    """

    factor: Fraction  # above 0
    low: Fraction  # `low_freq_factor`, above 0 and below `high`
    high: Fraction  # `high_freq_factor`
    original_context: int  # tokens


@dataclass(frozen=True, slots=True)
class FactorScaling:
    """The frequency of each pair is divided by its own factor, and all by `factor`."""

    factors: Sequence[Fraction]  # one for each pair, above 0
    factor: Fraction = Fraction(1)


Scaling = LinearScaling | Llama3Scaling | FactorScaling


def frequencies(theta: Fraction, head_dim: int, scaling: Scaling | None = None) -> tuple[Decimal, ...]:
    """Radians per position of each pair i: theta**(-2i/head_dim), then scaled."""
    with localcontext(Context(prec=DIGITS)):
        base = _decimal(theta).ln()
        plain = [(-base * 2 * i / head_dim).exp() for i in range(head_dim // 2)]
        match scaling:
            case None:
                return tuple(plain)
            case LinearScaling(factor):
                return tuple(frequency / _decimal(factor) for frequency in plain)
            case Llama3Scaling():
                return tuple(_llama3(frequency, scaling) for frequency in plain)
            case FactorScaling(factors, factor):
                return tuple(f / _decimal(own * factor) for f, own in zip(plain, factors, strict=True))


def _llama3(frequency: Decimal, scaling: Llama3Scaling) -> Decimal:
    factor, low, high = _decimal(scaling.factor), _decimal(scaling.low), _decimal(scaling.high)
    turns = scaling.original_context * frequency / (2 * PI)
    if turns < low:
        return frequency / factor
    if turns > high:
        return frequency
    blend = (turns - low) / (high - low)
    return (1 - blend) * frequency / factor + blend * frequency


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def is_rotated(name: str) -> bool:
    """Whether the rows of a tensor, by our name, are rotated in pairs."""
    return name.removeprefix("layers.").partition(".")[2] in _ROTATED_PARTS


def reordered(name: str, tensor: StoredTensor, head_dim: int) -> StoredTensor:
    """The tensor of our name `name` from a source that keeps rotary pairs in halves: its rows as ours are."""
    if not is_rotated(name):
        return tensor
    return StoredTensor(tensor.shape, lambda: interleaved(tensor.read(), head_dim))


def interleaved(rows: Floats, head_dim: int) -> Floats:
    """Rows of whole heads, from halves (i, i + head_dim / 2) to neighbours (2i, 2i + 1).

    of one head    a0 a1 a2 a3 b0 b1 b2 b3    becomes    a0 b0 a1 b1 a2 b2 a3 b3
    """
    heads = rows.reshape(-1, 2, head_dim // 2, *rows.shape[1:])
    return heads.swapaxes(1, 2).reshape(rows.shape)
