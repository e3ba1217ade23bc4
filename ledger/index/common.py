"""Phrases that many hold: they show no run in particular. SPEC.md sections 4 and 7."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

import numpy as np

from ledger.index.cover import Piece
from ledger.index.rules import COMMON_HOLDERS, COMMON_WEIGHT_MAX
from ledger.index.segments import Postings
from ledger.index.text import Text
from ledger.index.verdict import Holders

HoldersOf = Callable[[Sequence[int]], Mapping[int, Hashable]]

_ASKED_FIRST: Final = 2 * COMMON_HOLDERS  # records of a hash


def frequent_hashes(found: Postings) -> dict[int, set[int]]:
    """The hashes that so many records have that they may be common, with the records."""
    _, hash_of, counts = np.unique(found.hashes, return_inverse=True, return_counts=True)
    records: defaultdict[int, set[int]] = defaultdict(set)
    often = counts[hash_of] >= COMMON_HOLDERS
    for value, record in zip(found.hashes[often].tolist(), found.records[often].tolist(), strict=True):
        records[value].add(record)
    return {value: held for value, held in records.items() if len(held) >= COMMON_HOLDERS}


@dataclass(slots=True)
class _Holdings:
    """Which frequent hashes COMMON_HOLDERS different holders have; asked for those hashes only that matter."""

    records_of: Mapping[int, Set[int]]
    holders_of: HoldersOf
    _known: dict[int, bool] = field(default_factory=dict)

    def are_common(self, hashes: Set[int]) -> bool:
        """Of most hashes the first records tell; the others are asked for where they do not."""
        unknown = hashes - self._known.keys()
        for most in (_ASKED_FIRST, None):
            records = {value: sorted(self.records_of[value])[:most] for value in unknown}
            holders = self.holders_of(sorted(set().union(*records.values()))) if records else {}
            for value, asked in records.items():
                many = len({holders[record] for record in asked if record in holders}) >= COMMON_HOLDERS
                if many or len(asked) == len(self.records_of[value]):
                    self._known[value] = many
            unknown = unknown - self._known.keys()
        return all(self._known[value] for value in hashes)


class Common:
    """The hashes that many hold, of one pasted text."""

    def __init__(self, records_of: Mapping[int, Set[int]], outputs_of: HoldersOf, registrants_of: HoldersOf) -> None:
        """`records_of`: the frequent hashes. The other two tell for records what their output and registrant are.

        One output that was registered many times is one; registrants count whatever their outputs.
        """
        self._frequent = records_of.keys()
        self._outputs = _Holdings(records_of, outputs_of)
        self._registrants = _Holdings(records_of, registrants_of)

    def holders(self, pasted: Text, start: int, end: int) -> Holders | None:
        """Who all fingerprints within these units are common to; None: not all are, or there are none."""
        starts, shingles = pasted.fingerprints, pasted.shingles
        first = bisect_left(starts, start)
        inside = takewhile(lambda place: shingles.ends[place] <= end, starts[first:])
        hashes = {shingles.hashes[place] for place in inside}
        if not hashes or not hashes <= self._frequent:
            return None
        if self._registrants.are_common(hashes):
            return "registrants"
        return "outputs" if self._outputs.are_common(hashes) else None

    def subtracts(self, pasted: Text, piece: Piece) -> bool:
        """Whether it is a short phrase, which does not count. A run of RUN_WEIGHT_MIN has a fingerprint."""
        weight = pasted.units.weight(piece.start, piece.end)
        return weight < COMMON_WEIGHT_MAX and self.holders(pasted, piece.start, piece.end) is not None


def nothing_common() -> Common:
    """Of a text that was not searched for excerpts."""
    return Common({}, lambda _: {}, lambda _: {})
