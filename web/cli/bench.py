"""`rail bench`: measurements that say on what they were made and how to repeat them."""

import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from web.cli.options import json_option, model_option, option, settings_from
from web.cli.output import CommandError, Exit, emit_json, fact, say, status, verdict_line

if TYPE_CHECKING:
    from inference.engine import Engine
    from inference.sampling import SamplingParams
    from inference.transcript import Transcript

REPEATS = 3
PROMPT = "Once upon a time there was a little girl who wanted to know how everything worked. "


@dataclass(frozen=True, slots=True)
class Speed:
    """One row: tokens per second of each kind of work."""

    kernels: str
    threads: int
    prefill: int
    decode: int
    replay: int
    replay_share: float  # time of the replay over time of the generation it checks


@click.group()
def bench() -> None:
    """Measure this machine.

    \b
    Examples:
      rail bench engine
      rail bench engine --tokens 200 --json
    """


@bench.command()
@option("--tokens", type=click.IntRange(8, 4096), default=160, show_default=True, help="Output tokens of the run.")
@option(
    "--threads",
    "thread_counts",
    type=click.IntRange(1, 1024),
    multiple=True,
    default=(1, 2),
    show_default=True,
    help="Thread counts to measure; may be given several times.",
)
@option("--kernels", metavar="NAME", help="Kernel set. [default: the fastest]")
@model_option
@json_option
def engine(tokens: int, thread_counts: tuple[int, ...], kernels: str | None, model: str | None, as_json: bool) -> int:
    """Tokens per second: prompt (prefill), generation (decode), and replay of that generation."""
    from inference.engine import Engine
    from inference.modelfile import ModelFile
    from web.cli.machine import describe_machine
    from web.version import version

    settings = settings_from(model=model, kernels=kernels)
    rows = []
    with ModelFile.open(settings.model) as opened, status() as tell:
        for threads in thread_counts:
            tell(f"measuring with {threads} threads")
            rows.append(_measure(Engine(opened, threads=threads, kernels=settings.kernels), tokens))
        facts = {
            "model": f"{opened.config.name} ({opened.root.hex()[:16]}…, {opened.size_bytes:,} bytes)",
            "machine": asdict(describe_machine()),
            "version": version(),
            "command": shlex.join(["rail", *sys.argv[1:]]),
        }
    if as_json:
        emit_json({"verdict": "measured", **facts, "tokens": tokens, "rows": [asdict(row) for row in rows]})
        return Exit.OK
    machine = describe_machine()
    fact("machine", f"{machine.processor}, {machine.cores} cores, {machine.system}")
    fact("version", f"rail {version()}")
    fact("model", facts["model"])
    fact("command", facts["command"])
    say(f"\n  {'kernels':<12}{'threads':>8}{'prefill':>10}{'decode':>10}{'replay':>10}   replay/generate")
    for row in rows:
        numbers = f"{row.threads:>8}{row.prefill:>10,}{row.decode:>10,}{row.replay:>10,}"
        say(f"  {row.kernels:<12}{numbers}   {row.replay_share:.2f}")
    verdict_line("measured", f"tokens per second, {tokens} output tokens, best of {REPEATS}", Exit.OK)
    return Exit.OK


def _measure(engine: "Engine", tokens: int) -> Speed:
    """Best of REPEATS of each: a generation of `tokens` tokens (fewer if the model ends), its prefill, its replay."""
    from inference.sampling import SamplingParams

    context = engine.model.config.context_tokens
    prompt = engine.encode_prompt(PROMPT)[: context // 4]
    params = SamplingParams(temperature_micro=1_000_000, seed=1, max_tokens=min(tokens, context - len(prompt)))
    transcript = _generate(engine, prompt, params)
    sequence = [*prompt, *transcript.output_ids][:-1]
    one = SamplingParams(max_tokens=1)
    if engine.replay(transcript).verdict != "match":
        raise CommandError("replay_differs", "the replay of a run gave other bits", exit_code=Exit.NO_MATCH)
    generation = _best(lambda: _generate(engine, prompt, params))
    prefill = _best(lambda: _generate(engine, sequence, one))
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


def _best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of REPEATS runs: the one that others disturbed least."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def _generate(engine: "Engine", prompt: list[int], params: "SamplingParams") -> "Transcript":
    stream = engine.generate(prompt, params)
    while True:
        try:
            next(stream)
        except StopIteration as end:
            transcript: Transcript = end.value
            return transcript
