"""Cuts a normal form into units: words, or single characters of scripts written without spaces. SPEC.md section 2."""

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, islice
from typing import Final

from ledger.index.characters import classes
from ledger.index.rules import DENSE_WEIGHT, WIDE_WEIGHT, WORD_WEIGHT

_WEIGHTS: Final = (0, WORD_WEIGHT, WIDE_WEIGHT, DENSE_WEIGHT)  # by the number of the pattern's group


@dataclass(frozen=True, slots=True)
class Units:
    """The units of one normal form, as columns: unit i is words[i], at text[starts[i]:ends[i]]."""

    words: list[str]
    starts: list[int]
    ends: list[int]
    totals: list[int]  # totals[i] is the weight of the units before i; one entry more than units
    truncated: bool  # more units follow in the text; the weight limit left them out

    def __len__(self) -> int:
        return len(self.words)

    def weight(self, start: int, end: int) -> int:
        """Weight of the units start <= i < end, in fifths of a word."""
        return self.totals[end] - self.totals[start]


def units_of(text: str, weight_max: int | None = None) -> Units:
    """The units of a normal form, from its beginning up to the weight limit. Punctuation and symbols are no units."""
    # No unit weighs less than DENSE_WEIGHT = 1, so one match more than the limit is enough to know that it is passed.
    matches = list(islice(_pattern().finditer(text), None if weight_max is None else weight_max + 1))
    weights = [_WEIGHTS[match.lastindex or 0] for match in matches]
    totals = [0, *accumulate(weights)]
    count = len(matches) if weight_max is None else bisect_right(totals, weight_max) - 1
    return Units(
        words=[match[0] for match in matches[:count]],
        starts=[match.start() for match in matches[:count]],
        ends=[match.end() for match in matches[:count]],
        totals=totals[: count + 1],
        truncated=count < len(matches),
    )


@cache
def _pattern() -> re.Pattern[str]:
    """A word has letters and digits, their marks, and apostrophes between letters; no alternative can backtrack."""
    known = classes()
    letter, mark = rf"[^\W_{known.wide}{known.dense}]", f"[{known.marks}]"
    word = f"{letter}+(?:{mark}+{letter}*|'{letter}+)*"
    return re.compile(f"({word})|([{known.wide}]{mark}*)|([{known.dense}]{mark}*)")
