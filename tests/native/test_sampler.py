"""The sampler against its definition in Python integers, and its draws against the real-number distribution."""

import math

import numpy as np
import pytest

import native
from inference.fixedpoint import exp2_neg

LOG2E_Q40 = 1586259972792
MICRO = 1_000_000


def philox(seed: int, counter: int) -> int:
    """Philox 4x32-10, written from the paper's definition."""
    mask = 2**32 - 1
    key = [seed & mask, seed >> 32]
    c = [counter & mask, counter >> 32, 0, 0]
    for _ in range(10):
        a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(b >> 32) ^ c[1] ^ key[0], b & mask, (a >> 32) ^ c[3] ^ key[1], a & mask]
        key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
    return c[1] << 32 | c[0]


def oracle(logits: list[int], temperature: int, top_k: int, top_p: int, seed: int, position: int) -> int:
    order = sorted(range(len(logits)), key=lambda i: (-logits[i], i))
    if temperature == 0:
        return order[0]
    rate = (LOG2E_Q40 * MICRO + temperature // 2) // temperature
    exponents = [min((logits[order[0]] - v) * rate >> 40, 31 << 16) for v in logits]
    weights = exp2_neg(np.array(exponents, dtype=np.int64)).tolist()
    kept = [i for i in order if weights[i]]
    kept = kept[:top_k] if top_k else kept
    total, running, nucleus = sum(weights[i] for i in kept), 0, []
    for i in kept:
        nucleus.append(i)
        running += weights[i]
        if running * MICRO >= total * top_p:
            break
    nucleus.sort()
    target = philox(seed, position) * sum(weights[i] for i in nucleus) >> 64
    for i in nucleus:
        if target < weights[i]:
            return i
        target -= weights[i]
    raise AssertionError("unreachable")


def test_philox_known_answers():
    """The published all-zero vector of Random123 for philox4x32-10; other keys against the definition."""
    assert native.random_u64(0, 0) == 0xE169C58D6627E8D5
    for seed, counter in [(0, 0), (2**64 - 1, 2**64 - 1), (0x299F31D0A4093822, 0x85A308D3243F6A88), (7, 1)]:
        assert native.random_u64(seed, counter) == philox(seed, counter)


@pytest.mark.parametrize("temperature", [0, 1, 999, 700_000, MICRO, 3_500_000, 100_000_000])
@pytest.mark.parametrize(
    ("top_k", "top_p"),
    [(0, MICRO), (1, MICRO), (5, MICRO), (0, 1), (0, 900_000), (40, 950_000), (4096, 999_999)],
)
def test_draws_equal_the_definition(temperature, top_k, top_p):
    draw = np.random.default_rng([temperature, top_k, top_p])
    for position in range(12):
        spread = int(draw.choice([1, 3, 2**16, 2**19, 2**31 - 1]))
        logits = draw.integers(-spread, spread + 1, int(draw.choice([1, 2, 9, 500]))).astype(np.int32)
        seed = int(draw.integers(0, 2**63))
        expected = oracle(logits.tolist(), temperature, top_k, top_p, seed, position)
        assert native.sample(logits, temperature, top_k, top_p, seed, position) == expected


def test_ties_go_to_the_lowest_id():
    logits = np.array([3, 9, 9, 9, 1], dtype=np.int32)
    assert native.sample(logits, 0, 0, MICRO, 0, 0) == 1
    assert {native.sample(logits, MICRO, 2, MICRO, seed, 0) for seed in range(200)} == {1, 2}


def test_extreme_logits_do_not_overflow():
    logits = np.array([-(2**31) + 1, 2**31 - 1, -(2**31) + 1], dtype=np.int32)
    for temperature in (1, MICRO, 100_000_000):
        assert native.sample(logits, temperature, 0, 500_000, 3, 3) == 1


def test_frequencies_follow_the_softmax():
    """20,000 draws: every token within five standard deviations of its real probability."""
    logits = np.array([0.0, 0.5, -1.0, 2.0, 1.25, -3.0])
    temperature, draws = 0.8, 20_000
    p = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
    fixed = np.round(logits * 65536).astype(np.int32)
    counts = np.bincount([native.sample(fixed, 800_000, 0, MICRO, 11, i) for i in range(draws)], minlength=6)
    for count, share in zip(counts, p, strict=True):
        assert abs(count - draws * share) < 5 * math.sqrt(draws * share * (1 - share)) + 1
