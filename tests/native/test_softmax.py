"""The kernels of attention's softmax, of every set, against Python's integers (SPEC.md section 5, step 2.4)."""

import numpy as np
import pytest

import native
from inference import fixedpoint
from inference.fixedpoint import requantise_shift, round_shift, saturate
from tests.native.kernel_set import KernelSet

COUNTS = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 300, 511, 513, 1023, 1025, 1100]
SCORE_LIMIT = 2**30 - 1
NO_VALUE = 64  # exponent of a value that is all zero
QUERIES = [(0, 0), (16384, 30), (32767, 47), (32767, -40), (20000, 100), (32767, 31), (17000, 16)]


@pytest.fixture(params=native.backends())
def kernels(request) -> KernelSet:
    return KernelSet(request.param)


def positions_of(draw: np.random.Generator, count: int, exponents: tuple[int, int]) -> np.ndarray:
    """Scales of keys and values; some keys and values are all zero."""
    mantissas = draw.choice(np.array([0, 16384, 32767, *draw.integers(16384, 32768, 5)]), (2, count))
    keys, values = draw.integers(*exponents, count), draw.integers(*exponents, count)
    values[mantissas[1] == 0] = NO_VALUE
    return np.stack([mantissas[0], keys, mantissas[1], values]).astype(np.int16)


def scaled(scores: np.ndarray, query: tuple[int, int], positions: np.ndarray) -> list[int]:
    found = []
    for score, mantissa, exponent in zip(scores.tolist(), *positions[:2].tolist(), strict=True):
        shift = requantise_shift(query[1] + exponent - 16)
        value = (score * query[0] * mantissa + (1 << (shift - 1))) >> shift
        found.append(min(max(value, -SCORE_LIMIT), SCORE_LIMIT))
    return found


@pytest.mark.parametrize("query", QUERIES)
def test_scale_scores(kernels, query):
    for count in COUNTS:
        draw = np.random.default_rng(count)
        scores, positions = (
            draw.integers(1 - 2**23, 2**23, count).astype(np.int32),
            positions_of(draw, count, (-20, 60)),
        )
        scores[draw.integers(0, count, 2)] = [1 - 2**23, 2**23 - 1]
        out, found = kernels.scale_scores(scores, query, positions)
        expected = scaled(scores, query, positions)
        assert out.tolist() == expected
        tops = [score - (exponent << 16) for score, exponent in zip(expected, positions[3].tolist(), strict=True)]
        assert (found.max, found.top, found.total) == (max(expected), max(tops), 0)


def check_weights(kernels: KernelSet, scores: np.ndarray, positions: np.ndarray, found: object, before: int) -> int:
    """The digits of the weights and all sums, from `max` and `top` of all positions; returns the total."""
    top, peak = found.max, -((found.max - found.top) >> 16)
    high, low = kernels.weigh(scores, positions, found)
    below = top - scores.astype(np.int64)
    whole, share = below >> 16, fixedpoint.exp2_fraction((below & 65535) >> 1)
    shift = np.minimum(peak + positions[3] + whole + 1, 40)
    weights = fixedpoint.multiply_q15(share, positions[2].astype(np.int64)) + (1 << (shift - 1)) >> shift
    assert shift.min() >= 1 and weights.max() < 2**14
    assert np.array_equal(high.astype(np.int64) * 128 + low, weights)
    assert low.min() >= 0
    assert (found.high, found.low) == (high.sum(dtype=np.int64), low.sum(dtype=np.int64))
    total = before + int((share << 9 >> np.minimum(whole, 25)).sum())
    assert found.total == total
    return total


@pytest.mark.parametrize("bits", [1, 8, 16, 20, 22, 30])
@pytest.mark.parametrize("exponents", [(20, 21), (6, 38), (30, 34)])
def test_weigh_in_one_or_two_calls(kernels, bits, exponents):
    for count in COUNTS:
        draw = np.random.default_rng([count, bits])
        scores, positions = (
            draw.integers(1 - 2**bits, 2**bits, count).astype(np.int32),
            positions_of(draw, count, exponents),
        )
        scores, found = kernels.scale_scores(scores, (16384, 16 + 28 - 14), positions)
        total = 0
        for part in (slice(0, count // 3), slice(count // 3, count)):
            if scores[part].size:
                own = np.ascontiguousarray(positions[:, part])
                total = check_weights(kernels, scores[part].copy(), own, found, total)


def plain_positions(count: int, mantissa: int = 32767) -> np.ndarray:
    return np.repeat(np.array([[16384], [0], [mantissa], [20]], np.int16), count, axis=1)


def found_of(kernels: KernelSet, score: int, positions: np.ndarray) -> object:
    """What scale_scores says when this is the largest score; 2^14 * 2^14 by shift 28 keeps a score as it is."""
    scores, found = kernels.scale_scores(
        np.full(1, score, np.int32), (16384, 44), np.ascontiguousarray(positions[:, :1])
    )
    assert scores.tolist() == [score]
    return found


def test_shares_of_every_distance_below_five(kernels):
    """Every one of the 2^15 fractions that a share knows, one by one as a weight and sixteen together as a total."""
    positions = plain_positions(1 << 15)
    for whole in range(5):
        scores = (-(whole << 16) - 2 * np.arange(1 << 15)).astype(np.int32)
        check_weights(kernels, scores, positions, found_of(kernels, 0, positions), 0)
    for begin in range(0, 1 << 15, 16):
        scores = (-2 * np.arange(begin, begin + 16) - 1).astype(np.int32)
        check_weights(kernels, scores, positions[:, :16].copy(), found_of(kernels, 0, positions), 0)


def test_as_many_positions_as_one_call_may_have(kernels):
    """All of them the best: the largest sums that can come up."""
    positions = plain_positions(65536)
    assert check_weights(kernels, np.full(65536, 77, np.int32), positions, found_of(kernels, 77, positions), 0) > 2**39


def test_scores_at_both_ends(kernels):
    positions = plain_positions(40)
    scores = np.resize(np.array([SCORE_LIMIT, -SCORE_LIMIT], np.int32), 40)
    found = found_of(kernels, 0, positions)
    found.max, found.top = SCORE_LIMIT, SCORE_LIMIT - (20 << 16)
    check_weights(kernels, scores, positions, found, 0)


def test_values_that_are_all_zero(kernels):
    positions = np.repeat(np.array([[16384], [0], [0], [NO_VALUE]], np.int16), 21, axis=1)
    found = found_of(kernels, 5, positions)
    check_weights(kernels, np.arange(-15, 6, dtype=np.int32), positions, found, 0)
    assert (found.high, found.low) == (0, 0)


def test_combine(kernels):
    for count in COUNTS[:16]:
        draw = np.random.default_rng(count)
        sums = draw.integers(1 - 2**41, 2**41, count)
        sums[draw.integers(0, count, 2)] = [1 - 2**41, 2**41 - 1]
        for mantissa in (0, 16384, 32767):
            for exponent in (-80, 0, 1, 2, 24, 25, 31, 32, 47, 61, 62, 63, 200):
                expected = saturate(round_shift(sums * mantissa, requantise_shift(exponent)))
                assert np.array_equal(kernels.combine(sums, mantissa, exponent), expected), (mantissa, exponent)
