"""The last layers of a check: records that the pasted text is an edited or reworded copy of. SPEC.md section 6."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rapidfuzz.distance import LCSseq

from ledger.compiled.matching import UInt32s
from ledger.index.calibration import point_of, scores_of
from ledger.index.cover import Piece, split_run, union_weight
from ledger.index.echo import echoed_units
from ledger.index.loading import Load, Output
from ledger.index.resemblance import Shares, Window
from ledger.index.rules import (
    BY_TERMS_MAX,
    COMPARED_MAX,
    EDITED_WEIGHT_MIN,
    LOADED_AT_ONCE,
    LOADED_CHARS_MAX,
    RELATIVE_TERMS_MIN,
    REWORDED_WEIGHT_MIN,
    TERM_POSTINGS_MAX,
    TERMS_MAX,
    TERMS_MIN,
    WHOLE_WEIGHT_MAX,
    WINDOW_WEIGHT,
    WINDOWS_MAX,
)
from ledger.index.runs import Run
from ledger.index.terms import Weigh
from ledger.index.text import Text

# Records with the most weight of these terms among their rarest.
FindByTerms = Callable[[Mapping[int, int], int], Sequence[int]]

_BLOCK_UNITS_MIN = 2  # aligned units in a row that are evidence; single ones align by chance
_ECHO_OF_TERMS = 800  # thousandths of what a record shares with a window: as much in its prompt makes it an echo


@dataclass(frozen=True, slots=True)
class Relative:
    """The record that a window of the pasted text resembles most, and how much."""

    record_id: int
    text: Text  # the record's output
    start: int  # units of the pasted text: the window
    end: int
    record_start: int  # units of the record's output that the window was compared with
    record_end: int
    shares: Shares
    score: int  # thousandths above what others share with the window anyway
    aligned: list[Piece]  # runs that stand in both in the same order, what the prompt contained left out
    echoed: list[Piece]  # those that the prompt contained
    aligned_permille: int  # of the window's weight
    aligned_terms: int  # different ones
    different_terms: int  # of the window

    def excess(self, weight: int) -> int:
        """How far the score is above what a reworded relative needs."""
        return self.score - point_of(weight).reworded


@dataclass(slots=True)
class Vocabulary:
    """What is known of the pasted text's terms, and how to find records by them."""

    weigh: Weigh
    texts_of_term: Mapping[int, int]
    find: FindByTerms


@dataclass(slots=True)
class _Compared:
    """A record that was loaded; kept for the other windows."""

    text: Text
    prompt: Text


@dataclass(slots=True)
class Comparer:
    """Compares windows of one pasted text with records, within bounds."""

    pasted: Text
    load: Load
    known: Vocabulary
    shingled: Sequence[int]  # records by number of shared fingerprints, most first
    capped: bool = False
    _records: dict[int, _Compared | None] = field(default_factory=dict)
    _chars: int = 0

    def relatives(self) -> list[Relative]:
        """The best relative of each window, the whole text's first. None of them is a claim yet."""
        terms = self.pasted.terms
        found = [self._best(terms, start, end) for start, end in self._windows(len(terms))]
        return [relative for relative in found if relative is not None]

    def _windows(self, terms: int) -> Iterator[tuple[int, int]]:
        """The whole of a text that is not long; of a long one, windows that overlap by half."""
        units = self.pasted.units
        if units.total < EDITED_WEIGHT_MIN:
            return
        if units.total <= WHOLE_WEIGHT_MAX:
            yield 0, len(units)
            return
        start = 0
        for _ in range(WINDOWS_MAX):
            end = _reach(units.totals, start, WINDOW_WEIGHT)
            yield start, end
            if end >= len(units):
                return
            start = _reach(units.totals, start, WINDOW_WEIGHT // 2)
        self.capped = True

    def _best(self, terms: UInt32s, start: int, end: int) -> Relative | None:
        window = Window.of(terms[start : min(end, len(terms))], self.known.weigh)
        candidates = dict.fromkeys(self._by_terms(window))
        candidates |= dict.fromkeys(self.shingled[: COMPARED_MAX - len(candidates)])
        compared = self._loaded(list(candidates))
        if not compared:
            return None
        regions = [window.region_of(record.text.terms) for _, record in compared]
        shares = [
            window.shares(record.text.terms[first:last])
            for (_, record), (first, last) in zip(compared, regions, strict=True)
        ]
        scores = scores_of(shares, self.pasted.units.weight(start, end))
        order = sorted(range(len(compared)), key=lambda i: (-scores[i], compared[i][0]))
        for i in order:
            record_id, record = compared[i]
            if window.share_in(record.prompt.terms) * 1000 < shares[i].terms * _ECHO_OF_TERMS:
                return self._relative(record_id, record, (start, end), regions[i], shares[i], scores[i])
        return None

    def _by_terms(self, window: Window) -> Sequence[int]:
        """Candidates by the window's rarest terms that some record has."""
        texts = self.known.texts_of_term
        weights = dict(zip(window.known.tolist(), window.weights.tolist(), strict=True))
        rarest = sorted((term for term in weights if term in texts), key=lambda term: (texts[term], term))
        chosen: dict[int, int] = {}
        expected = 0
        for term in rarest[:TERMS_MAX]:
            expected += texts[term]
            if expected > TERM_POSTINGS_MAX and len(chosen) >= TERMS_MIN:
                break
            chosen[term] = weights[term]
        return self.known.find(chosen, BY_TERMS_MAX) if chosen else []

    def _loaded(self, record_ids: Sequence[int]) -> list[tuple[int, _Compared]]:
        """Those of the records that may be matched, and that there is room for."""
        new = [record_id for record_id in record_ids if record_id not in self._records]
        while new and self._has_room():
            page, new = new[:LOADED_AT_ONCE], new[LOADED_AT_ONCE:]
            for record_id, output in zip(page, self.load(page), strict=True):
                if not self._has_room():
                    break
                self._records[record_id] = self._compared(output)
        return [(record_id, record) for record_id in record_ids if (record := self._records.get(record_id)) is not None]

    def _has_room(self) -> bool:
        """Whether another record may be compared; it is remembered if one could not."""
        self.capped = self.capped or self._chars > LOADED_CHARS_MAX
        return self._chars <= LOADED_CHARS_MAX

    def _compared(self, output: Output | None) -> _Compared | None:
        if output is None:
            return None
        self._chars += len(output.output_text) + len(output.prompt_text)
        return _Compared(Text(output.output_text), Text(output.prompt_text))

    def _relative(
        self,
        record_id: int,
        record: _Compared,
        window: tuple[int, int],
        region: tuple[int, int],
        shares: Shares,
        score: int,
    ) -> Relative:
        start, end = window
        first, last = region[0], min(len(record.text.units), region[1] + 1)
        ours, theirs = self.pasted.units.words[start:end], record.text.units.words[first:last]
        echoes = echoed_units(self.pasted, record.prompt)
        aligned: list[Piece] = []
        echoed: list[Piece] = []
        for step in LCSseq.opcodes(ours, theirs):
            if step.tag == "equal" and step.src_end - step.src_start >= _BLOCK_UNITS_MIN:
                run = Run(start + step.src_start, start + step.src_end, first + step.dest_start)
                kept, subtracted = split_run(record_id, run, echoes)
                aligned += kept
                echoed += subtracted
        share = union_weight(aligned, self.pasted.units) * 1000 // self.pasted.units.weight(start, end)
        terms = self.pasted.terms
        different = len({term for piece in aligned for term in terms[piece.start : piece.end].tolist()})
        return Relative(
            record_id=record_id,
            text=record.text,
            start=start,
            end=end,
            record_start=first,
            record_end=last,
            shares=shares,
            score=score,
            aligned=aligned,
            echoed=echoed,
            aligned_permille=share,
            aligned_terms=different,
            different_terms=len(set(terms[start:end].tolist())),
        )


def is_edited(relative: Relative, weight: int) -> bool:
    """Whether the window is an edited copy of the record."""
    return (
        weight >= EDITED_WEIGHT_MIN
        and relative.aligned_permille >= point_of(weight).edited
        and relative.aligned_terms >= RELATIVE_TERMS_MIN
    )


def is_reworded(relative: Relative, weight: int) -> bool:
    """Whether the window is a reworded relative of the record, the weaker claim."""
    return (
        weight >= REWORDED_WEIGHT_MIN
        and relative.excess(weight) >= 0
        and relative.different_terms >= RELATIVE_TERMS_MIN
    )


def _reach(totals: Sequence[int], start: int, weight: int) -> int:
    """The first unit by which `weight` is passed, from `start` on; the end of the text if it is not."""
    end = start
    while end < len(totals) - 1 and totals[end] - totals[start] < weight:
        end += 1
    return end
