"""The part of the whole-log check that looks at the tree: stored hashes against the ones below, and the root."""

from ledger import store
from ledger.database import Database
from ledger.errors import StoreError
from ledger.fsck_entry import ReportFault
from ledger.merkle import EMPTY_ROOT, root_of
from ledger.tiles import TILE_WIDTH


class TreeChecker:
    """The tiles at the right edge while leaves stream by: at most 255 hashes a level. None: an unknown hash."""

    def __init__(self, database: Database, fault: ReportFault) -> None:
        self._database = database
        self._fault = fault
        self._edge: list[list[bytes | None]] = [[]]  # by tile level
        self._done: list[int] = [0]  # complete tiles of each level

    def add_leaf(self, leaf_hash: bytes | None) -> None:
        self._add(0, leaf_hash)

    def _add(self, level: int, value: bytes | None) -> None:
        if level == len(self._edge):
            self._edge.append([])
            self._done.append(0)
        self._edge[level].append(value)
        if len(self._edge[level]) == TILE_WIDTH:
            position = self._done[level]
            computed = _root(self._edge[level])
            self._edge[level] = []
            self._done[level] += 1
            self._add(level + 1, self._compare(level + 1, position, computed))

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
            below = [_root(together)] if together else []
        return below[0] if below else EMPTY_ROOT


def _root(hashes: list[bytes | None]) -> bytes | None:
    known = [value for value in hashes if value is not None]
    return root_of(known) if len(known) == len(hashes) else None
