"""The part of the whole-log check that reads entries: a segment of the log at a time, in this process or in others.

A segment is checked by itself: it gives its faults, and the roots of its tiles for the tree above.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from ledger import store
from ledger.database import Database
from ledger.errors import StoreError
from ledger.fsck_entry import EntryChecker, check_leaf
from ledger.fsck_tree import tile_root
from ledger.merkle import leaf_hashes
from ledger.store import EntryRow
from ledger.tiles import TILE_WIDTH

PAGE_LEAVES = 1024  # read at a time: four tiles, and at most 64 MiB of statements
SEGMENT_LEAVES = 4 * PAGE_LEAVES
PARALLEL_LEAVES_MIN = 100_000  # a smaller log is checked before other processes have started
AHEAD = 2  # segments that each other process has before it
WAITING_MAX = 64  # segments that are checked and wait for an earlier one: bounds the faults that are kept


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it must be."""

    code: str
    index: int | None  # the leaf it is about; None: the log as a whole, or a hash above the leaves
    message: str


@dataclass(slots=True)
class Segment:
    """What the leaves start <= index < stop came to; `start` is a tile's first."""

    stop: int
    tiles: list[bytes | None] = field(default_factory=list)  # roots of the full tiles; None: a leaf hash is missing
    rest: list[bytes | None] = field(default_factory=list)  # leaf hashes after them, at the end of the log only
    entries: int = 0  # that were there to be checked
    faults: list[Fault] = field(default_factory=list)


class LeafChecker:
    """Checks entries, in the order of the log or in any other; with `hashes_only` no more than their leaf hashes."""

    def __init__(self, database: Database, hashes_only: bool) -> None:
        self._database = database
        self._read = self._hashed if hashes_only else self._checked
        self._segment = Segment(0)
        self._checker = EntryChecker(self._fault)

    def check(self, start: int, stop: int) -> Segment:
        self._segment = Segment(stop)
        for low in range(start, stop, PAGE_LEAVES):
            hashes = self._read(low, min(low + PAGE_LEAVES, stop))
            full = len(hashes) - len(hashes) % TILE_WIDTH
            self._segment.tiles += [
                tile_root(hashes[first : first + TILE_WIDTH]) for first in range(0, full, TILE_WIDTH)
            ]
            self._segment.rest += hashes[full:]
        return self._segment

    def _fault(self, code: str, index: int | None, message: str) -> None:
        self._segment.faults.append(Fault(code, index, message))

    def _checked(self, low: int, high: int) -> list[bytes | None]:
        """The stored leaf hashes of a page about whose entries everything is checked; None: missing."""
        rows = self._rows(low, high)
        with self._database.read() as connection:
            for row in rows.values():
                self._checker.check(connection, row)
        return [rows[index].leaf_hash if index in rows else None for index in range(low, high)]

    def _hashed(self, low: int, high: int) -> list[bytes | None]:
        """Likewise, of a page whose statements are only hashed."""
        try:
            with self._database.read() as connection:
                statements, stored = store.leaves_between(connection, low, high)
        except StoreError as error:
            if error.code != "database_damaged":
                raise
            statements, stored = [], []
        if len(stored) == high - low and leaf_hashes(statements) == stored:
            self._segment.entries += len(stored)
            return list(stored)
        rows = self._rows(low, high)  # once more, to say where the fault is
        for row in rows.values():
            check_leaf(row, self._fault)
        return [rows[index].leaf_hash if index in rows else None for index in range(low, high)]

    def _rows(self, low: int, high: int) -> dict[int, EntryRow]:
        """The entries of a page; if it cannot be read as a whole, those that can be read one by one."""
        try:
            with self._database.read() as connection:
                rows = {row.leaf_index: row for row in store.entries_between(connection, low, high)}
        except StoreError as error:
            if error.code != "database_damaged":
                raise
            rows = {index: row for index in range(low, high) if (row := self._row(index)) is not None}
        else:
            for index in range(low, high):
                if index not in rows:
                    self._fault("entry_missing", index, f"entry {index} is missing")
        self._segment.entries += len(rows)
        return rows

    def _row(self, index: int) -> EntryRow | None:
        try:
            with self._database.read() as connection:
                row = store.entry_at(connection, index)
        except StoreError as error:
            self._fault("entry_unreadable", index, f"entry {index} cannot be read: {error}")
            return None
        if row is None:
            self._fault("entry_missing", index, f"entry {index} is missing")
        return row


def check_leaves(database: Database, size: int, hashes_only: bool, processes: int) -> Iterator[Segment]:
    """The segments of the first `size` leaves, in order, checked by that many processes, this one included. StoreError.

    This one checks whatever the others are not busy with, so that it does not wait for them to start.
    """
    checker = LeafChecker(database, hashes_only)
    bounds = ((start, min(start + SEGMENT_LEAVES, size)) for start in range(0, size, SEGMENT_LEAVES))
    if processes < 2 or size < PARALLEL_LEAVES_MIN:
        yield from (checker.check(start, stop) for start, stop in bounds)
        return
    url = database.engine.url.render_as_string(hide_password=False)
    # Spawned, not forked: the caller may have threads and connections.
    with ProcessPoolExecutor(processes - 1, get_context("spawn"), _open, (url, hashes_only)) as pool:
        waiting: deque[Future[Segment]] = deque()
        for start, stop in bounds:
            if sum(not future.done() for future in waiting) < AHEAD * (processes - 1):
                waiting.append(pool.submit(_check, start, stop))
            else:
                waiting.append(Future())
                waiting[-1].set_result(checker.check(start, stop))
            while waiting and (waiting[0].done() or len(waiting) > WAITING_MAX):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_opened: list[LeafChecker] = []  # the one of a process that `check_leaves` started


def _open(url: str, hashes_only: bool) -> None:
    _opened.append(LeafChecker(Database(url), hashes_only))


def _check(start: int, stop: int) -> Segment:
    return _opened[0].check(start, stop)
