"""Matrix products of every kernel set against exact ones: all shapes of tiles and tails, all kinds of extremes."""

import numpy as np
import pytest

import native
from inference.matrices import blocked, halved, looked_up, rows_of
from tests.native.kernel_set import KernelSet

# Around the steps of 4, 16, 64 and 1,024 columns that the sets have, and three sizes of real models.
DEPTHS = [4, 8, 12, 16, 60, 64, 68, 128, 172, 288, 352, 1020, 1024, 1028, 1100, 2116]
TOKENS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 16, 17, 18, 31, 32, 33, 48, 50, 64, 65]
BLOCKS = [1, 2, 3, 4, 5, 6, 7, 9]
# Every size of each with changing sizes of the others; the steps have no divisor in common with the lengths.
SHAPES = sorted(
    {(DEPTHS[i % 16], TOKENS[i % 22], BLOCKS[i % 8]) for i in range(22)}
    | {(DEPTHS[5 * i % 16], TOKENS[(7 * i + 3) % 22], BLOCKS[(3 * i + 1) % 8]) for i in range(44)}
    | {(depth, tokens, 1 + tokens % 3) for depth in (64, 172, 1100) for tokens in TOKENS}
)
KINDS = ["random", "extreme", "signs", "alternating"]


@pytest.fixture(params=native.backends())
def kernels(request) -> KernelSet:
    return KernelSet(request.param)


def int8s(draw: np.random.Generator, kind: str, *shape: int) -> np.ndarray:
    """Numbers in [-127, 127]: random, all at one extreme, a random mix of the two, or the two by turns."""
    if kind == "random":
        return draw.integers(-127, 128, shape, dtype=np.int8)
    if kind == "extreme":
        return np.full(shape, draw.choice([-127, 127]), dtype=np.int8)
    if kind == "signs":
        return draw.choice(np.array([-127, 127], dtype=np.int8), shape)
    return np.broadcast_to(np.resize(np.array([127, -127], np.int8), shape[-1]), shape).copy()


def exact(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Products in double precision, which are exact: every sum is an integer below 2^53."""
    product = x.astype(np.float64) @ w.T.astype(np.float64)
    assert np.abs(product).max() < 2**31
    return product.astype(np.int32)


@pytest.mark.parametrize("kind", KINDS)
def test_gemm(kernels, kind):
    for depth, tokens, blocks in SHAPES:
        draw = np.random.default_rng([depth, tokens, blocks])
        w, x = int8s(draw, kind, 16 * blocks, depth), int8s(draw, kind, tokens, depth)
        stored = blocked(w, depth).reshape(blocks, 16 * depth)
        assert np.array_equal(kernels.gemm(stored, depth, x), exact(x, w)), (depth, tokens, blocks)


@pytest.mark.parametrize("kind", ["extreme", "alternating"])
@pytest.mark.parametrize("tokens", [1, 7, 33])
def test_gemm_of_the_deepest_matrix_fits_its_sums(kernels, kind, tokens):
    draw = np.random.default_rng(tokens)
    w, x = int8s(draw, kind, 32, 65536), int8s(draw, kind, tokens, 65536)
    assert np.array_equal(kernels.gemm(blocked(w, 65536).reshape(2, -1), 65536, x), exact(x, w))


@pytest.mark.parametrize("tokens", [1, 2, 6, 19, 40])
def test_gemm_of_part_of_wider_blocks(kernels, tokens):
    """The cache of values: blocks go on past the depth, and bytes that meet a zero may be any, 0 too."""
    draw = np.random.default_rng(tokens)
    w, x = int8s(draw, "random", 48, 320), int8s(draw, "random", tokens, 320)
    x[:, 150:] = 0
    stored = blocked(w, 320).reshape(3, -1)
    stored[:, 160 * 16 :] = draw.choice(np.array([0, 255], np.uint8), stored[:, 160 * 16 :].shape)
    for depth in (192, 256):
        assert np.array_equal(kernels.gemm(stored, depth, x[:, :depth]), exact(x[:, :150], w[:, :150]))


def packed4(draw: np.random.Generator, kind: str, blocks: int, depth: int) -> tuple[np.ndarray, ...]:
    """Halves, codes and codebooks."""
    indexes = draw.integers(0, 16, (blocks, depth // 4, 16, 4), dtype=np.uint8)
    codes = draw.integers(0, 256, (blocks, depth // 4), dtype=np.uint8)
    books = int8s(draw, kind, 256, 16).astype(np.int16) + 128
    return halved(indexes), codes, books.astype(np.uint8)


@pytest.mark.parametrize("depth", [8, 16, 24, 64, 176, 288, 352, 2048])
def test_unpack(kernels, depth):
    packed = packed4(np.random.default_rng(depth), "random", 1, depth)
    assert np.array_equal(kernels.unpack(packed), looked_up(*packed).reshape(-1))


def test_every_code_and_index_is_looked_up(kernels):
    books = np.random.default_rng(1).permutation(np.arange(4096) % 255 + 1).astype(np.uint8).reshape(256, 16)
    halves = np.arange(1024 * 64).astype(np.uint8).reshape(1, 1024, 64)  # four steps hold every byte
    code = np.arange(1024) // 4
    codes = np.stack([code, 255 - code], axis=1).astype(np.uint8).reshape(1, 2048)
    assert np.array_equal(kernels.unpack((halves, codes, books)), looked_up(halves, codes, books).reshape(-1))


@pytest.mark.parametrize("kind", KINDS)
def test_gemm4(kernels, kind):
    if not kernels.has_gemm4:
        pytest.skip("this set unpacks blocks first")
    for depth in (8, 24, 64, 176, 288, 352, 1032):
        for tokens, blocks in (
            (1, 1),
            (1, 4),
            (2, 3),
            (3, 2),
            (4, 4),
            (5, 1),
            (7, 2),
            (8, 3),
            (9, 1),
            (15, 2),
            (17, 1),
        ):
            draw = np.random.default_rng([depth, tokens, blocks])
            packed, x = packed4(draw, kind, blocks, depth), int8s(draw, kind, tokens, depth)
            w = rows_of(looked_up(*packed), 16 * blocks, depth)
            assert np.array_equal(kernels.gemm4(packed, x), exact(x, w)), (depth, tokens, blocks)
