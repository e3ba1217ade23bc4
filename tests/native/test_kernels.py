"""Every kernel of every set against plain Python integers: equality, at extremes and at every vector width +-1."""

import os
from pathlib import Path

import numpy as np
import pytest

import native
from inference import fixedpoint
from native import ffi, lib

BACKENDS = native.backends()
COUNTS = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 300]
INT32_LIMIT = 2**31 - 1


def pointer(array: np.ndarray) -> object:
    return ffi.cast(f"{array.dtype.name}_t *", array.ctypes.data)


@pytest.fixture(params=BACKENDS)
def backend(request) -> int:
    return native.kernels_index(request.param)


def int8s(draw: np.random.Generator, kind: str, *shape: int) -> np.ndarray:
    """Bytes in [-127, 127]: random, all at one extreme, or a random mix of the two extremes."""
    if kind == "random":
        return draw.integers(-127, 128, shape, dtype=np.int8)
    if kind == "extreme":
        return np.full(shape, 127, dtype=np.int8)
    return draw.choice(np.array([-127, 127], dtype=np.int8), shape)


@pytest.mark.parametrize("kind", ["random", "extreme", "signs"])
@pytest.mark.parametrize("stride", [64, 192, 1024, 65536])
@pytest.mark.parametrize(("rows", "tokens"), [(1, 1), (3, 2), (4, 1), (5, 3), (8, 4), (13, 7)])
def test_gemm(backend, rows, tokens, stride, kind):
    draw = np.random.default_rng([rows, tokens, stride])
    w, x = int8s(draw, kind, rows, stride), int8s(draw, kind, tokens, stride)
    out = np.zeros((tokens, rows), dtype=np.int32)
    sums = w.sum(axis=1, dtype=np.int32)
    lib.rail_kernel_gemm(backend, pointer(w), pointer(sums), pointer(x), rows, tokens, stride, pointer(out))
    assert np.array_equal(out, x.astype(np.int64) @ w.T.astype(np.int64))


@pytest.mark.parametrize("count", COUNTS)
def test_requantise(backend, count):
    draw = np.random.default_rng(count)
    acc = draw.integers(-INT32_LIMIT, INT32_LIMIT + 1, count).astype(np.int32)
    acc[draw.integers(0, count)] = draw.choice([-INT32_LIMIT, INT32_LIMIT, 0])
    scales = draw.choice(np.array([0, 1, 32768, 65535, *draw.integers(0, 65536, 8)], dtype=np.uint16), count)
    for mantissa in (0, 16384, 32767, int(draw.integers(16384, 32768))):
        for shift in (1, 2, 15, 31, 32, 33, 47, 61, 62):
            out = np.zeros(count, dtype=np.int32)
            lib.rail_kernel_requantise(backend, pointer(acc), pointer(scales), mantissa, shift, count, pointer(out))
            product = acc.astype(np.int64) * (scales.astype(np.int64) * mantissa)
            expected = fixedpoint.saturate(fixedpoint.round_shift(product, shift))
            assert np.array_equal(out, expected), (mantissa, shift)


def q16s(draw: np.random.Generator, count: int, bits: int) -> np.ndarray:
    x = draw.integers(-(2**bits) + 1, 2**bits, count).astype(np.int32)
    x[draw.integers(0, count)] = draw.choice([-1, 1]) * (2**bits - 1)
    return x


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("bits", [1, 2, 8, 16, 23, 30, 31])
def test_max_abs_and_quantise(backend, count, bits):
    x = q16s(np.random.default_rng([count, bits]), count, bits)
    expected, maximum = fixedpoint.quantise(x.astype(np.int64))
    assert lib.rail_kernel_max_abs(backend, pointer(x), count) == maximum
    out = np.zeros(count, dtype=np.int8)
    shift = 23 + maximum.bit_length()
    lib.rail_kernel_quantise(backend, pointer(x), count, (127 << shift) // maximum, shift, pointer(out))
    assert np.array_equal(out, expected)
    assert np.abs(expected).max() == 127


@pytest.mark.parametrize("kind", ["random", "extreme", "signs"])
@pytest.mark.parametrize("stride", [32, 64, 96, 256])
@pytest.mark.parametrize("positions", [1, 2, 3, 4, 5, 100])
def test_dots(backend, positions, stride, kind):
    draw = np.random.default_rng([positions, stride])
    q, k = int8s(draw, kind, stride), int8s(draw, kind, positions, stride)
    out = np.zeros(positions, dtype=np.int32)
    lib.rail_kernel_dots(backend, pointer(q), pointer(k), positions, stride, pointer(out))
    assert np.array_equal(out, k.astype(np.int64) @ q.astype(np.int64))


@pytest.mark.parametrize("kind", ["random", "extreme", "signs"])
@pytest.mark.parametrize("stride", [32, 64, 160, 256])
@pytest.mark.parametrize("positions", [1, 2, 3, 511, 512, 513, 2000])
def test_weighted_sum_is_exact_past_its_block(backend, positions, stride, kind):
    draw = np.random.default_rng([positions, stride])
    v = int8s(draw, kind, positions, stride)
    weights = np.full(positions, 32767, np.int16) if kind != "random" else draw.integers(0, 32768, positions, np.int16)
    out = np.zeros(stride, dtype=np.int64)
    lib.rail_kernel_weighted_sum(backend, pointer(weights), pointer(v), positions, stride, pointer(out))
    assert np.array_equal(out, weights.astype(np.int64) @ v.astype(np.int64))


@pytest.mark.parametrize("count", COUNTS)
def test_scale_scores(backend, count):
    draw = np.random.default_rng(count)
    scores = draw.integers(-(2**22), 2**22 + 1, count).astype(np.int32)
    keys = np.stack([draw.choice([0, 16384, 32767], count), draw.integers(-20, 60, count)], axis=1).astype(np.int32)
    for mantissa, exponent in ((0, 0), (16384, 30), (32767, 47), (32767, -40), (20000, 100)):
        out = scores.copy()
        found = lib.rail_kernel_scale_scores(backend, pointer(out), pointer(keys), mantissa, exponent, count)
        expected = [
            int(
                fixedpoint.saturate(
                    fixedpoint.round_shift(np.array(s * (mantissa * m)), min(max(exponent + e - 16, 1), 62))
                )
            )
            for s, (m, e) in zip(scores.tolist(), keys.tolist(), strict=True)
        ]
        assert out.tolist() == expected, (mantissa, exponent)
        assert found == max(expected)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("bits", [1, 8, 16, 20, 22, 31])
def test_exp_shares_and_round_weights(backend, count, bits):
    draw = np.random.default_rng([count, bits])
    scores, value_max = q16s(draw, count, bits), np.abs(q16s(draw, count, 31))
    shares, total, peak = scores.copy(), np.zeros(1, np.uint64), np.zeros(1, np.uint64)
    top = int(scores.max())
    lib.rail_kernel_exp_shares(backend, pointer(shares), top, pointer(value_max), count, pointer(total), pointer(peak))
    assert np.array_equal(shares, fixedpoint.exp2_neg(top - scores.astype(np.int64)))
    products = shares.astype(np.int64) * value_max
    assert (int(total[0]), int(peak[0])) == (int(shares.sum(dtype=np.int64)), int(products.max()))
    drop = max(0, int(products.max()).bit_length() - 15)
    weights = np.zeros(count, dtype=np.int16)
    lib.rail_kernel_round_weights(backend, pointer(shares), pointer(value_max), count, drop, pointer(weights))
    assert np.array_equal(weights, np.minimum(fixedpoint.round_shift(products, drop), 32767))


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("bits", [4, 17, 20, 21, 31])
def test_silu_mul(backend, count, bits):
    draw = np.random.default_rng([count, bits])
    gate, up = q16s(draw, count, bits), q16s(draw, count, 31)
    out = np.zeros(count, dtype=np.int32)
    lib.rail_kernel_silu_mul(backend, pointer(gate), pointer(up), count, pointer(out))
    g = gate.astype(np.int64)
    silu = fixedpoint.round_shift(g * fixedpoint.sigmoid(g), 30)
    assert np.array_equal(out, fixedpoint.saturate(fixedpoint.round_shift(silu * up, 16)))


def test_every_x86_set_is_known_by_name():
    assert BACKENDS[0] == "portable"
    assert set(BACKENDS) <= {"portable", "avx2", "avx512vnni"}


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
