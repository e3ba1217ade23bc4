"""What is measured: our index, and the plain retrieval baseline. Each method gives a text a score and a record."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import log
from typing import Final, Protocol

import numpy as np

from ledger.database import Database
from ledger.index import ContentIndex
from ledger.index.normalise import normalise
from ledger.index.units import units_of
from web.bench.matching.sets import Registered


@dataclass(frozen=True, slots=True)
class Found:
    """The best record for a text. Scores of one method compare with each other, and with nothing else."""

    score: float
    record: int | None
    verdict: str | None = None  # of methods that have verdicts
    aligned: int = 0  # thousandths of the text that are aligned with the record, of our index where nothing is verbatim


class Method(Protocol):
    """A way to find the record of a text."""

    name: str

    def find(self, text: str) -> Found: ...


VERBATIM: Final = 10_000  # more than any score of a relative


class OurIndex:
    """The content index of this version, in a real database."""

    name = "rail"

    def __init__(self, records: list[Registered], url: str) -> None:
        self._source = _Records(records)
        self._database = Database(url, create=True)
        self._index = ContentIndex(self._database.engine, text_bytes_max=4_000_000)
        self._index.catch_up(self._source)

    def find(self, text: str) -> Found:
        """Verbatim evidence is above all resemblance; of the rest, the score of the window that resembles most."""
        verdict, relatives = self._index.examine(text, self._source)
        if verdict.verdict in ("exact", "excerpt"):
            best = verdict.records[0]
            return Found(VERBATIM + best.longest_run_words, best.record_id, verdict.verdict)
        closest = max(relatives, key=lambda relative: relative.score, default=None)
        if closest is None:
            return Found(0, None, verdict.verdict)
        return Found(closest.score, closest.record_id, verdict.verdict, closest.aligned_permille)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Code points of the text that the verdict marks as a record's."""
        verdict = self._index.verify(text, self._source)
        return [(span.start, span.end) for span in verdict.spans if span.subtracted is None]

    def close(self) -> None:
        self._database.close()


@dataclass(frozen=True, slots=True)
class _Records:
    """Records in memory, in the place of a log."""

    records: list[Registered]

    def contents(self, after_index: int) -> Iterator[tuple[int, Registered]]:
        yield from enumerate(self.records[after_index + 1 :], after_index + 1)

    def contents_of(self, indexes: Collection[int]) -> dict[int, Registered]:
        return {index: self.records[index] for index in indexes}

    def registrants_of(self, indexes: Collection[int]) -> dict[int, int]:
        return dict.fromkeys(indexes, 0)


TERMS: Final = 24
CANDIDATES: Final = 20
K1: Final = 1.2
B: Final = 0.75


class PlainRetrieval:
    """BM25 on the 24 rarest terms of the text, then the share of its IDF weight that a candidate contains."""

    name = "bm25"

    def __init__(self, records: list[Registered]) -> None:
        lists = [_words(record.output_text) for record in records]
        self._terms = [frozenset(words) for words in lists]
        postings: dict[str, dict[int, int]] = {}
        for record, words in enumerate(lists):
            for word in words:
                at = postings.setdefault(word, {})
                at[record] = at.get(record, 0) + 1
        count = len(records)
        self._idf: Mapping[str, float] = {word: log((count + 1) / (len(at) + 0.5)) for word, at in postings.items()}
        self._unknown = log((count + 1) / 0.5)
        lengths = np.array([len(words) for words in lists], dtype=float)
        norm = K1 * (1 - B + B * lengths / lengths.mean())
        self._postings: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for word, at in postings.items():
            where, often = np.fromiter(at.keys(), dtype=np.int64), np.fromiter(at.values(), dtype=float)
            self._postings[word] = where, self._idf[word] * often * (K1 + 1) / (often + norm[where])

    def find(self, text: str) -> Found:
        words = set(_words(text))
        weights = {word: self._idf.get(word, self._unknown) for word in words}
        scores = np.zeros(len(self._terms))
        rarest = sorted((word for word in words if word in self._postings), key=lambda word: (-weights[word], word))
        for word in rarest[:TERMS]:
            where, gain = self._postings[word]
            scores[where] += gain
        total = sum(weights.values()) or 1.0
        best = Found(0.0, None)
        for record in np.argsort(-scores, kind="stable")[:CANDIDATES]:
            if scores[record] > 0:
                share = sum(weights[word] for word in words & self._terms[record]) / total
                best = max(best, Found(share, int(record)), key=lambda found: found.score)
        return best


def _words(text: str) -> list[str]:
    return units_of(normalise(text)).words
