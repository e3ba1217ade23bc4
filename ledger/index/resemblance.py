"""How much a window of the pasted text resembles a record: shared terms, neighbours and order. SPEC.md section 6.

Three shares, each in thousandths of the weight of the window's terms:

    terms   its distinct terms that the record has
    pairs   its pairs of terms at most 3 apart, whichever comes first, that the record has as near
    order   its telling terms that stand in the record in the same order
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from rapidfuzz.distance import LCSseq

from ledger.index.terms import Weigh

_NEAR: Final = 3  # terms
_TELLING: Final = 2_000  # weight from which a term's order is looked at: in fewer than one text in seven
_REGION: Final = 2  # a record is looked at in a stretch of twice as many terms as the window has


class Shares(NamedTuple):
    """Thousandths."""

    terms: int
    pairs: int
    order: int


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the pasted text: its terms, and what each tells."""

    terms: Sequence[int]
    weights: dict[int, int]
    pairs: dict[tuple[int, int], int]
    telling: list[int]
    terms_weight: int  # of all terms, each once; of all pairs; of the telling terms, each time
    pairs_weight: int
    telling_weight: int

    @classmethod
    def of(cls, terms: Sequence[int], weigh: Weigh) -> "Window":
        weights = {term: weigh(term) for term in terms}
        pairs = {pair: min(weights[pair[0]], weights[pair[1]]) for pair in _pairs(list(enumerate(terms)))}
        telling = [term for term in terms if weights[term] >= _TELLING]
        totals = sum(weights.values()), sum(pairs.values()), sum(weights[term] for term in telling)
        return cls(terms, weights, pairs, telling, *totals)

    def region_of(self, record: Sequence[int]) -> tuple[int, int]:
        """The stretch of a long record's terms, start <= i < end, that has most of the window's weight."""
        size = max(_REGION * len(self.terms), 1)
        if len(record) <= size:
            return 0, len(record)
        inside: dict[int, int] = {}
        best = total = start_of_best = 0
        for place, term in enumerate(record):
            if term in self.weights:
                inside[term] = inside.get(term, 0) + 1
                total += self.weights[term] if inside[term] == 1 else 0
            left = record[place - size] if place >= size else None
            if left is not None and left in self.weights:
                inside[left] -= 1
                total -= 0 if inside[left] else self.weights[left]
            if total > best:
                best, start_of_best = total, max(0, place - size + 1)
        return start_of_best, min(len(record), start_of_best + size)

    def shares(self, record: Sequence[int]) -> Shares:
        """Of a record, or of the stretch of it that `region_of` names."""
        common = [(place, term) for place, term in enumerate(record) if term in self.weights]
        shared = sum(map(self.weights.__getitem__, {term for _, term in common}))
        paired = sum(map(self.pairs.__getitem__, _pairs(common) & self.pairs.keys()))
        ordered = 0
        theirs = [term for _, term in common if self.weights[term] >= _TELLING]
        for step in LCSseq.opcodes(self.telling, theirs):
            if step.tag == "equal":
                ordered += sum(self.weights[term] for term in self.telling[step.src_start : step.src_end])
        return Shares(
            terms=_thousandths(shared, self.terms_weight),
            pairs=_thousandths(paired, self.pairs_weight),
            order=_thousandths(ordered, self.telling_weight),
        )

    def share_in(self, terms: Sequence[int]) -> int:
        """Thousandths of the weight of the window's terms that are among these."""
        shared = sum(map(self.weights.__getitem__, self.weights.keys() & set(terms)))
        return _thousandths(shared, self.terms_weight)


def _pairs(terms: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Pairs of different terms at most _NEAR places apart, the lesser first, of (place, term) in order."""
    found: set[tuple[int, int]] = set()
    for apart in range(1, _NEAR + 1):
        for (place, one), (other_place, other) in zip(terms, terms[apart:], strict=False):
            if other_place - place <= _NEAR and one != other:
                found.add((one, other) if one < other else (other, one))
    return found


def _thousandths(part: int, whole: int) -> int:
    return part * 1000 // whole if whole else 0
