"""The part of the whole-log check that looks at the tree: stored hashes against the ones below, and the root."""

from collections.abc import Sequence

from ledger import store
from ledger.database import Database
from ledger.errors import StoreError
from ledger.fsck_entry import ReportFault
from ledger.merkle import EMPTY_ROOT, fold, root_of
from ledger.tiles import TILE_WIDTH


class TreeChecker:
    """The tiles at the right edge while they stream by: at most 255 hashes a level. None: an unknown hash."""

    def __init__(self, database: Database, fault: ReportFault) -> None:
        self._database = database
        self._fault = fault
        self._edge: list[list[bytes | None]] = [[]]  # by tile level
        self._done: list[int] = [0]  # complete tiles of each level

    def add(self, tiles: list[bytes | None], rest: Sequence[bytes | None]) -> None:
        """The roots of the next full tiles of leaves, and the leaf hashes after them; after these nothing comes."""
        self._full(0, tiles)
        self._edge[0] += rest

    def _add(self, level: int, hashes: Sequence[bytes | None]) -> None:
        if level == len(self._edge):
            self._edge.append([])
            self._done.append(0)
        edge = self._edge[level]
        edge += hashes
        starts = range(0, len(edge) - TILE_WIDTH + 1, TILE_WIDTH)
        if starts:
            computed = [tile_root(edge[start : start + TILE_WIDTH]) for start in starts]
            del edge[: len(starts) * TILE_WIDTH]
            self._full(level, computed)

    def _full(self, level: int, computed: list[bytes | None]) -> None:
        """The roots of the next full tiles of a level."""
        if computed:
            first = self._done[level]
            self._done[level] += len(computed)
            self._add(level + 1, self._stored(level + 1, first, computed))

    def _stored(self, level: int, first: int, computed: list[bytes | None]) -> list[bytes | None]:
        """The stored hashes of tiles that follow each other, compared: together, or one by one where that fails."""
        try:
            with self._database.read() as connection:
                stored: list[bytes | None] = [*store.level_hashes(connection, level, first, first + len(computed))]
        except StoreError:
            stored = []
        if stored == computed:
            return stored
        return [self._compare(level, first + place, value) for place, value in enumerate(computed)]

    def _compare(self, level: int, position: int, computed: bytes | None) -> bytes | None:
        """The stored hash, or the computed one if there is none."""
        try:
            with self._database.read() as connection:
                stored = store.level_hashes(connection, level, position, position + 1)[0]
        except StoreError as error:
            if error.code not in ("hash_missing", "database_damaged"):
                raise
            self._fault("hash_missing", None, f"hash {position} of level {level} cannot be read: {error}")
            return computed
        if computed is not None and computed != stored:
            self._fault(
                "hash",
                None,
                f"hash {position} of level {level} is stored as {stored.hex()}, "
                f"but the {TILE_WIDTH} hashes below lead to {computed.hex()}",
            )
        return stored

    def root(self) -> bytes | None:
        """Root of all leaves. The part that is not a full tile joins the level above as one more hash on its right."""
        below: list[bytes | None] = []
        for hashes in self._edge:
            together = hashes + below
            below = [tile_root(together)] if together else []
        return below[0] if below else EMPTY_ROOT


def tile_root(hashes: list[bytes | None]) -> bytes | None:
    if None in hashes:
        return None
    known = [value for value in hashes if value is not None]
    return fold(known) if len(known) == TILE_WIDTH else root_of(known)
