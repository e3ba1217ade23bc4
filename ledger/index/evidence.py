"""What a check found: which records hold which units of the pasted text. SPEC.md section 7."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ledger.index.common import Common, nothing_common
from ledger.index.cover import Piece, cover, union_weight
from ledger.index.relatives import Comparer, Relative, is_edited, is_reworded
from ledger.index.rules import WORD_WEIGHT
from ledger.index.spans import make_span, span_of
from ledger.index.text import Text
from ledger.index.verdict import Holders, Layer, Span, Subtracted


@dataclass(frozen=True, slots=True)
class Match:
    """A record that has something of the pasted text."""

    record_id: int
    layer: Layer
    text: Text  # the record's output
    kept: list[Piece]  # may overlap
    subtracted: list[Piece]  # what the record's prompt contained
    common: list[Piece] = field(default_factory=list)  # short phrases that many different outputs have
    relative: Relative | None = None  # of the layers `edited` and `reworded`: the window that resembles it most

    @property
    def found(self) -> bool:
        """Whether the record has something that counts."""
        return bool(self.kept) or self.relative is not None


@dataclass(slots=True)
class Evidence:
    """All matches of one check."""

    pasted: Text
    matches: list[Match] = field(default_factory=list)
    common: Common = field(default_factory=nothing_common)  # what many hold of the text
    capped: bool = False  # candidates were left uncompared
    whole_holders: Holders | None = None  # of the whole text, if many hold it as it is
    relatives: Sequence[Relative] = ()  # the best of each window, enough for a claim or not, if they were looked for
    compared_units: int = 0  # of the text, from its beginning: looked at for edited and reworded copies

    @property
    def found(self) -> bool:
        return any(match.found for match in self.matches)

    def add_relatives(self, comparer: Comparer) -> None:
        """Records that windows of the text are edited copies of; if there are none, reworded relatives."""
        self.relatives = relatives = comparer.relatives()
        self.compared_units = max((relative.end for relative in relatives), default=0)
        self.capped |= comparer.capped
        weight = self.pasted.units.weight
        layers: tuple[tuple[Layer, Callable[[Relative, int], bool]], ...] = (
            ("edited", is_edited),
            ("reworded", is_reworded),
        )
        for layer, holds in layers:
            held = [relative for relative in relatives if holds(relative, weight(relative.start, relative.end))]
            for record_id in dict.fromkeys(relative.record_id for relative in held):
                self.matches.append(_match_of(layer, [each for each in held if each.record_id == record_id]))
            if held:
                return

    def spans(self) -> list[Span]:
        """Disjoint spans of all records, by start: first what counts, then subtracted ones in what is left."""
        texts = {match.record_id: match.text for match in self.matches}
        taken = bytearray(len(self.pasted.units))
        kept = cover((piece for match in self.matches for piece in match.kept), self.pasted.units, taken)
        echoes = cover((piece for match in self.matches for piece in match.subtracted), self.pasted.units, taken)
        common = cover((piece for match in self.matches for piece in match.common), self.pasted.units, taken)
        found: list[tuple[Piece, Subtracted | None]] = [(piece, None) for piece in kept]
        found += [(piece, "prompt") for piece in echoes] + [(piece, "common") for piece in common]
        spans: list[Span] = []
        floor = 0
        for piece, why in sorted(found, key=lambda item: item[0].start):
            holders = self.common.holders(self.pasted, piece.start, piece.end)
            span, floor = span_of(piece, self.pasted, texts[piece.record_id], floor, why, holders)
            spans.append(span)
        return spans

    def whole_span(self, match: Match) -> Span:
        """The span of an exact match, none of it subtracted: from end to end, with outer whitespace."""
        words = self.pasted.units.total // WORD_WEIGHT
        ends = (0, len(self.pasted.original)), (0, len(match.text.original))
        return make_span(match.record_id, self.pasted, *ends, words, None, self.whole_holders)

    def matched_weight(self) -> int:
        """Of the units that count for at least one record."""
        return union_weight((piece for match in self.matches for piece in match.kept), self.pasted.units)

    def own_weight(self, match: Match) -> int:
        """Of the units that count for this record, whoever else has them."""
        return union_weight(match.kept, self.pasted.units)

    def longest_weight(self, match: Match) -> int:
        """Of the record's longest piece that counts."""
        return max((self.pasted.units.weight(piece.start, piece.end) for piece in match.kept), default=0)


def _match_of(layer: Layer, relatives: list[Relative]) -> Match:
    """What several windows have of one record. A reworded relative has no spans: nothing of it is verbatim evidence."""
    best = max(relatives, key=lambda relative: (relative.aligned_permille, relative.score))
    if layer == "reworded":
        return Match(best.record_id, layer, best.text, [], [], relative=best)
    kept = [piece for relative in relatives for piece in relative.aligned]
    echoed = [piece for relative in relatives for piece in relative.echoed]
    return Match(best.record_id, layer, best.text, kept, echoed, relative=best)
