"""Asking a service that somebody else runs: its refusals as a command's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from web.cli.output import CommandError
from web.client import ClientError


@contextmanager
def asking(url: str) -> Iterator[None]:
    """A ClientError inside becomes a CommandError with the same code."""
    try:
        yield
    except ClientError as error:
        raise CommandError(error.code, str(error), f"the log at {url} said so" if error.status else "") from error
