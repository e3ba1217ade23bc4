"""Caches of finished runs, kept so that the next run with the same beginning need not read it again.

No effect on bits: what a cache holds for a sequence of ids depends on these ids alone.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import native

ENTRIES_MAX = 64
TOKENS_MIN = 8  # a shorter common beginning is read again as fast


@dataclass(frozen=True, slots=True)
class _Kept:
    ids: tuple[int, ...]
    session: native.Session


class PrefixCache:
    """Least recently used sessions within a budget of bytes. Safe to use from several threads."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._kept: list[_Kept] = []  # the one used last at the end
        self._lock = threading.Lock()
        self.hits = 0  # runs that began with tokens of another one
        self.tokens = 0  # that were not read again

    def begin(self, session: native.Session, ids: Sequence[int]) -> None:
        """Give a fresh session the longest beginning of `ids` that is kept, but never all of them."""
        wanted = tuple(ids[:-1])
        with self._lock:
            lengths = [_common(kept.ids, wanted) for kept in self._kept]
            length = max(lengths, default=0)
            if length < TOKENS_MIN:
                return
            best = self._kept.pop(lengths.index(length))
            self._kept.append(best)
            session.copy_from(best.session, length)
            self.hits += 1
            self.tokens += length

    def keep(self, session: native.Session, ids: tuple[int, ...]) -> None:
        """Take over the session of a run that ended; `ids` is its content."""
        if len(ids) < TOKENS_MIN or session.size_bytes > self._bytes_max:
            return
        with self._lock:
            self._kept = [kept for kept in self._kept if _common(kept.ids, ids) < len(kept.ids)]
            self._kept.append(_Kept(ids, session))
            while len(self._kept) > ENTRIES_MAX or sum(k.session.size_bytes for k in self._kept) > self._bytes_max:
                self._kept.pop(0)


def _common(left: tuple[int, ...], right: tuple[int, ...]) -> int:
    """Length of the common beginning."""
    limit = min(len(left), len(right))
    if left[:limit] == right[:limit]:
        return limit
    return next(i for i in range(limit) if left[i] != right[i])
