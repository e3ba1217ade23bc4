"""`rail bench`: measurements that say on what they were made and how to repeat them."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.cli.bench_facts import facts_of_run, say_facts
from web.cli.bench_matching import matching
from web.cli.bench_thresholds import thresholds
from web.cli.options import json_option, model_option, option, settings_from
from web.cli.output import CommandError, Exit, emit_json, say, status, verdict_line

if TYPE_CHECKING:
    from web.bench.comparison import Plan
    from web.bench.row import Row

SHAPES = ("15M", "110M", "1.1B")


@click.group()
def bench() -> None:
    """Measure this machine.

    \b
    Examples:
      rail bench engine
      rail bench engine --tokens 200 --json
      rail bench engine --peer --shape 110M
      rail bench matching --data ../shared/data/matching
      rail bench thresholds --data ../shared/data/matching
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
@option("--peer", is_flag=True, help="Compare with llama.cpp, on models of random weights, instead.")
@option(
    "--peer-python",
    metavar="FILE",
    type=click.Path(),
    default=sys.executable,
    help="Python that has llama-cpp-python, and perhaps torch. [default: this one]",
)
@option(
    "--shape",
    "shapes",
    type=click.Choice([*SHAPES, "tiny"]),
    multiple=True,
    default=SHAPES,
    show_default=True,
    help="Shapes of the peer's models; may be given several times.",
)
@option(
    "--rounds",
    type=click.IntRange(1, 99),
    default=3,
    show_default=True,
    help="Turns of each side, at least.",
)
@option(
    "--folder", type=click.Path(file_okay=False), help="Where random models are kept. [default: ~/.cache/rail/bench]"
)
@json_option
def engine(
    tokens: int,
    thread_counts: tuple[int, ...],
    kernels: str | None,
    model: str | None,
    peer: bool,
    peer_python: str,
    shapes: tuple[str, ...],
    rounds: int,
    folder: str | None,
    as_json: bool,
) -> int:
    """Tokens per second: prompt (prefill), generation (decode), and replay of that generation.

    With --peer, side by side with llama.cpp: 512 tokens of prompt, 128 of generation, at 8 bits (Q8_0) and 4 bits
    (Q4_0). All three shapes take ten minutes or more and 4 GB of disk.
    """
    if peer:
        from web.bench.comparison import Plan
        from web.bench.files import default_folder

        plan = Plan(peer_python, Path(folder) if folder else default_folder(), rounds=rounds)
        return _compare(plan, shapes, thread_counts, as_json)
    from inference.engine import Engine
    from inference.modelfile import ModelFile
    from web.bench.speed import REPEATS, ReplayDiffers, measure

    settings = settings_from(model=model, kernels=kernels)
    rows = []
    with ModelFile.open(settings.model) as opened, status() as tell:
        for threads in thread_counts:
            tell(f"measuring with {threads} threads")
            runner = Engine(opened, threads=threads, kernels=settings.kernels, prefix_bytes=0)
            try:
                rows.append(measure(runner, tokens))
            except ReplayDiffers as error:
                raise CommandError("replay_differs", str(error), exit_code=Exit.NO_MATCH) from error
        facts = facts_of_run() | {
            "model": f"{opened.config.name} ({opened.root.hex()[:16]}…, {opened.size_bytes:,} bytes)"
        }
    if as_json:
        emit_json({"verdict": "measured", **facts, "tokens": tokens, "rows": [asdict(row) for row in rows]})
        return Exit.OK
    say_facts(facts)
    say(f"\n  {'kernels':<12}{'threads':>8}{'prefill':>10}{'decode':>10}{'replay':>10}   replay/generate")
    for row in rows:
        numbers = f"{row.threads:>8}{row.prefill:>10,}{row.decode:>10,}{row.replay:>10,}"
        say(f"  {row.kernels:<12}{numbers}   {row.replay_share:.2f}")
    verdict_line("measured", f"tokens per second, {tokens} output tokens, best of {REPEATS}", Exit.OK)
    return Exit.OK


def _compare(plan: "Plan", shapes: tuple[str, ...], thread_counts: tuple[int, ...], as_json: bool) -> int:
    from web.bench.comparison import compare, versions
    from web.bench.shapes import SHAPES as known
    from web.bench.worker import WorkerError

    rows: list[Row] = []
    try:
        with status() as tell:
            tell("looking for llama.cpp")
            facts = facts_of_run() | {"peer": f"llama-cpp-python {versions(plan, known['tiny'])}"}
            if not as_json:
                say_facts(facts)
                say(f"\n  {'shape':<6}{'threads':>8}  {'work':<28}{'ours':>10}{'against':>10}{'ratio':>8}{'wanted':>8}")
            for shape in shapes:
                for threads in thread_counts:
                    for row in compare(known[shape], threads, plan, tell):
                        rows.append(row)
                        if not as_json:
                            _say_row(row)
    except WorkerError as error:
        if error.missing == "llama_cpp":
            hint = "pip install llama-cpp-python, or name a Python that has it with --peer-python"
            raise CommandError("peer_missing", f"{plan.peer_python} has no llama_cpp", hint) from error
        raise CommandError("peer_failed", str(error)) from error
    missed = sum(row.met is False for row in rows)
    if as_json:
        emit_json({"verdict": "measured", **facts, "missed": missed, "rows": [row.facts() for row in rows]})
    else:
        promised = sum(row.met is not None for row in rows)
        about = f"medians of at least {plan.rounds} turns of each side; {missed} of {promised} wanted ratios missed"
        verdict_line("measured", about, Exit.OK)
    return Exit.OK


def _say_row(row: "Row") -> None:
    wanted = "" if row.wanted is None else f"{row.wanted:.4g} {'✓' if row.met else '✗'}"
    numbers = f"{_short(row.ours):>10}{_short(row.against):>10}{row.ratio:>8.2f}{wanted:>8}"
    say(f"  {row.shape:<6}{row.threads:>8}  {row.work:<28}{numbers}  {row.unit}, {row.of}")


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


bench.add_command(matching)
bench.add_command(thresholds)
