"""The answer to "did this text come from a registered run?", and its JSON. SPEC.md section 6.

It never says who wrote a text: only what a record holds.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ledger.index.rules import RULES

VerdictName = Literal["exact", "excerpt", "none", "unchecked"]
Layer = Literal["raw", "normalised", "excerpt"]


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
    subtracted: Literal["prompt"] | None  # why the span does not count; None: it counts


@dataclass(frozen=True, slots=True)
class RecordMatch:
    """What one record has of the pasted text, whether or not other records have it too."""

    record_id: int
    layer: Layer
    matched_permille: int  # of the pasted text that was checked, without what the record's prompt contained
    longest_run_words: int
    echo_permille: int  # of the record's output that its prompt contained


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
    truncated: bool  # the text goes on after the checked part
    search_capped: bool  # more records share short phrases with the text than were compared
    matched_permille: int  # of the checked part, all records together, prompt echo subtracted
    longest_run_words: int
    indexed_through: int  # the last record that was searched; -1: none
    spans: tuple[Span, ...]  # by start
    records: tuple[RecordMatch, ...]  # strongest first, then earliest

    def to_json(self) -> dict[str, Any]:
        """Plain lists, dictionaries, strings and integers, with the version of the rules."""
        return {
            "rules": RULES,
            **asdict(self),
            "spans": [asdict(span) for span in self.spans],
            "records": [asdict(record) for record in self.records],
        }
