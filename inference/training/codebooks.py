"""The 256 codebooks of 4-bit weights: `python -m inference.training.codebooks OUT`. Run once; its result is shipped.

Blocks of 64 weights are drawn from the distributions that rotated and unrotated matrices have, in rows of equal root
mean square. Then Lloyd's algorithm on two levels: each block takes the codebook that suits it best, each codebook the
levels that suit its blocks best. A codebook that nobody wants takes over half of the blocks of the most wanted one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import native
from inference.convert.four_bits import ROW_RMS, UNIT

ROUNDS = 60
BLOCKS = 60_000
SEED = 1

Levels = NDArray[np.float64]


def blocks(draw: np.random.Generator) -> NDArray[np.int16]:
    """Blocks of 16 rows x 4 columns: mostly normal, some with heavier tails, some with columns of unequal size."""
    rows = []
    for share, values in (
        (0.5, lambda shape: draw.standard_normal(shape)),
        (0.2, lambda shape: draw.laplace(size=shape)),
        (0.15, lambda shape: draw.standard_t(5, shape)),
        (0.15, lambda shape: draw.standard_normal(shape) * np.exp(0.5 * draw.standard_normal((1, shape[1])))),
    ):
        matrix = np.asarray(values((16 * round(BLOCKS * share / 256), 1024)))
        matrix *= ROW_RMS / np.sqrt((matrix**2).mean(axis=1, keepdims=True))
        rows.append(matrix.reshape(-1, 16, 256, 4).transpose(0, 2, 1, 3).reshape(-1, 64))
    return np.clip(np.rint(np.concatenate(rows) * UNIT), -8191, 8191).astype(np.int16)


def first_guess() -> Levels:
    """Sixteen levels of a normal distribution at 256 sizes."""
    shape = np.array([0.13, 0.39, 0.66, 0.95, 1.26, 1.62, 2.07, 2.73])
    sizes = np.exp(np.linspace(np.log(3.0), np.log(46.0), 256))
    return sizes[:, None] * np.concatenate([-shape[::-1], shape])[None]


def integers(levels: Levels) -> NDArray[np.int16]:
    """Rising levels, as the kernels want them; the books in the order of their size."""
    rounded = np.sort(np.clip(np.rint(levels), -127, 127), axis=1).astype(np.int16)
    return np.ascontiguousarray(rounded[np.argsort((rounded.astype(np.int64) ** 2).sum(axis=1), kind="stable")])


def improve(books: NDArray[np.int16], weights: NDArray[np.int16], draw: np.random.Generator) -> tuple[Levels, float]:
    codes = native.choose_codes(weights, (books * UNIT).astype(np.int16))
    indexes = native.nearest_levels(weights, (books * UNIT).astype(np.int16), codes)
    cells = (codes[:, None].astype(np.int64) * 16 + indexes).ravel()
    sums = np.bincount(cells, weights.ravel() / UNIT, 256 * 16)
    counts = np.bincount(cells, minlength=256 * 16)
    levels = np.where(counts > 0, sums / np.maximum(counts, 1), books.ravel()).reshape(256, 16)
    error = ((weights / UNIT - books[codes[:, None], indexes]) ** 2).sum() / ((weights / UNIT) ** 2).sum()
    wanted = np.bincount(codes, minlength=256)
    for book in np.flatnonzero(wanted < BLOCKS // 256 // 8):
        busiest = wanted.argmax()
        levels[book] = levels[busiest] + draw.normal(0, 1.5, 16)
        wanted[busiest] //= 2
        wanted[book] = wanted[busiest]
    return levels, float(error)


def train() -> NDArray[np.int16]:
    draw = np.random.default_rng(SEED)
    weights = blocks(draw)
    books = best = integers(first_guess())
    least = np.inf
    for turn in range(ROUNDS):
        levels, error = improve(books, weights, draw)
        if error < least:
            least, best = error, books
        print(f"{turn}: {-10 * np.log10(error):.3f} dB", file=sys.stderr)
        books = integers(levels)
    return best


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes((train() + 128).astype(np.uint8).tobytes())
