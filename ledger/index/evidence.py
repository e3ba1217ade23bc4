"""What a check found: which records hold which units of the pasted text. SPEC.md section 5."""

from dataclasses import dataclass, field

from ledger.index.cover import Piece, cover, union_weight
from ledger.index.rules import WORD_WEIGHT
from ledger.index.spans import make_span, span_of
from ledger.index.text import Text
from ledger.index.verdict import Layer, Span


@dataclass(frozen=True, slots=True)
class Match:
    """A record that has something of the pasted text."""

    record_id: int
    layer: Layer
    text: Text  # the record's output
    kept: list[Piece]  # may overlap
    subtracted: list[Piece]  # what the record's prompt contained


@dataclass(slots=True)
class Evidence:
    """All matches of one check."""

    pasted: Text
    matches: list[Match] = field(default_factory=list)
    capped: bool = False  # candidates were left uncompared

    def spans(self) -> list[Span]:
        """Disjoint spans of all records, by start: first what counts, then subtracted ones in what is left."""
        texts = {match.record_id: match.text for match in self.matches}
        taken = bytearray(len(self.pasted.units))
        kept = cover((piece for match in self.matches for piece in match.kept), self.pasted.units, taken)
        echoes = cover((piece for match in self.matches for piece in match.subtracted), self.pasted.units, taken)
        spans: list[Span] = []
        floor = 0
        for echo, piece in sorted([(False, piece) for piece in kept] + [(True, piece) for piece in echoes], key=_start):
            span, floor = span_of(piece, self.pasted, texts[piece.record_id], floor, echo)
            spans.append(span)
        return spans

    def whole_span(self, match: Match) -> Span:
        """The span of an exact match, none of it subtracted: from end to end, with outer whitespace."""
        words = self.pasted.units.totals[-1] // WORD_WEIGHT
        ends = (0, len(self.pasted.original)), (0, len(match.text.original))
        return make_span(match.record_id, self.pasted, *ends, words, False)

    def matched_weight(self) -> int:
        """Of the units that count for at least one record."""
        return union_weight((piece for match in self.matches for piece in match.kept), self.pasted.units)

    def own_weight(self, match: Match) -> int:
        """Of the units that count for this record, whoever else has them."""
        return union_weight(match.kept, self.pasted.units)

    def longest_weight(self, match: Match) -> int:
        """Of the record's longest piece that counts."""
        return max((self.pasted.units.weight(piece.start, piece.end) for piece in match.kept), default=0)


def _start(item: tuple[bool, Piece]) -> int:
    return item[1].start
