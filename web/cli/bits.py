"""The same run under every kernel set and several thread counts: tokens and logits must be the same bits."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import native
from inference.engine import Engine
from inference.modelfile import ModelFile
from inference.sampling import SamplingParams

PROMPT = "Once upon a time there was a small machine that always gave the same answer."
TOKENS = 48
THREADS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class BitsRun:
    """One way to run the model, and the digest of everything that came out."""

    name: str
    digest: str  # hex SHA-256 over sampled ids, output bytes and all logits


def compare_bits(path: Path, advance: Callable[[int, int], None]) -> list[BitsRun]:
    """One run for each kernel set with each thread count; equal digests mean equal bits."""
    ways = [(kernels, threads) for kernels in native.backends() for threads in THREADS]
    runs = []
    with ModelFile.open(path) as model:
        for done, (kernels, threads) in enumerate(ways, 1):
            runs.append(BitsRun(f"{kernels}/{threads}", _digest(Engine(model, threads=threads, kernels=kernels))))
            advance(done, len(ways))
    return runs


def _digest(engine: Engine) -> str:
    context = engine.model.config.context_tokens
    prompt = engine.encode_prompt(PROMPT)[: context // 2]
    params = SamplingParams(
        temperature_micro=800_000,
        top_k=200,
        top_p_micro=950_000,
        min_p_micro=1_000,
        repetition_micro=1_100_000,
        frequency_micro=100_000,
        presence_micro=100_000,
        seed=7,
        max_tokens=min(TOKENS, context // 2),
    )
    stream = engine.generate(prompt, params)
    while True:
        try:
            next(stream)
        except StopIteration as end:
            transcript = end.value
            break
    whole = sha256(repr(transcript.output_ids).encode() + transcript.output_bytes)
    whole.update(engine.logits((*prompt, *transcript.output_ids)).tobytes())
    return whole.hexdigest()
