"""Tokens a second of an engine alone."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inference.drain import drain
from inference.engine import Engine
from inference.sampling import SamplingParams
from inference.transcript import Transcript

REPEATS = 3
PROMPT = "Once upon a time there was a little girl who wanted to know how everything worked. "


class ReplayDiffers(Exception):
    """A run that was just made does not replay."""


@dataclass(frozen=True, slots=True)
class Speed:
    """One row: tokens per second of each kind of work."""

    kernels: str
    threads: int
    prefill: int
    decode: int
    replay: int
    replay_share: float  # time of the replay over time of the generation it checks


def measure(engine: Engine, tokens: int) -> Speed:
    """Best of REPEATS of each: a generation of `tokens` tokens (fewer if the model ends), its prefill, its replay."""
    context = engine.model.config.context_tokens
    prompt = engine.encode_prompt(PROMPT)[: context // 4]
    params = SamplingParams(temperature_micro=1_000_000, seed=1, max_tokens=min(tokens, context - len(prompt)))
    transcript = generated(engine, prompt, params)
    sequence = [*prompt, *transcript.output_ids][:-1]
    one = SamplingParams(max_tokens=1)
    if engine.replay(transcript).verdict != "match":
        raise ReplayDiffers("the replay of a run gave other bits")
    generation = _best(lambda: generated(engine, prompt, params))
    prefill = _best(lambda: generated(engine, sequence, one))
    replay = _best(lambda: engine.replay(transcript))
    made = len(transcript.output_ids)
    return Speed(
        kernels=engine.kernels,
        threads=engine.threads,
        prefill=round(len(sequence) / prefill),
        decode=round(made / generation),
        replay=round(made / replay),
        replay_share=round(replay / generation, 3),
    )


def generated(engine: Engine, prompt: Sequence[int], params: SamplingParams) -> Transcript:
    """The whole of a run."""
    return drain(engine.generate(prompt, params))


def _best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of REPEATS runs: the one that others disturbed least."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
