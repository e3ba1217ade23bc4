"""`rail model`: look into a model file, and check it."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from web.cli.options import json_option, option
from web.cli.output import CommandError, Exit, emit_json, fact, status, verdict_line
from web.plain import plain

if TYPE_CHECKING:
    from inference.modelfile import ModelFile


@click.group()
def model() -> None:
    """Look into RAIL model files.

    \b
    Examples:
      rail model show stories15M.rail
      rail model verify stories15M.rail --root 5f3c…
    """


@model.command()
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(dir_okay=False))
@json_option
def show(file: str | None, as_json: bool) -> int:
    """Show what FILE (or the default model) says about itself: dimensions, provenance, root."""
    with _open(file) as opened:
        description = describe(opened)
        if as_json:
            emit_json(description)
            return Exit.OK
        for name in ("name", "root", "bytes", "parameters", "engine"):
            fact(name, description[name])
        fact("shape", " ".join(f"{key}={value}" for key, value in description["config"].items()))
        for key, value in _flat(description["provenance"]):
            fact(key, value)
    return Exit.OK


@model.command()
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(dir_okay=False))
@option("--root", metavar="HEX", help="The root that the file must have.")
@json_option
def verify(file: str | None, root: str | None, as_json: bool) -> int:
    """Check every byte of FILE (or of the default model) against the format, and its root against --root."""
    from inference.errors import ModelFileError

    expected = _root(root) if root is not None else None
    started = time.monotonic()
    try:
        with status() as tell, _open(file, tell, expected) as opened:
            facts = {"root": opened.root.hex(), "file": str(opened.path), "bytes": opened.size_bytes}
    except ModelFileError as error:
        if error.code == "unreadable":
            raise
        hint = "fetch or convert the file again"
        raise CommandError(error.code, str(error), hint, Exit.PROOF_FAILED) from error
    seconds = time.monotonic() - started
    if as_json:
        emit_json({"verdict": "match" if expected else "ok", **facts, "seconds": round(seconds, 3)})
    else:
        words = "is the model with this root" if expected else "is sound; compare its root with the registered one"
        verdict_line("ok", f"{facts['file']} {words} ({seconds:.2f} s)", Exit.OK)
        fact("model root", facts["root"])
    return Exit.OK


def describe(opened: "ModelFile") -> dict[str, Any]:
    """The model as JSON."""
    from dataclasses import asdict

    from inference.config import ENGINE
    from inference.layout import matrix_shapes

    config = asdict(opened.config)
    return {
        "name": config.pop("name"),
        "root": opened.root.hex(),
        "file": str(opened.path),
        "bytes": opened.size_bytes,
        "parameters": sum(rows * columns for rows, columns in matrix_shapes(opened.config).values()),
        "engine": ENGINE,
        "config": config,
        "provenance": plain(opened.provenance),
    }


def _open(file: str | None, tell: Any = None, expected: bytes | None = None) -> "ModelFile":
    """The named model or the default one; with `expected`, or for `verify`, hashed again whatever was cached."""
    from inference.modelfile import ModelFile
    from inference.models import default_model_path

    path = file or default_model_path()
    if tell is None:
        return ModelFile.open(path)
    tell(f"hashing {path}")
    return ModelFile.open(path, expected_root=expected, use_cache=False)


def _root(text: str) -> bytes:
    try:
        root = bytes.fromhex(text)
    except ValueError:
        root = b""
    if len(root) != 32:
        raise CommandError("bad_root", f"{text!r} is not a model root", "a root has 64 hexadecimal digits")
    return root


def _flat(tree: Mapping[str, Any], indent: str = "") -> Iterator[tuple[str, Any]]:
    """Provenance as lines: a nested table follows its name, one level in."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield f"{indent}{key}", ""
            yield from _flat(value, indent + "  ")
        else:
            yield f"{indent}{key}", value
