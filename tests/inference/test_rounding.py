"""4-bit weights: codebooks, nearest levels, and rounding that lets errors cancel."""

import hashlib

import numpy as np
import pytest

import native
from inference.convert import four_bits
from inference.convert.calibration import damped
from inference.convert.second_order import round_rows


def q4_0(weights: np.ndarray) -> np.ndarray:
    """What llama.cpp's Q4_0 keeps of rows: blocks of 32, one half-precision scale, levels -8 to 7."""
    blocks = weights.reshape(-1, 32)
    extreme = blocks[np.arange(len(blocks)), np.abs(blocks).argmax(axis=1)]
    scale = (extreme / -8).astype(np.float16).astype(np.float64)[:, None]
    return ((np.clip(np.floor(blocks / scale + 8.5), 0, 15) - 8) * scale).reshape(weights.shape)


def kept(weights: np.ndarray) -> np.ndarray:
    """What 4 bits keep of a matrix, each weight rounded to its nearest level."""
    sizes = np.sqrt((weights**2).mean(axis=1, keepdims=True)) / four_bits.ROW_RMS
    groups = four_bits.comparable(weights / sizes)
    codes = four_bits.choose_codes(groups)
    levels = four_bits.levels()[codes[:, :, None], four_bits.nearest(groups, codes)] / four_bits.UNIT
    rows = levels.reshape(len(groups), -1, 16, 4).transpose(0, 2, 1, 3).reshape(16 * len(groups), -1)
    return rows[: weights.shape[0], : weights.shape[1]] * sizes


def decibels(weights: np.ndarray, found: np.ndarray) -> float:
    return float(10 * np.log10((weights**2).sum() / ((weights - found) ** 2).sum()))


@pytest.mark.parametrize(
    ("name", "least", "margin"), [("standard_normal", 22.0, 0.7), ("laplace", 20.8, 1.3), ("standard_t", 19.3, 0.1)]
)
def test_four_bits_and_an_eighth_keep_more_than_four_and_a_half_of_q4_0(name: str, least: float, margin: float) -> None:
    draw = np.random.default_rng(5)
    arguments = (5,) if name == "standard_t" else ()
    weights = getattr(draw, name)(*arguments, size=(256, 1024))
    ours = decibels(weights, kept(weights))
    assert ours > least
    assert ours > decibels(weights, q4_0(weights)) + margin


def test_codebooks_are_frozen_and_in_order() -> None:
    """Other codebooks mean other model files: CONVERTER in pipeline.py must get a new number then."""
    books = four_bits.codebooks()
    assert books.shape == (256, 16)
    assert books.min() >= 1
    assert (np.diff(books.astype(int), axis=1) >= 0).all()
    assert hashlib.sha256(books.tobytes()).hexdigest() == FROZEN


def test_codes_and_levels_are_those_of_a_plain_search() -> None:
    draw = np.random.default_rng(3)
    groups = np.clip(draw.normal(0, 22 * 64, (40, 64)), -8191, 8191).astype(np.int16)
    groups[0], groups[1], groups[2] = 0, 8191, -8191
    levels = four_bits.levels()
    # (group, book, weight, level)
    distances = np.abs(groups[:, None, :, None].astype(np.int64) - levels[None, :, None, :])
    costs = (np.minimum(distances.min(axis=3), 4095) ** 2).sum(axis=2)
    codes = native.choose_codes(groups, levels)
    assert np.array_equal(codes, costs.argmin(axis=1))
    nearest = np.take_along_axis(distances, codes[:, None, None, None].astype(np.int64), axis=1)[:, 0].min(axis=2)
    indexes = native.nearest_levels(groups, levels, codes)
    found = np.abs(levels[codes[:, None], indexes].astype(np.int64) - groups)
    assert np.array_equal(found, nearest)


def test_second_order_makes_the_error_of_the_product_smaller() -> None:
    """Inputs that go together leave room for errors that cancel."""
    draw = np.random.default_rng(8)
    mixed = draw.standard_normal((96, 12)) @ draw.standard_normal((12, 800)) + 0.3 * draw.standard_normal((96, 800))
    inputs = np.clip(np.rint(mixed * 12), -127, 127).T
    gram = damped((inputs.T @ inputs).astype(np.int32))
    steps = four_bits.whole(draw.normal(0, four_bits.ROW_RMS, (48, 96)))
    codes = four_bits.choose_codes(four_bits.grouped(steps.astype(np.int16)))
    plain = four_bits.nearest(four_bits.grouped(steps.astype(np.int16)), codes)
    clever = four_bits.grouped(round_rows(steps, codes, gram))

    def cost(indexes: np.ndarray) -> float:
        levels = four_bits.levels()[codes[:, :, None], indexes].reshape(3, -1, 16, 4).transpose(0, 2, 1, 3)
        errors = levels.reshape(48, 96) - steps
        return float(((errors @ inputs.T) ** 2).sum())

    assert cost(clever) < 0.35 * cost(plain)


def test_rounding_does_not_depend_on_the_order_of_sums() -> None:
    """All sums are exact, so rows give the same in any company: no library, thread count or blocking can matter."""
    draw = np.random.default_rng(9)
    inputs = draw.integers(-127, 128, (500, 40)).astype(np.float64)
    gram = damped((inputs.T @ inputs).astype(np.int32))
    assert gram.max() == 2**26
    steps = four_bits.whole(draw.normal(0, four_bits.ROW_RMS, (64, 40)))
    codes = four_bits.choose_codes(four_bits.grouped(steps.astype(np.int16)))
    whole = round_rows(steps, codes, gram)
    parts = [round_rows(steps[i : i + 16], codes[i // 16 : i // 16 + 1], gram) for i in range(0, 64, 16)]
    assert np.array_equal(whole, np.concatenate(parts))


FROZEN = "c0ec4d9fe61797188f5bc0c707b3a849230c3ec3e809a0968a9f0dde4c7390f5"
