"""Asks every method about a bounded sample of texts of each kind and length, and keeps scores."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from web.bench.matching.methods import Found, Method
from web.bench.matching.sets import Query, Sets

LENGTHS: Final = (25, 50, 100, 200, 0)  # words cut out of the text; 0: all of it
NEGATIVES_FACTOR: Final = 4  # a rate of 0.1 % needs more negatives than a recall needs positives

Tell = Callable[[int, int], None]  # (done, of)


@dataclass(slots=True)
class Cell:
    """The answers of one method to the texts of one kind and length."""

    fitted: list[float] = field(default_factory=list)  # scores of the half that thresholds are fitted on
    reported: list[float] = field(default_factory=list)  # of the other half
    right: list[bool] = field(default_factory=list)  # of the reported: whether the best record is the true one
    aligned: list[int] = field(default_factory=list)  # of the fitted, see Found.aligned; verbatim texts are left out
    verdicts: Counter[str] = field(default_factory=Counter)  # of the reported, of methods that have verdicts

    def add(self, query: Query, found: Found) -> None:
        if query.fitted:
            if found.verdict is not None and found.verdict not in ("exact", "excerpt"):
                self.aligned.append(found.aligned)
            self.fitted.append(found.score)
        else:
            if found.verdict is not None:
                self.verdicts[found.verdict] += 1
            self.reported.append(found.score)
            self.right.append(query.target is not None and found.record == query.target)

    def threshold(self, rate: float) -> float:
        """The least score above which are at most this share of the fitted half."""
        ordered = sorted(self.fitted, reverse=True)
        return ordered[int(rate * len(ordered))] if ordered else 0.0

    def share_above(self, threshold: float) -> float:
        """Of the reported half."""
        return sum(score > threshold for score in self.reported) / max(1, len(self.reported))

    def recall(self, threshold: float) -> float:
        """Share of the reported half above the threshold and with the right record."""
        hits = sum(score > threshold and right for score, right in zip(self.reported, self.right, strict=True))
        return hits / max(1, len(self.reported))

    @property
    def top1(self) -> float:
        return sum(self.right) / max(1, len(self.right))


Cells = dict[tuple[str, int, str], Cell]  # by method, length and kind: an edit, or N1 to N5


def fill(sets: Sets, methods: Sequence[Method], limit: int, lengths: Sequence[int], tell: Tell) -> Cells:
    """At most `limit` texts of each edit and length, and four times as many of each class of negatives."""
    kinds = [(name, queries, limit) for name, queries in sets.edits.items()]
    kinds += [(name, queries, limit * NEGATIVES_FACTOR) for name, queries in sets.negatives.items()]
    work = [
        (name, length, query)
        for name, queries, most in kinds
        for length in lengths
        for query in sample(queries, most, f"{name}/{length}", length)
    ]
    cells: Cells = {}
    for done, (name, length, query) in enumerate(work):
        for method in methods:
            cells.setdefault((method.name, length, name), Cell()).add(query, method.find(query.text))
        tell(done + 1, len(work))
    return cells


def sample(queries: Sequence[Query], most: int, seed: str, length: int) -> Iterator[Query]:
    """The same sample in every run, of texts that are long enough, cut to `length` words where that is not 0."""
    order = sorted(range(len(queries)), key=lambda i: sha256(f"{seed}/{i}".encode()).digest())
    taken = 0
    for i in order:
        if taken == most:
            return
        words = queries[i].text.split()
        if len(words) < length:
            continue
        taken += 1
        if length == 0:
            yield queries[i]
        else:
            start = random.Random(f"{seed}/{i}").randrange(len(words) - length + 1)
            yield Query(" ".join(words[start : start + length]), queries[i].row, queries[i].target)
