"""`rail convert`: a float checkpoint becomes a RAIL model file."""

import time
from pathlib import Path

import click

from web.cli.options import json_option, option
from web.cli.output import Exit, emit_json, fact, status, verdict_line


@click.command()
@click.argument("source", metavar="SRC", type=click.Path())
@click.argument("out", metavar="OUT", type=click.Path(dir_okay=False))
@option("--tokenizer", metavar="FILE", type=click.Path(), help="tokenizer.model or tokenizer.bin of a llama2.c file.")
@option("--name", help="Name of the model, for people. [default: from SRC]")
@json_option
def convert(source: str, out: str, tokenizer: str | None, name: str | None, as_json: bool) -> int:
    """Convert SRC (GGUF F32, F16 or Q8_0, or a llama2.c .bin) into the RAIL model file OUT.

    The same source gives the same bytes on every machine, so two people can compare model roots.

    \b
    Examples:
      rail convert stories15M.bin stories15M.rail --tokenizer tokenizer.model
      rail convert TinyLlama-1.1B.Q8_0.gguf tinyllama.rail
    """
    from inference.convert.pipeline import convert as run_conversion

    started = time.monotonic()
    with status() as tell:
        root = run_conversion(source, out, tokenizer=tokenizer, name=name, progress=tell)
    seconds = time.monotonic() - started
    size = Path(out).stat().st_size
    if as_json:
        facts = {"model_root": root.hex(), "file": out, "bytes": size, "seconds": round(seconds, 3)}
        emit_json({"verdict": "converted", **facts})
    else:
        verdict_line("converted", f"{out}, {size:,} bytes, {seconds:.1f} s", Exit.OK)
        fact("model root", root.hex())
    return Exit.OK
