"""The answer to "did this text come from a registered run?", and its JSON. SPEC.md section 8.

It never says who wrote a text: only what a record holds.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ledger.index.rules import RULES

VerdictName = Literal["exact", "excerpt", "edited", "reworded", "none", "unchecked"]
Layer = Literal["raw", "normalised", "folded", "excerpt", "edited", "reworded"]


# Why a span does not count: the record's prompt contained it, or it is a short phrase that many hold.
Subtracted = Literal["prompt", "common"]
Holders = Literal["outputs", "registrants"]


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the pasted text that stands in a record's output. Offsets are half-open. Spans do not overlap."""

    record_id: int
    start: int  # in code points of the pasted text
    end: int
    start_utf16: int  # the same in UTF-16 code units, for browsers
    end_utf16: int
    record_start: int  # in code points of the record's output text
    record_end: int
    words: int  # a character of a script without spaces counts 4/5 or 1/5; rounded down
    subtracted: Subtracted | None  # why the span does not count; None: it counts
    common_to: Holders | None  # 8 different outputs, or registrants, have it; None: not so many


@dataclass(frozen=True, slots=True)
class Resemblance:
    """The window of the pasted text that resembles a record most. Offsets are half-open; shares are thousandths."""

    start: int  # in code points of the pasted text
    end: int
    start_utf16: int
    end_utf16: int
    record_start: int  # in code points of the record's output text
    record_end: int
    aligned_permille: int  # of the window, by weight: in runs of 2 words or more that stand in both in one order
    terms_permille: int  # of the weight of the window's terms: terms that the record has
    pairs_permille: int  # pairs of near terms that it has
    order_permille: int  # telling terms that it has in the same order
    score: int  # these three, less what the tenth-best record has
    score_needed: int  # for `reworded`, of a window of this length
    aligned_needed: int  # for `edited`


@dataclass(frozen=True, slots=True)
class Calibration:
    """The error rate that a verdict rests on."""

    error_ppm: int  # of a million such texts that no record is the source of, at most about so many get this verdict
    negatives: str  # which texts these were
    fitted: str  # how


@dataclass(frozen=True, slots=True)
class RecordMatch:
    """What one record has of the pasted text, whether or not other records have it too."""

    record_id: int
    layer: Layer
    matched_permille: int  # of the pasted text that was checked, without what the record's prompt contained
    longest_run_words: int
    echo_permille: int  # of the record's output that its prompt contained
    resemblance: Resemblance | None  # of the layers `edited` and `reworded`


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check of one pasted text."""

    verdict: VerdictName
    layer: Layer | None  # the strongest layer that matched; None: nothing did
    reason: str | None  # a sentence, only for `unchecked`
    reason_code: str | None
    text_chars: int  # code points of the pasted text
    text_words: int  # of its checked part
    checked_chars: int  # code points, from the beginning, in which excerpts were looked for
    compared_chars: int  # in which edited and reworded copies were looked for; 0 where stronger evidence was found
    truncated: bool  # the text goes on after the checked part
    search_capped: bool  # more records share short phrases with the text than were compared
    matched_permille: int  # of the checked part, all records together, prompt echo subtracted
    longest_run_words: int
    indexed_through: int  # the last record that was searched; -1: none
    spans: tuple[Span, ...]  # by start
    records: tuple[RecordMatch, ...]  # strongest first, then earliest
    calibration: Calibration | None  # None: the verdict rests on no estimate

    def to_json(self) -> dict[str, Any]:
        """Plain lists, dictionaries, strings and integers, with the version of the rules."""
        return {
            "rules": RULES,
            **asdict(self),
            "spans": [asdict(span) for span in self.spans],
            "records": [asdict(record) for record in self.records],
            "calibration": asdict(self.calibration) if self.calibration is not None else None,
        }
