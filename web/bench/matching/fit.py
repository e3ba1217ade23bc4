"""The thresholds of `ledger.index.calibration`, from one half of the rows: `rail bench thresholds`.

`reworded` of a length is the least score that at most 1 % of the texts of each class of human texts (N1, N2, N5) reach,
cut to that length; `edited` the least aligned share that at most 1 % of each class of other answers (N3, N4) reach.
Verbatim hits count as texts that reach neither. A class with few texts of a length sets nothing there. Both numbers are
rounded up to tens, and are no less than those of greater lengths.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.index.calibration import POINTS, Point
from web.bench.matching.cells import NEGATIVES_FACTOR, Tell, sample
from web.bench.matching.methods import VERBATIM, Found
from web.bench.matching.sets import Sets

LENGTHS: Final = (*(point.words for point in POINTS), 0)  # words; 0: whole texts, of which only verbatim hits are told
RATE: Final = 0.01
TEXTS_MIN: Final = 100  # of a class: fewer bear out no rate of 1 %
_HUMAN: Final = ("N1", "N2", "N5")
_ANSWERS: Final = ("N3", "N4")
_STEP: Final = 10
OUTPUTS: Final = "none"  # the edit that is none: passages of registered outputs


@dataclass(frozen=True, slots=True)
class Reached:
    """What the texts of one class and length reach."""

    words: int  # 0: whole texts
    kind: str  # N1 to N5, or OUTPUTS
    texts: int
    verbatim: float  # share that is exact or an excerpt
    score: int | None  # the least that at most RATE reach; None where it sets nothing
    aligned: int | None  # the least share, in thousandths, that at most RATE reach


def measure(sets: Sets, find: Callable[[str], Found], limit: int, tell: Tell) -> list[Reached]:
    """For each length and class, of at most four times `limit` texts of a class and `limit` outputs."""
    kinds = [(kind, sets.negatives[kind], limit * NEGATIVES_FACTOR) for kind in (*_HUMAN, *_ANSWERS)]
    kinds.append((OUTPUTS, sets.edits.get(OUTPUTS, []), limit))
    work = [
        (words, kind, [query.text for query in sample(queries, most, f"fit/{kind}/{words}", words)])
        for words in LENGTHS
        for kind, queries, most in kinds
    ]
    total, done = sum(len(texts) for _, _, texts in work), 0
    rows: list[Reached] = []
    for words, kind, texts in work:
        found: list[Found] = []
        for text in texts:
            found.append(find(text))
            done += 1
            tell(done, total)
        rows.append(_reached(words, kind, found))
    return rows


def _reached(words: int, kind: str, found: Sequence[Found]) -> Reached:
    verbatim = [each.score >= VERBATIM for each in found]
    scores = [0 if hit else int(each.score) for each, hit in zip(found, verbatim, strict=True)]
    sets_one = words > 0 and len(found) >= TEXTS_MIN
    return Reached(
        words,
        kind,
        len(found),
        round(sum(verbatim) / max(1, len(found)), 4),
        least(scores, RATE) if sets_one and kind in _HUMAN else None,
        least([each.aligned for each in found], RATE) if sets_one and kind in _ANSWERS else None,
    )


def least(values: Sequence[int], rate: float) -> int:
    """The least number that at most this share of the values reach; 0 <= rate < 1."""
    return sorted(values, reverse=True)[int(rate * len(values))] + 1


def points(rows: Sequence[Reached]) -> list[Point]:
    """The thresholds, for each length that some class has enough texts of; `floor` is left as it is."""
    found: list[Point] = []
    reworded = edited = 0
    for point in reversed(POINTS):
        here = [row for row in rows if row.words == point.words]
        reworded = max(reworded, *(_rounded(row.score) for row in here if row.score is not None), 0)
        edited = max(edited, *(_rounded(row.aligned) for row in here if row.aligned is not None), 0)
        found.append(Point(point.words, point.floor, reworded, edited))
    return found[::-1]


def _rounded(number: int) -> int:
    return -(-number // _STEP) * _STEP
