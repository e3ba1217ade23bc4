"""Every kernel that is no product, of every set, against inference/fixedpoint.py: equality, at extremes and at every
vector width +-1. Functions of one number are tried over all of its values."""

import os
from pathlib import Path

import numpy as np
import pytest

import native
from inference import fixedpoint
from inference.fixedpoint import round_shift, saturate
from tests.native.kernel_set import KernelSet

BACKENDS = native.backends()
COUNTS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 63, 64, 65, 172, 288, 300, 352]
INT32_LIMIT = 2**31 - 1


@pytest.fixture(params=BACKENDS)
def kernels(request) -> KernelSet:
    return KernelSet(request.param)


def q16s(draw: np.random.Generator, count: int, bits: int) -> np.ndarray:
    """Numbers below 2^bits, some of them at its ends."""
    x = draw.integers(-(2**bits) + 1, 2**bits, count).astype(np.int32)
    ends = draw.random(count) < 0.1
    x[ends] = draw.choice(np.array([1 - 2**bits, -1, 0, 1, 2**bits - 1]), ends.sum())
    return x


def inputs(bits: int = 31):
    """Vectors of every length; at the end the two extremes alone, and by turns."""
    for count in COUNTS:
        draw = np.random.default_rng([count, bits])
        yield q16s(draw, count, bits), draw
    for pattern in ([2**bits - 1], [1 - 2**bits], [2**bits - 1, 1 - 2**bits]):
        yield np.resize(np.array(pattern, np.int32), 37), np.random.default_rng(bits)


def test_requantise(kernels):
    for acc, draw in inputs(30):
        ends = np.array([0, 1, 32768, 65535, *draw.integers(0, 65536, 8)], dtype=np.uint16)
        scales = draw.choice(ends, len(acc))
        for mantissa in (0, 16384, 32767, int(draw.integers(16384, 32768))):
            for shift in (1, 2, 15, 29, 30, 31, 32, 33, 47, 61, 62):
                product = acc.astype(np.int64) * (scales.astype(np.int64) * mantissa)
                expected = saturate(round_shift(product, shift))
                assert np.array_equal(kernels.requantise(acc, scales, mantissa, shift), expected), (mantissa, shift)


@pytest.mark.parametrize("bits", [1, 2, 8, 16, 23, 24, 25, 30, 31])
def test_max_abs_and_quantise(kernels, bits):
    for x, _ in inputs(bits):
        expected, maximum = fixedpoint.quantise(x.astype(np.int64))
        assert kernels.max_abs(x) == maximum
        if maximum == 0:
            continue
        shift = 23 + maximum.bit_length()
        values, total = kernels.quantise(x, (127 << shift) // maximum, shift)
        assert np.array_equal(values, expected)
        assert total == expected.sum()
        assert np.abs(expected).max() == 127


def test_sum_squares(kernels):
    for drop in range(8):
        for x, _ in inputs(24 + drop):
            assert kernels.sum_squares(x, drop) == sum(v * v for v in round_shift(x.astype(np.int64), drop).tolist())
        longest = np.resize(np.array([2 ** (24 + drop) - 1, 1 - 2 ** (24 + drop)], np.int32), 2**15)
        expected = sum(v * v for v in round_shift(longest.astype(np.int64), drop).tolist())
        assert kernels.sum_squares(longest, drop) == expected


def test_add_saturates_at_both_ends(kernels):
    for x, draw in inputs():
        for y in (q16s(draw, len(x), 31), x, -x, np.full_like(x, INT32_LIMIT), np.full_like(x, -INT32_LIMIT)):
            assert np.array_equal(kernels.add(x, y), saturate(x.astype(np.int64) + y))


def test_rotate(kernels):
    for bits in (10, 31):
        for x, draw in inputs(bits):
            pairs = len(x) // 2
            if not pairs:
                continue
            turns = [0, 1 << 62, 1 << 61, 3 << 61, *draw.integers(0, 2**63, pairs).tolist()][:pairs]
            turn = np.array([[fixedpoint.cosine(t), fixedpoint.sine(t)] for t in turns], np.int64)
            (a, b), (c, s) = x[: 2 * pairs].astype(np.int64).reshape(-1, 2).T, turn.T
            expected = saturate(round_shift(np.stack([a * c - b * s, a * s + b * c], axis=1).reshape(-1), 30))
            assert np.array_equal(kernels.rotate(x[: 2 * pairs], turn.reshape(-1).astype(np.int32)), expected)


def gated(gate: np.ndarray, up: np.ndarray) -> np.ndarray:
    g = gate.astype(np.int64)
    return saturate(round_shift(round_shift(g * fixedpoint.sigmoid(g), 15) * up, 16))


@pytest.mark.parametrize("bits", [4, 15, 17, 20, 21, 31])
def test_silu_mul(kernels, bits):
    for gate, draw in inputs(bits):
        for up in (q16s(draw, len(gate), 31), np.full_like(gate, -INT32_LIMIT)):
            assert np.array_equal(kernels.silu_mul(gate, up), gated(gate, up))


def test_silu_of_every_gate_up_to_its_end(kernels):
    """From -18 to 18 in steps of 2^-16: past 16 the sigmoid does not change any more."""
    for begin in range(-18 << 16, 18 << 16, 1 << 17):
        gate = np.arange(begin, begin + (1 << 17), dtype=np.int32)
        up = np.full_like(gate, 1 << 16)
        assert np.array_equal(kernels.silu_mul(gate, up), gated(gate, up))


def hadamard(x: np.ndarray, log2: int) -> np.ndarray:
    """In double precision, which is exact: sums are below 2^31."""
    i = np.arange(1 << log2)
    signs = 1.0 - 2 * (np.bitwise_count(i[:, None] & i) & 1)
    return (x.reshape(-1, 1 << log2) @ signs).reshape(-1).astype(np.int64)


@pytest.mark.parametrize("log2", range(11))
def test_hadamard(kernels, log2):
    limit = 2 ** (30 - log2)
    for blocks in (1, 2, 3, 5, 11):
        draw = np.random.default_rng([log2, blocks])
        count = blocks << log2
        for x in (draw.integers(-limit, limit + 1, count), draw.choice([-limit, limit], count), np.full(count, limit)):
            assert np.array_equal(kernels.hadamard(x.astype(np.int32), log2), hadamard(x, log2))


def test_the_sets_of_this_processor_in_order():
    assert BACKENDS[0] == "portable"
    order = ["portable", "avx2", "avx512", "avx512vnni", "amx", "neon"]
    assert list(BACKENDS) == [name for name in order if name in BACKENDS]


@pytest.mark.parametrize("name", ["sse9", "PORTABLE", "avx2 "])
def test_unknown_kernel_set_is_refused(name):
    with pytest.raises(native.KernelError, match="unknown"):
        native.kernels_index(name)


def test_kernel_set_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("RAIL_KERNELS", "portable")
    assert native.kernels_index() == 0
    monkeypatch.setenv("RAIL_KERNELS", "nonsense")
    with pytest.raises(native.KernelError):
        native.kernels_index()


def test_the_build_under_test_is_the_one_asked_for():
    """test_variants.py runs this file over other builds of native/."""
    folder = os.environ.get("RAIL_TEST_VARIANT", str(Path(__file__).resolve().parents[2]))
    assert Path(native.__file__).is_relative_to(folder)
    assert os.environ.get("RAIL_TEST_EXPECT", "portable") in BACKENDS
