"""Keys looked up in blocks of several segments: which blocks, and what stands in them. SPEC.md section 9."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ledger.compiled.matching import Int64s, Wanted, find_entries
from ledger.index.blocks import Layout, Row

UNBOUNDED: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Entries:
    """Entry i is of the key of number key_of[i]."""

    key_of: Int64s
    records: Int64s
    edges: NDArray[np.uint16]  # of terms: 0


class Lookup:
    """Finds the entries of some keys, of each up to the record of entry number `limit`.

    Blocks come in parts, in the order of their records.
    """

    def __init__(self, keys: NDArray[np.uint64], layouts: Sequence[Layout], limit: int = UNBOUNDED) -> None:
        self._keys = keys
        self._layouts = np.array([layout.row() for layout in layouts], np.int64).reshape(-1, 4)
        self._limit = limit
        self._found = np.zeros(len(keys), np.int64)
        self._last = np.zeros(len(keys), np.int64)
        self._parts: list[tuple[Int64s, Int64s, NDArray[np.uint16]]] = []

    def read(self, rows: Sequence[Row], blocks: Int64s, key_of: Int64s, layout_of: Int64s) -> None:
        """Looks key number key_of[i] up in the block blocks[i], if it is among the rows."""
        if not rows:
            return
        numbers = np.array([number for number, _ in rows], np.int64)
        order = np.argsort(numbers)
        place = np.minimum(numbers[order].searchsorted(blocks), len(rows) - 1)
        known = np.flatnonzero(numbers[order][place] == blocks)
        row = order[place[known]]
        ends = np.cumsum([len(data) for _, data in rows])
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        keys = key_of[known]
        wanted = Wanted(starts[row], ends[row], self._keys[keys], keys, layout_of[known])
        data = b"".join([data for _, data in rows])
        self._parts.append(find_entries(data, wanted, self._layouts, self._limit, self._found, self._last))

    def entries(self) -> Entries:
        """Of all parts."""
        nothing = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint16))
        key_of, records, edges = (np.concatenate(columns) for columns in zip(nothing, *self._parts, strict=True))
        return Entries(key_of, records, edges)
