"""The command group: commands load when they are named, and every error ends as one line and an exit code."""

import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click

from web.cli.output import CommandError, Exit, report_error

INTERRUPTED = 130  # what shells use for a program that Ctrl-C ended
READER_GONE = 141  # and for one whose output nobody reads any more, as in `rail demo | head`


class _ReaderGone(Exception):
    """Carries a BrokenPipeError past click, which would make it exit code 1: "no match"."""


class LazyGroup(click.Group):
    """A click group whose commands are `module:attribute` paths, and whose exit code is what a command returns."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGone from error

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> NoReturn:
        """Run and leave the process; never with a traceback unless RAIL_DEBUG is set."""
        arguments = list(sys.argv[1:] if args is None else args)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        as_json = "--json" in arguments or os.environ.get("RAIL_JSON", "") not in ("", "0")
        sys.exit(self._run(arguments, as_json))

    def _run(self, arguments: list[str], as_json: bool) -> int:
        try:
            code = super().main(args=arguments, prog_name="rail", standalone_mode=False)
            sys.stdout.flush()
            return int(code or 0)
        except (KeyboardInterrupt, click.Abort):
            click.echo("interrupted", err=True)
            return INTERRUPTED
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            return int(Exit.UNCHECKED)
        except (_ReaderGone, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at exit
            return READER_GONE
        except Exception as error:
            if os.environ.get("RAIL_DEBUG"):
                raise
            failure = as_command_error(error)
            report_error(failure, as_json)
            return int(failure.exit_code)


def as_command_error(error: Exception) -> CommandError:
    """Any exception as what the user is told: known errors keep their code, unknown ones are called a bug."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        hint = f"try `{context.command_path} --help`" if context is not None else ""
        return CommandError("usage", error.format_message(), hint)
    code = getattr(error, "code", None)
    if isinstance(code, str) and type(error).__module__.split(".")[0] in ("inference", "ledger", "native", "web"):
        evidence = getattr(error, "evidence", None)
        message = f"{error}; evidence: {evidence}" if evidence is not None else str(error)
        exit_code = Exit(getattr(error, "exit_code", Exit.UNCHECKED))
        return CommandError(code, message, getattr(error, "hint", ""), exit_code)
    if isinstance(error, MemoryError):
        return CommandError("out_of_memory", "not enough memory", "use a smaller model or a shorter text")
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return CommandError("io_error", f"{where}{error.strerror}")
    return CommandError(
        "internal_error", f"{type(error).__name__}: {error}", "this is a bug: RAIL_DEBUG=1 shows where it happened"
    )


def print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """The eager callback of --version."""
    if wanted and not ctx.resilient_parsing:
        from web.version import version

        click.echo(f"rail {version()}")
        ctx.exit()
