"""When the runs that a record shares with a text are evidence of an excerpt. SPEC.md section 8.

Answers to one prompt share formulas, facts and openings, and resemble each other around them. A passage that was taken
from a record stands in a text that is unlike the record otherwise, or is nearly all of the text, or is long.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.index.cover import Piece
from ledger.index.rules import (
    AROUND_UNITS_MAX,
    EXCERPT_WEIGHT,
    NEARLY_ALL_PERMILLE,
    RELATIVE_TERMS_MIN,
    RUN_WEIGHT_MIN,
    TELLING_RUNS,
    UNLIKE_PERMILLE,
)
from ledger.index.runs import Run
from ledger.index.terms import Weigh
from ledger.index.text import Text

_EXAMINED_MAX: Final = 4  # longest pieces of a record whose surroundings are looked at


def evidence_weight(text: Text) -> int:
    """The weight of the shortest run that can be evidence in a text."""
    shortest = min(weight for weight, _ in TELLING_RUNS)
    return max(RUN_WEIGHT_MIN, min(shortest, text.units.total * NEARLY_ALL_PERMILLE // 1000))


@dataclass(frozen=True, slots=True)
class Shared:
    """What a record shares with the pasted text."""

    pasted: Text
    record: Text
    prompt: Text  # the record's
    runs: Sequence[Run]  # of RUN_WEIGHT_MIN or more
    kept: Sequence[Piece]  # parts of them that count, each of RUN_WEIGHT_MIN or more

    def is_excerpt(self, weigher: Callable[[], Weigh]) -> bool:
        """Whether one run is enough. `weigher` is asked only where lengths do not tell."""
        if any(self._weight(piece) >= EXCERPT_WEIGHT for piece in self.kept) or self._is_nearly_all():
            return True
        shortest = evidence_weight(self.pasted)
        pieces = sorted((piece for piece in self.kept if self._weight(piece) >= shortest), key=self._weight)
        return any(self._tells(piece, weigher()) for piece in pieces[-_EXAMINED_MAX:])

    def _weight(self, part: Run | Piece) -> int:
        return self.pasted.units.weight(part.start, part.end)

    def _is_nearly_all(self) -> bool:
        """Whether one run, with what the prompt contained in its midst, is nearly all of the text."""
        least = self.pasted.units.total * NEARLY_ALL_PERMILLE
        return any(
            self._weight(run) * 1000 >= least
            and any(run.start <= piece.start and piece.end <= run.end for piece in self.kept)
            for run in self.runs
        )

    def _tells(self, piece: Piece, weigh: Weigh) -> bool:
        """Whether the piece's terms are rare enough together, in a text that is unlike the record around it."""
        terms = set(self.pasted.terms[piece.start : piece.end].tolist())
        telling = sum(map(weigh, terms.difference(self.prompt.terms.tolist())))
        enough = any(self._weight(piece) >= weight and telling >= least for weight, least in TELLING_RUNS)
        return enough and len(terms) >= RELATIVE_TERMS_MIN and self._is_unlike(piece, weigh)

    def _is_unlike(self, piece: Piece, weigh: Weigh) -> bool:
        """Whether the terms around the piece, but for those of shared runs, are few of the record's around it."""
        size = piece.end - piece.start
        ours = _around(self.pasted, piece.start, size, [(run.start, run.end) for run in self.runs])
        places = [(run.record_start, run.record_start + run.end - run.start) for run in self.runs]
        theirs = _around(self.record, piece.record_start, size, places)
        return sum(map(weigh, ours & theirs)) * 1000 < sum(map(weigh, ours)) * UNLIKE_PERMILLE or not ours


def _around(text: Text, start: int, size: int, shared: Sequence[tuple[int, int]]) -> set[int]:
    """Terms up to AROUND_UNITS_MAX units before and after a run, but for those that begin in shared ones."""
    first, last = max(0, start - AROUND_UNITS_MAX), start + size + AROUND_UNITS_MAX
    terms = text.terms[first:last].tolist()
    inside = bytearray(len(terms))
    for begin, end in shared:
        begin, end = max(begin, first), min(end, first + len(inside))
        if begin < end:
            inside[begin - first : end - first] = b"\1" * (end - begin)
    return {term for term, left_out in zip(terms, inside, strict=True) if not left_out}
