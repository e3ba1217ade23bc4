"""Orthogonal changes of basis that spread outliers evenly, folded into the weights at no cost at run time.

Only sums, differences and products of single elements are used, in a fixed order: the same bits on every machine.
"""

import hashlib
from decimal import Context, Decimal, localcontext
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ODD_MAX = 64  # a larger odd factor of a width is left as it is: its blocks are rotated, not mixed
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803")


def hadamard(x: Floats, block: int) -> Floats:
    """Walsh-Hadamard transform of each `block` neighbours of the last axis (a power of two), without normalisation."""
    columns = np.ascontiguousarray(x.reshape(-1, x.shape[-1]).T)  # long rows of like elements: that is what is fast
    _butterflies(columns, block)
    return np.ascontiguousarray(columns.T).reshape(x.shape)


def rotate(x: Floats) -> Floats:
    """The last axis in the new basis: fixed signs, then Hadamard in blocks of the width's power of two, then an
    orthogonal matrix over the blocks if they are few.
    """
    columns = rotate_columns(np.ascontiguousarray(x.reshape(-1, x.shape[-1]).T))
    return np.ascontiguousarray(columns.T).reshape(x.shape)


def rotate_columns(columns: Floats) -> Floats:
    """The first axis of two in the new basis; `columns` is used up."""
    width = len(columns)
    block = width & -width
    count = width // block
    columns *= signs(width)[:, None]
    _butterflies(columns, block)
    columns /= np.sqrt(np.float64(block))
    if not 1 < count <= ODD_MAX:
        return columns
    blocks = columns.reshape(count, -1)
    mixed = np.zeros_like(blocks)
    for i, row in enumerate(hartley(count)):
        for j, factor in enumerate(row):
            mixed[i] += factor * blocks[j]
    return mixed.reshape(columns.shape)


def _butterflies(columns: Floats, block: int) -> None:
    """The transform of each `block` neighbours of the first axis, in place."""
    half = 1
    while half < block:
        pairs = columns.reshape(-1, 2, half * columns.shape[1])
        difference = pairs[:, 0] - pairs[:, 1]
        pairs[:, 0] += pairs[:, 1]
        pairs[:, 1] = difference
        half *= 2


@cache
def signs(width: int) -> Floats:
    """+1 and -1 that look random, the same for ever."""
    data = np.frombuffer(hashlib.shake_256(b"rail/rotation/1").digest(-(-width // 8)), np.uint8)
    return np.where(np.unpackbits(data)[:width], -1.0, 1.0)


@cache
def hartley(count: int) -> tuple[tuple[float, ...], ...]:
    """The discrete Hartley transform, (cos + sin)(2 pi i j / count) / sqrt(count): real, symmetric, orthogonal."""
    with localcontext(Context(prec=60)):
        root = Decimal(count).sqrt()
        waves = [_cosine_and_sine(2 * PI * k / count) / root for k in range(count)]
        return tuple(tuple(float(waves[i * j % count]) for j in range(count)) for i in range(count))


def _cosine_and_sine(angle: Decimal) -> Decimal:
    """Their sum, by the series of both."""
    term, total = Decimal(1), Decimal(0)
    for k in range(1, 80):
        total += term if (k - 1) // 2 % 2 == 0 else -term
        term = term * angle / k
    return total
