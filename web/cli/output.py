"""What the commands print, and where: results on stdout, progress and errors on stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
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

    @classmethod
    def worst(cls, codes: Iterable["Exit"]) -> "Exit":
        """The one to leave with: a failed proof, then a definite no, then what could not be checked."""
        return max(codes, key=(cls.OK, cls.UNCHECKED, cls.NO_MATCH, cls.PROOF_FAILED).index)


class CommandError(Exception):
    """A command that ends early. `code` is for programs, `hint` says what to do next, `fields` what was done before."""

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        exit_code: Exit = Exit.UNCHECKED,
        fields: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.exit_code = exit_code
        self.fields = dict(fields or {})


def say(line: str = "", **style: Any) -> None:
    """One line for people; `style` as for click.style, dropped where the stream is no terminal."""
    click.secho(line, **style)


def fact(name: str, value: object, err: bool = False) -> None:
    """A named fact, aligned with its neighbours."""
    click.echo(f"  {name:<11} {printable(str(value))}", err=err)


def verdict_line(word: str, sentence: str, exit_code: Exit, err: bool = False) -> None:
    """The explicit verdict: a mark, a word and a sentence, so that colour alone never carries it."""
    mark, colour = {Exit.OK: ("✓", "green"), Exit.NO_MATCH: ("✗", "yellow")}.get(exit_code, ("!", "red"))
    click.secho(f"{mark} {word}", fg=colour, bold=True, nl=False, err=err)
    click.echo(f": {printable(sentence)}", err=err)


def note(text: str) -> None:
    """Something worth knowing that is no error, on stderr."""
    click.echo(f"note: {printable(text, keep=chr(10))}", err=True)


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
        emit_json({**error.fields, "verdict": verdict, "error": detail})


def printable(text: str, keep: str = "") -> str:
    """The text with control characters escaped, except those in `keep`.

    What others wrote can then neither drive the reader's terminal nor look like a line of our own.
    """
    return "".join(char if char in keep or _harmless(char) else f"\\u{{{ord(char):x}}}" for char in text)


def _harmless(char: str) -> bool:
    code = ord(char)
    bidi = 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
    return not (code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code <= 0xDFFF or bidi)


def stderr_console() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@contextmanager
def progress_bars() -> Iterator[Callable[[str], Advance]]:
    """`yield`s bar(label), which adds a bar with time left and gives its advance(done, total).

    Bars are on stderr, only where that is a terminal, show up with their first step and vanish at the end.
    """
    if not sys.stderr.isatty():
        yield lambda label: lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr_console(), transient=True) as bars:

        def bar(label: str) -> Advance:
            task = bars.add_task(label, total=None, visible=False)
            return lambda done, total: bars.update(task, completed=done, total=total, visible=True)

        yield bar


@contextmanager
def progress(label: str) -> Iterator[Advance]:
    """One bar; `yield`s its advance(done, total)."""
    with progress_bars() as bar:
        yield bar(label)


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """For work whose length is not known: `yield`s tell(step), which names the step, on stderr, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    with stderr_console().status("") as spinner:
        yield lambda step: spinner.update(f"{step} …")
