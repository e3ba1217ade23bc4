"""A logged run with its text on stdout, and its receipt on disk."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from inference.sampling import SamplingParams
from web.cli.output import printable
from web.files import replace_file
from web.generation import LoggedRun
from web.services import Services


def stream_run(
    services: Services, prompt: str, params: SamplingParams, visibility: str, quiet: bool = False
) -> LoggedRun:
    """Generate and log, with the text on stdout as it comes unless `quiet`. For the main thread: it takes Ctrl-C."""
    with interruptible() as interrupted:
        stream = services.generation.stream(prompt, params, visibility, interrupted)
        while True:
            try:
                delta = next(stream)
            except StopIteration as end:
                run: LoggedRun = end.value
                return run
            if not quiet:
                click.echo(printable(delta, keep="\n\t") if sys.stdout.isatty() else delta, nl=False)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C inside ends the run, which is then logged as cancelled; the second one ends the command."""
    asked = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        asked.set()

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def save_receipt(services: Services, run: LoggedRun) -> Path:
    """Write the run's receipt, opening included, to HOME/receipts (0600) and return its path."""
    receipt = services.log.receipt(run.entry.index, opening=True)
    path = services.settings.home / "receipts" / f"{run.entry.index}-{run.entry.leaf_hash.hex()[:16]}.json"
    replace_file(path, receipt.to_json().encode())
    return path
