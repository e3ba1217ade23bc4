"""The sampler's distribution against its definition in real numbers (IEEE double), which shares nothing with it."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import pytest

from native.sampler import Sampler, Sampling

MICRO = 1_000_000
VECTORS = 1_000
DISTANCE_MAX = 1e-3  # total variation


@dataclass(frozen=True, slots=True)
class Case:
    logits: np.ndarray
    sampling: Sampling
    prompt: list[int]
    output: list[int]


def random_case(number: int) -> Case:
    """Vocabularies of 100 to 128,000, spreads of 0.1 to 10 nats with and without a few likely tokens, each parameter
    on in half of the cases or so."""
    draw = np.random.default_rng([number, 2026])
    vocab = int(100 * 1280 ** draw.random())
    logits = draw.normal(0, 10 ** draw.uniform(-1, 1), vocab)
    if draw.random() < 0.5:
        logits[draw.integers(0, vocab, 30)] += draw.exponential(4, 30)
    on = draw.random(6) < 0.5
    biased = np.unique(draw.integers(0, vocab, 20)) if on[5] else []
    sampling = Sampling(
        temperature_micro=int(draw.uniform(0.1, 2) * MICRO),
        top_k=int(draw.choice([1, 5, 40, 1000])) if draw.random() < 0.3 else 0,
        top_p_micro=int(draw.uniform(0.05, 1) * MICRO) if on[0] else MICRO,
        min_p_micro=int(draw.uniform(0, 0.3) * MICRO) if on[1] else 0,
        repetition_micro=int(draw.uniform(0.8, 1.5) * MICRO) if on[2] else MICRO,
        frequency_micro=int(draw.uniform(-2, 2) * MICRO) if on[3] else 0,
        presence_micro=int(draw.uniform(-2, 2) * MICRO) if on[4] else 0,
        seed=number,
        logit_bias=tuple((int(id), int(draw.uniform(-10, 10) * MICRO)) for id in biased),
    )
    prompt, output = (draw.integers(0, min(vocab, 500), 30).tolist() for _ in range(2))
    return Case(np.round(logits * 65536).astype(np.int32), sampling, prompt, output)


def probabilities(case: Case) -> np.ndarray:
    """The definition, in the words of those who use it: logits are real numbers, weights are exp(logit / T)."""
    p = case.sampling
    logits = case.logits / 65536
    for id, bias in p.logit_bias:
        logits[id] += bias / MICRO
    counts = np.bincount(case.output, minlength=len(logits))
    seen = np.union1d(case.prompt, case.output)
    r = p.repetition_micro / MICRO
    logits[seen] = np.where(logits[seen] > 0, logits[seen] / r, logits[seen] * r)
    logits -= p.frequency_micro / MICRO * counts + p.presence_micro / MICRO * (counts > 0)
    order = np.lexsort((np.arange(len(logits)), -logits))
    shares = np.exp((logits[order] - logits.max()) / (p.temperature_micro / MICRO))
    if p.top_k:
        shares[p.top_k :] = 0
    if p.top_p_micro < MICRO:
        sums = np.cumsum(shares)
        shares[1:][sums[:-1] >= sums[-1] * (p.top_p_micro / MICRO)] = 0
    shares[shares < p.min_p_micro / MICRO] = 0
    out = np.zeros(len(logits))
    out[order] = shares / shares.sum()
    return out


def sampler_of(case: Case) -> Sampler:
    sampler = Sampler(case.sampling, len(case.logits))
    sampler.see(case.prompt, output=False)
    sampler.see(case.output, output=True)
    return sampler


def distance(case: Case) -> float:
    weights = sampler_of(case).weights(case.logits)
    return float(np.abs(weights / weights.sum(dtype=np.uint64) - probabilities(case)).sum()) / 2


def test_total_variation_distance_to_the_real_numbers() -> None:
    distances = sorted(distance(random_case(number)) for number in range(VECTORS))
    print(f"\ntotal variation over {VECTORS} vectors: median {distances[VECTORS // 2]:.1e}, "
          f"99 % {distances[VECTORS * 99 // 100]:.1e}, largest {distances[-1]:.1e}")  # fmt: skip
    assert distances[-1] < DISTANCE_MAX


@pytest.mark.parametrize("number", range(12))
def test_draws_follow_the_real_numbers(number: int) -> None:
    """Chi-square of 20,000 draws, the tokens in up to 20 groups of at least 50 expected draws each: within five
    standard deviations of what chance gives."""
    draws = 20_000
    case = random_case(number)
    sampler = sampler_of(case)
    found = np.bincount([sampler.sample(case.logits, i) for i in range(draws)], minlength=len(case.logits))
    expected = probabilities(case) * draws
    assert not found[expected == 0].any()
    groups = np.minimum(np.cumsum(expected) - expected, draws - 1) // (draws / 20)
    pairs = [(found[groups == g].sum(), expected[groups == g].sum()) for g in np.unique(groups)]
    pairs = [(f, e) for f, e in pairs if e >= 50]
    statistic = sum((f - e) ** 2 / e for f, e in pairs)
    freedom = len(pairs)
    assert statistic < freedom + 5 * sqrt(2 * freedom) + 5
