"""Keeping the content index up with the log, where nothing depends on it at once."""

import logging

from ledger.errors import LedgerError
from ledger.index import ContentIndex
from ledger.log import Log

_log = logging.getLogger(__name__)


def keep_up(index: ContentIndex, log: Log) -> None:
    """Index what was just logged. A failure is no failure of the append: the next verification catches up first."""
    try:
        index.catch_up(log)
    except LedgerError as error:
        _log.warning("index_lags", extra={"code": error.code})
