"""From how much a window resembles its best record to a claim with a known error rate. SPEC.md section 6.

`reworded` and `edited` are what `rail bench thresholds` finds on one half of its rows, which it reads alone; the error
rates are those that `rail bench matching` measured on the other half, whole texts, rounded up.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from ledger.index.resemblance import Shares
from ledger.index.rules import COHORT, RULES, WORD_WEIGHT
from ledger.index.verdict import Calibration, Layer


class Point(NamedTuple):
    """What holds for windows of so many words; between two points, the line between them holds."""

    words: int
    floor: int  # thousandths of terms that texts on one topic share anyway, where the log has no cohort to tell
    reworded: int  # least score of a reworded relative
    edited: int  # least share of the text, in thousandths, that is aligned in runs with an edited copy


POINTS: Final = (
    Point(16, 420, 540, 820),
    Point(25, 400, 400, 770),
    Point(50, 320, 300, 680),
    Point(100, 270, 280, 550),
    Point(200, 220, 270, 450),
    Point(400, 220, 190, 400),
)
_SETS: Final = "OUTFOX, DetectRL, MAGE and AlpacaEval"
_BY_HAND: Final = f"hand, with both halves of {_SETS} in view; rate of the half that is reported, whole texts"
_BY_HALF: Final = f"rail bench thresholds on one half of {_SETS}; rate of the other half, whole texts"
_OTHER_ANSWERS: Final = "answers of other models (N3) or of the same model (N4) to the same prompt"
_BY_LAYER: Final[dict[Layer, Calibration]] = {
    "excerpt": Calibration(11_000, _OTHER_ANSWERS, f"{_BY_HAND}; {RULES}"),
    "edited": Calibration(31_000, _OTHER_ANSWERS, f"{_BY_HALF}; {RULES}"),
    "reworded": Calibration(10_000, "human texts, unrelated (N1) or on the same topic (N2)", f"{_BY_HALF}; {RULES}"),
}


def calibration_of(layer: Layer | None) -> Calibration | None:
    """What a verdict of this layer rests on; None for exact texts, and where nothing was found."""
    return None if layer is None else _BY_LAYER.get(layer)


def point_of(weight: int) -> Point:
    """The numbers for a window of this weight."""
    words = weight // WORD_WEIGHT
    after = bisect_right([point.words for point in POINTS], words)
    if after == 0 or after == len(POINTS):
        return POINTS[min(after, len(POINTS) - 1)]
    one, other = POINTS[after - 1], POINTS[after]
    share = (words - one.words) * 1000 // (other.words - one.words)
    return Point(*(a + (b - a) * share // 1000 for a, b in zip(one, other, strict=True)))


def scores_of(shares: Sequence[Shares], weight: int) -> list[int]:
    """For each of the compared records, how much it resembles the window beyond what others do anyway.

    "Anyway" is the tenth-best of the other records by each share, but no less than `floor` of the terms: on a topic of
    which the log has few records, there are not ten to compare with.
    """
    floor = point_of(weight).floor
    scores: list[int] = []
    for number, own in enumerate(shares):
        others = [other for place, other in enumerate(shares) if place != number]
        terms, pairs, order = (
            (sorted(column, reverse=True) for column in zip(*others, strict=True)) if others else ((), (), ())
        )
        scores.append(
            own.terms - max(floor, _cohort(terms)) + own.pairs - _cohort(pairs) + (own.order - _cohort(order)) // 3
        )
    return scores


def _cohort(ordered: Sequence[int]) -> int:
    """The tenth-best; with fewer, 0."""
    return ordered[COHORT - 1] if len(ordered) >= COHORT else 0
