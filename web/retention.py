"""Retention: content that is older than its operator's days is erased, as `rail log erase` does it."""

from ledger.index import ContentIndex
from ledger.keys import SigningKey
from ledger.log import Log
from web.submitters import Submitters

DAY_SECONDS = 86_400
JUMP_DAYS = 30
REASON = "retention"


def is_far_ahead(log: Log, last_run: int | None, now: int) -> bool:
    """Whether the clock is so far beyond all that is known of the time that it may be wrong: erasing has no way back.

    Known are the end of the last run and when the newest entry was logged, in Unix seconds as `now` is.
    """
    size = log.size()
    logged = log.entry(size - 1).logged if size else 0
    return now > max(logged, last_run or 0) + JUMP_DAYS * DAY_SECONDS


def erase_overdue(log: Log, index: ContentIndex, submitters: Submitters, key: SigningKey, now: int) -> list[int]:
    """Erase what is due; the indexes of the entries. `key` signs the erasures: the host's own operator's."""
    if submitters.default.keep_days is None and all(
        known.limits is None or known.limits.keep_days is None for known in submitters.operators.values()
    ):
        return []
    due = []
    for leaf_index, _ in log.contents():
        entry = log.entry(leaf_index)
        days = submitters.limits_of(entry.operator.hex()).keep_days
        if days is not None and entry.logged + days * DAY_SECONDS <= now:
            due.append(leaf_index)
    for leaf_index in due:
        log.erase(leaf_index, REASON, key)
        index.remove(leaf_index)
    return due
