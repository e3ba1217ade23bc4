"""Retention: content that is older than its operator's days is erased, as `rail log erase` does it."""

import time

from ledger.index import ContentIndex
from ledger.keys import SigningKey
from ledger.log import Log
from web.submitters import Submitters

DAY_SECONDS = 86_400
REASON = "retention"


def erase_overdue(log: Log, index: ContentIndex, submitters: Submitters, key: SigningKey) -> list[int]:
    """Erase what is due; the indexes of the entries. `key` signs the erasures: the host's own operator's."""
    if submitters.default.keep_days is None and all(
        known.limits is None or known.limits.keep_days is None for known in submitters.operators.values()
    ):
        return []
    now = int(time.time())
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
