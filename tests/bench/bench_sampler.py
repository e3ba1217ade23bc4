"""Nanoseconds a vocabulary entry of one draw: every kernel set, and a NumPy sampler in floats in the same run.

    .venv/bin/python tests/bench/bench_sampler.py [--vocab N] [--rounds N] [--flat]

Logits are normal with a standard deviation of 2 nats and 50 more likely tokens, much as a language model's; `--flat`
has 1 nat and none of those, which makes top-p keep most of the vocabulary. Medians of alternating runs.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

import native
from native.sampler import Sampler, Sampling
from web.cli.machine import describe_machine

MICRO = 1_000_000
HISTORY = 500  # tokens so far
CASES: dict[str, Sampling] = {
    "greedy": Sampling(),
    "temperature": Sampling(800_000),
    "top-k 40": Sampling(800_000, top_k=40),
    "top-p 0.95": Sampling(800_000, top_p_micro=950_000),
    "min-p 0.05": Sampling(800_000, min_p_micro=50_000),
    "top-k 40, top-p 0.95": Sampling(800_000, 40, 950_000),
    "top-k 1000, top-p 0.95": Sampling(800_000, 1000, 950_000),
    "all, with penalties": Sampling(800_000, 40, 950_000, 50_000, 1_100_000, 200_000, 200_000, 0, ((5, MICRO),)),
}

Draw = Callable[[int], int]


def float_sampler(logits: np.ndarray, sampling: Sampling, seen: np.ndarray, counts: np.ndarray) -> Draw:
    """The same draw with NumPy in float32, as short as its vectors allow; a partition instead of a sort for top-k."""
    rng = np.random.default_rng(1)
    p = sampling

    def draw(_: int) -> int:
        x = logits
        if p.penalises or p.logit_bias:
            x = x.copy()
            for id, bias in p.logit_bias:
                x[id] += bias / MICRO
            r = p.repetition_micro / MICRO
            x[seen] = np.where(x[seen] > 0, x[seen] / r, x[seen] * r)
            x[seen] -= p.frequency_micro / MICRO * counts + p.presence_micro / MICRO
        if p.temperature_micro == 0:
            return int(np.argmax(x))
        ids = None
        if 0 < p.top_k < len(x):
            ids = np.argpartition(x, -p.top_k)[-p.top_k :]
            x = x[ids]
        w = np.exp((x - x.max()) * np.float32(MICRO / p.temperature_micro))
        if p.top_p_micro < MICRO:
            order = np.argsort(-w)
            sums = np.cumsum(w[order])
            keep = order[: np.searchsorted(sums, sums[-1] * (p.top_p_micro / MICRO)) + 1]
            ids, w = keep if ids is None else ids[keep], w[keep]
        if p.min_p_micro:
            keep = np.flatnonzero(w >= p.min_p_micro / MICRO)
            ids, w = keep if ids is None else ids[keep], w[keep]
        sums = np.cumsum(w)
        at = min(int(np.searchsorted(sums, rng.random() * sums[-1])), len(w) - 1)
        return at if ids is None else int(ids[at])

    return draw


def integer_sampler(logits: np.ndarray, sampling: Sampling, history: list[int], kernels: str) -> Draw:
    sampler = Sampler(sampling, len(logits), kernels)
    sampler.see(history, output=True)
    return lambda position: sampler.sample(logits, position)


def measure(draws: dict[str, Draw], rounds: int) -> dict[str, float]:
    """Median seconds of one draw of each, in turns."""
    times: dict[str, list[float]] = {name: [] for name in draws}
    for position in range(rounds):
        for name, draw in draws.items():
            started = time.perf_counter()
            draw(position)
            times[name].append(time.perf_counter() - started)
    return {name: median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vocab", type=int, default=128_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--flat", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    real = rng.normal(0, 1 if options.flat else 2, options.vocab)
    if not options.flat:
        real[rng.integers(0, options.vocab, 50)] += rng.exponential(4, 50) + 4
    fixed, floats = np.round(real * 65536).astype(np.int32), real.astype(np.float32)
    history = rng.integers(0, options.vocab, HISTORY).tolist()
    seen, counts = np.unique(history, return_counts=True)
    machine = describe_machine()
    names = [*native.backends(), "NumPy float32"]
    print(f"machine  {machine.processor}, {machine.cores} cores, {machine.system}")
    print(f"version  Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"command  {' '.join(sys.argv)}")
    print(f"\nns a vocabulary entry, {options.vocab:,} entries, 1 thread, median of {options.rounds}\n")
    print(f"{'':<24}" + "".join(f"{name:>15}" for name in names))
    for case, sampling in CASES.items():
        draws = {kernels: integer_sampler(fixed, sampling, history, kernels) for kernels in native.backends()}
        draws["NumPy float32"] = float_sampler(floats, sampling, seen, counts)
        found = measure(draws, options.rounds)
        print(f"{case:<24}" + "".join(f"{found[name] * 1e9 / options.vocab:>15.2f}" for name in names), flush=True)


if __name__ == "__main__":
    main()
