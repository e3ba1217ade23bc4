"""Records and texts for the tests of matching, and slow ways to know the right answer."""

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from ledger.index import Span, Verdict
from ledger.index.normalise import normalise
from ledger.index.units import units_of

SYLLABLES = [
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "je",
    "ki",
    "lo",
    "mu",
    "na",
    "pe",
    "qui",
    "ro",
    "su",
    "ta",
    "ve",
    "wi",
    "xo",
    "yu",
    "za",
]


@dataclass(frozen=True, slots=True)
class Record:
    """The part of a content that matching reads."""

    output_text: str
    prompt_text: str = ""
    visibility: str = "public"
    registrant: int = 0


@dataclass(slots=True)
class Source:
    """Contents in memory, in the place of a log."""

    records: dict[int, Record] = field(default_factory=dict)

    def contents(self, after_index: int) -> Iterator[tuple[int, Record]]:
        for index in sorted(self.records):
            if index > after_index and index in self.records:
                yield index, self.records[index]

    def contents_of(self, indexes: Collection[int]) -> dict[int, Record]:
        return {index: self.records[index] for index in indexes if index in self.records}

    def registrants_of(self, indexes: Collection[int]) -> dict[int, int]:
        return {index: self.records[index].registrant for index in indexes if index in self.records}


def source_of(*outputs: str) -> Source:
    """Public records 0, 1, ... without prompts."""
    return Source({index: Record(text) for index, text in enumerate(outputs)})


def made_up(seed: int, count: int) -> list[str]:
    """Words of no language; two seeds share no run of two words but by a rare chance."""
    rng = random.Random(seed)
    return ["".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))) for _ in range(count)]


def prose(seed: int, count: int) -> str:
    """Made-up words with sentences."""
    words = made_up(seed, count)
    for i in range(0, count, 11):
        words[i] = words[i].capitalize()
        words[i - 1] += "."
    return " ".join(words)


def maximal_runs(ours: Sequence[str], theirs: Sequence[str]) -> set[tuple[int, int]]:
    """All runs start <= i < end of `ours` that stand in `theirs` and in no longer such run. Cubic."""
    longest: dict[int, int] = {}
    for start in range(len(ours)):
        best = 0
        for other in range(len(theirs)):
            length = 0
            while (
                start + length < len(ours)
                and other + length < len(theirs)
                and ours[start + length] == theirs[other + length]
            ):
                length += 1
            best = max(best, length)
        if best:
            longest[start] = start + best
    return {
        (start, end)
        for start, end in longest.items()
        if not any(before < start and after >= end for before, after in longest.items())
    }


def check_spans(verdict: Verdict, text: str, source: Source) -> None:
    """What holds for the spans of every verdict: order, bounds, UTF-16, and the same words in text and record."""
    reached = 0
    for span in verdict.spans:
        assert reached <= span.start < span.end <= len(text)
        reached = span.end
        encoded = text.encode("utf-16-le")
        assert encoded[2 * span.start_utf16 : 2 * span.end_utf16].decode("utf-16-le") == text[span.start : span.end]
        record = source.records[span.record_id].output_text
        assert 0 <= span.record_start < span.record_end <= len(record)
        assert _words(text, span.start, span.end) == _words(record, span.record_start, span.record_end)
    assert {span.record_id for span in verdict.spans} <= {record.record_id for record in verdict.records}
    assert all(record.matched_permille <= verdict.matched_permille for record in verdict.records)


def counted(verdict: Verdict) -> list[Span]:
    return [span for span in verdict.spans if span.subtracted is None]


def _words(text: str, start: int, end: int) -> list[str]:
    return units_of(normalise(text[start:end])).words
