"""What the commands print, and where: results on stdout, progress and errors on stderr."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

Advance = Callable[[int, int], None]  # (done, total), both in the unit of the task


class Exit(IntEnum):
    """The verdict of a command, for scripts."""

    OK = 0  # match, or done
    NO_MATCH = 1  # no match, or a replay that differs
    UNCHECKED = 2  # could not check: bad input, nothing to check against, network
    PROOF_FAILED = 3  # a signature, a proof or a digest does not hold


class CommandError(Exception):
    """A command that ends early. `code` is for programs, `hint` says what to do next."""

    def __init__(self, code: str, message: str, hint: str = "", exit_code: Exit = Exit.UNCHECKED) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.exit_code = exit_code


def say(line: str = "", **style: Any) -> None:
    """One line for people, on stdout; `style` as for click.style, dropped where stdout is no terminal."""
    click.secho(line, **style)


def fact(name: str, value: object) -> None:
    """A named fact, aligned with its neighbours."""
    click.echo(f"  {name:<11} {printable(str(value))}")


def verdict_line(word: str, sentence: str, exit_code: Exit) -> None:
    """The explicit verdict: a mark, a word and a sentence, so that colour alone never carries it."""
    mark, colour = {Exit.OK: ("✓", "green"), Exit.NO_MATCH: ("✗", "yellow")}.get(exit_code, ("!", "red"))
    click.secho(f"{mark} {word}", fg=colour, bold=True, nl=False)
    click.echo(f": {printable(sentence)}")


def emit_json(value: object) -> None:
    """The one JSON object of `--json`."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def report_error(error: CommandError, as_json: bool) -> None:
    """The error on stderr, and with --json also as an object on stdout, so that a program always reads one."""
    click.secho("error", fg="red", bold=True, err=True, nl=False)
    click.echo(f" [{error.code}]: {printable(str(error))}", err=True)
    if error.hint:
        click.echo(f"  hint: {error.hint}", err=True)
    if as_json:
        verdict = "proof_failed" if error.exit_code is Exit.PROOF_FAILED else "unchecked"
        detail = {"code": error.code, "message": str(error), "hint": error.hint or None}
        emit_json({"verdict": verdict, "error": detail})


def printable(text: str) -> str:
    """The text with control characters escaped, so that what others wrote cannot drive the reader's terminal."""
    return "".join(char if char in "\n\t" or _harmless(char) else f"\\u{{{ord(char):x}}}" for char in text)


def _harmless(char: str) -> bool:
    code = ord(char)
    bidi = 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
    return not (code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code <= 0xDFFF or bidi)


def stderr_console() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@contextmanager
def progress(label: str, unit: str = "") -> Iterator[Advance]:
    """A progress bar with time left, on stderr, only where that is a terminal; `yield`s advance(done, total)."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr_console(), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
