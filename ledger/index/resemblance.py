"""How much a window of the pasted text resembles a record: shared terms, neighbours and order. SPEC.md section 6.

Three shares, each in thousandths of the weight of the window's terms:

    terms   its distinct terms that the record has
    pairs   its pairs of terms at most 3 apart, whichever comes first, that the record has as near
    order   its telling terms that stand in the record in the same order

A record's terms are compared by their places among the window's, in C (`ledger.compiled.matching`).
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
from rapidfuzz.distance import LCSseq

from ledger.compiled.matching import Int32s, Int64s, UInt32s, pairs_weight, places_of, region_start, terms_weight
from ledger.index.columns import distinct, numbered
from ledger.index.terms import Weigh

_NEAR: Final = 3  # terms
_TELLING: Final = 2_000  # weight from which a term's order is looked at: in fewer than one text in seven
_REGION: Final = 2  # a record is looked at in a stretch of twice as many terms as the window has


class Shares(NamedTuple):
    """Thousandths."""

    terms: int
    pairs: int
    order: int


@dataclass(frozen=True)
class Window:
    """A part of the pasted text: its terms, and what each tells."""

    size: int  # terms
    known: UInt32s  # the different ones, sorted; places are in this column
    weights: Int32s  # of each
    pairs: Int64s  # lesser place << 32 | greater, sorted
    pair_weights: Int32s
    telling: Int32s  # places of the telling terms in their order, each time

    @classmethod
    def of(cls, terms: UInt32s, weigh: Weigh) -> "Window":
        known, places = numbered(terms)
        weights = np.array([weigh(term) for term in known.tolist()], np.int32)
        pairs = _pairs(places.astype(np.int64))
        pair_weights = np.minimum(weights[pairs >> 32], weights[pairs & 0xFFFFFFFF])
        telling = places[weights[places] >= _TELLING]
        return cls(len(terms), known, weights, pairs, pair_weights, telling)

    @cached_property
    def terms_weight(self) -> int:
        return int(self.weights.sum(dtype=np.int64))

    @cached_property
    def pairs_weight(self) -> int:
        return int(self.pair_weights.sum(dtype=np.int64))

    @cached_property
    def telling_totals(self) -> list[int]:
        """The weight of the telling terms before each of them; one entry more."""
        return list(accumulate(self.weights[self.telling].tolist(), initial=0))

    @cached_property
    def _telling_text(self) -> str:
        return _as_text(self.telling)

    def region_of(self, record: UInt32s) -> tuple[int, int]:
        """The stretch of a long record's terms, start <= i < end, that has most of the window's weight."""
        size = max(_REGION * self.size, 1)
        if len(record) <= size:
            return 0, len(record)
        start = region_start(places_of(self.known, record), size, self.weights)
        return start, min(len(record), start + size)

    def shares(self, record: UInt32s) -> Shares:
        """Of a record, or of the stretch of it that `region_of` names."""
        places = places_of(self.known, record)
        common = places[places >= 0]
        theirs = _as_text(common[self.weights[common] >= _TELLING])
        blocks, totals = LCSseq.editops(self._telling_text, theirs).as_matching_blocks(), self.telling_totals
        ordered = sum([totals[block.a + block.size] - totals[block.a] for block in blocks])
        return Shares(
            terms=_thousandths(terms_weight(places, self.weights), self.terms_weight),
            pairs=_thousandths(pairs_weight(places, _NEAR, self.pairs, self.pair_weights), self.pairs_weight),
            order=_thousandths(ordered, totals[-1]),
        )

    def share_in(self, terms: UInt32s) -> int:
        """Thousandths of the weight of the window's terms that are among these."""
        return _thousandths(terms_weight(places_of(self.known, terms), self.weights), self.terms_weight)


def _pairs(places: Int64s) -> Int64s:
    """The pairs of different terms at most _NEAR places apart, the lesser first."""
    found = [np.zeros(0, np.int64)]
    for apart in range(1, _NEAR + 1):
        one, other = places[:-apart], places[apart:]
        pairs = np.minimum(one, other) << 32 | np.maximum(one, other)
        found.append(pairs[one != other])
    return distinct(np.concatenate(found))


def _as_text(places: Int32s) -> str:
    """A character for each place: what alignment is fastest with. A window has too few terms to reach surrogates."""
    return places.astype(np.uint32).tobytes().decode("utf-32-le")


def _thousandths(part: int, whole: int) -> int:
    return part * 1000 // whole if whole else 0
