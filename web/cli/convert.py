"""`rail convert`: a float checkpoint becomes a RAIL model file."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.cli.options import json_option, option
from web.cli.output import Advance, Exit, emit_json, fact, progress_bars, verdict_line

if TYPE_CHECKING:
    from inference.convert.pipeline import Progress


@click.command()
@click.argument("source", metavar="SRC", type=click.Path())
@click.argument("out", metavar="OUT", type=click.Path(dir_okay=False))
@option("--tokenizer", metavar="FILE", type=click.Path(), help="tokenizer.model or tokenizer.bin of a llama2.c file.")
@option("--name", help="Name of the model, for people. [default: from SRC]")
@option("--licence", metavar="SPDX", help="Of the weights, for the model's registration: Apache-2.0, MIT, ...")
@option("--bits", type=click.Choice(["8", "4"]), default="8", show_default=True, help="Stored bits of a weight.")
@option("--head-bits", type=click.Choice(["8", "4"]), help="The same for the output matrix. [default: as --bits]")
@option("--rotate/--no-rotate", default=True, show_default=True, help="Spread outliers of single channels.")
@option(
    "--second-order/--nearest",
    default=True,
    show_default=True,
    help="How 4-bit weights are rounded: so that errors cancel, over text that the model writes itself; or each alone.",
)
@json_option
def convert(
    source: str,
    out: str,
    tokenizer: str | None,
    name: str | None,
    licence: str | None,
    bits: str,
    head_bits: str | None,
    rotate: bool,
    second_order: bool,
    as_json: bool,
) -> int:
    """Convert SRC into the RAIL model file OUT.

    SRC is a Hugging Face folder (config.json, safetensors, tokenizer), a GGUF file, or a llama2.c .bin. The same source
    and options give the same bytes on every machine, so two people can compare model roots.

    \b
    Examples:
      rail convert stories15M.bin stories15M.rail --tokenizer tokenizer.model
      rail convert TinyLlama-1.1B.Q8_0.gguf tinyllama.rail
      rail convert ./Qwen2.5-0.5B-Instruct qwen.rail --bits 4
    """
    from inference.convert.options import ConvertOptions
    from inference.convert.pipeline import convert as run_conversion

    options = ConvertOptions(
        layer_bits=int(bits),
        head_bits=int(head_bits or bits),
        rotate=rotate,
        rotate_ffn=rotate,
        second_order=second_order,
    )
    started = time.monotonic()
    with _bars() as progress:
        root = run_conversion(
            source, out, tokenizer=tokenizer, name=name, licence=licence, options=options, progress=progress
        )
    seconds = time.monotonic() - started
    size = Path(out).stat().st_size
    if as_json:
        facts = {"model_root": root.hex(), "file": out, "bytes": size, "seconds": round(seconds, 3)}
        emit_json({"verdict": "converted", **facts})
    else:
        verdict_line("converted", f"{out}, {size:,} bytes, {seconds:.1f} s", Exit.OK)
        fact("model root", root.hex())
    return Exit.OK


@contextmanager
def _bars() -> Iterator["Progress"]:
    """A bar for each step of a conversion, in weights; a step of unknown length pulses."""
    with progress_bars() as bar:
        shown: dict[str, Advance] = {}

        def progress(step: str, done: int, total: int) -> None:
            if step not in shown:
                shown[step] = bar(step)
            shown[step](done, total)

        yield progress
