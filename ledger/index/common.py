"""Phrases that many hold: they show no run in particular. SPEC.md sections 4 and 7."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from ledger.index.cover import Piece
from ledger.index.rules import COMMON_HOLDERS, COMMON_WEIGHT_MAX
from ledger.index.segments import Postings
from ledger.index.text import Text
from ledger.index.verdict import Holders


def frequent_hashes(found: Postings) -> dict[int, set[int]]:
    """The hashes that so many records have that they may be common, with the records."""
    _, hash_of, counts = np.unique(found.hashes, return_inverse=True, return_counts=True)
    records: defaultdict[int, set[int]] = defaultdict(set)
    often = counts[hash_of] >= COMMON_HOLDERS
    for value, record in zip(found.hashes[often].tolist(), found.records[often].tolist(), strict=True):
        records[value].add(record)
    return {value: held for value, held in records.items() if len(held) >= COMMON_HOLDERS}


def held_by_many(records_of: Mapping[int, Set[int]], holder_of: Mapping[int, Hashable]) -> set[int]:
    """The hashes whose records have COMMON_HOLDERS different holders."""
    return {
        value
        for value, held in records_of.items()
        if len({holder_of[record] for record in held if record in holder_of}) >= COMMON_HOLDERS
    }


@dataclass(frozen=True, slots=True)
class Common:
    """The hashes that many hold, of one pasted text."""

    outputs: Set[int] = frozenset()  # different outputs; one that was registered many times is one
    registrants: Set[int] = frozenset()  # whatever their outputs

    def holders(self, pasted: Text, start: int, end: int) -> Holders | None:
        """Who all fingerprints within these units are common to; None: not all are, or there are none."""
        starts, shingles = pasted.fingerprints, pasted.shingles
        first = bisect_left(starts, start)
        inside = takewhile(lambda place: shingles.ends[place] <= end, starts[first:])
        hashes = {shingles.hashes[place] for place in inside}
        if hashes and hashes <= self.registrants:
            return "registrants"
        return "outputs" if hashes and hashes <= self.outputs else None

    def subtracts(self, pasted: Text, piece: Piece) -> bool:
        """Whether it is a short phrase, which does not count. A run of RUN_WEIGHT_MIN has a fingerprint."""
        weight = pasted.units.weight(piece.start, piece.end)
        return weight < COMMON_WEIGHT_MAX and self.holders(pasted, piece.start, piece.end) is not None
