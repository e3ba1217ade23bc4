"""The log of the home folder, opened by itself: no engine, no model, nothing is made or registered."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ledger.errors import NotFound
from ledger.index import ContentIndex
from ledger.keys import NoteSigner
from ledger.log import Log
from web.cli.output import CommandError
from web.settings import Settings


@dataclass(frozen=True, slots=True)
class LocalLog:
    """A log and its index."""

    settings: Settings
    log: Log
    index: ContentIndex


@contextmanager
def open_local(settings: Settings, key: NoteSigner | None = None) -> Iterator[LocalLog]:
    """The existing log of `settings`, for reading, or with its key for appending.

    Raises CommandError (`no_log`) if there is none, StoreError.
    """
    try:
        log = Log.open(settings.database, key)
    except NotFound as error:
        raise CommandError(
            "no_log",
            f"there is no log in {settings.home} yet ({error})",
            "`rail generate` and `rail serve` make one; --home or RAIL_HOME name another, --url asks a service",
        ) from error
    try:
        yield LocalLog(settings, log, ContentIndex(log.engine))
    finally:
        log.close()
