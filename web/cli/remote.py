"""Asking a service that somebody else runs: its refusals as a command's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from web.cli.output import CommandError
from web.client import ClientError

_HINTS = {
    "invitation_needed": "ask its host for a code, and give it as --invitation CODE",
    "invitation_invalid": "ask its host for another code",
    "operator_not_registered": "register first: rail operator register URL",
}


@contextmanager
def asking(url: str) -> Iterator[None]:
    """A ClientError inside becomes a CommandError with the same code."""
    try:
        yield
    except ClientError as error:
        hint = _HINTS.get(error.code, f"the log at {url} said so" if error.status else "")
        raise CommandError(error.code, str(error), hint) from error
