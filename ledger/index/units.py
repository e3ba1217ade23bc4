"""Cuts a normal form into units: words, or single characters of scripts written without spaces. SPEC.md section 2."""

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import accumulate, islice, repeat
from typing import Final

from ledger.index.characters import classes
from ledger.index.rules import DENSE_WEIGHT, WIDE_WEIGHT, WORD_WEIGHT

# Of ASCII texts, a word's expression in small sets of characters: several times as fast.
_ASCII_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*", re.ASCII)


@dataclass(frozen=True)
class Units:
    """The units of one normal form, as columns: unit i is words[i], at text[starts[i]:ends[i]]."""

    text: str
    words: list[str]
    totals: list[int]  # totals[i] is the weight of the units before i; one entry more than units
    truncated: bool  # more units follow in the text; the weight limit left them out

    def __len__(self) -> int:
        return len(self.words)

    def weight(self, start: int, end: int) -> int:
        """Weight of the units start <= i < end, in fifths of a word."""
        return self.totals[end] - self.totals[start]

    @cached_property
    def starts(self) -> list[int]:
        return [match.start() for match in islice(_pattern(self.text).finditer(self.text), len(self))]

    @cached_property
    def ends(self) -> list[int]:
        return [start + len(word) for start, word in zip(self.starts, self.words, strict=True)]

    @property
    def only_words(self) -> bool:
        return self.totals[-1] == WORD_WEIGHT * len(self)


def units_of(text: str, weight_max: int | None = None) -> Units:
    """The units of a normal form, from its beginning up to the weight limit. Punctuation and symbols are no units."""
    words = _pattern(text).findall(text)
    weights = repeat(WORD_WEIGHT, len(words)) if text.isascii() else map(_weight_of, words)
    totals = list(accumulate(weights, initial=0))
    count = len(words) if weight_max is None else bisect_right(totals, weight_max) - 1
    return Units(text, words[:count], totals[: count + 1], truncated=count < len(words))


def _pattern(text: str) -> re.Pattern[str]:
    return _ASCII_WORD if text.isascii() else _any_unit()


@cache
def _any_unit() -> re.Pattern[str]:
    """A word has letters and digits, their marks, and apostrophes between letters; no alternative can backtrack."""
    known = classes()
    letter, mark = rf"[^\W_{known.wide}{known.dense}]", f"[{known.marks}]"
    word = f"{letter}+(?:{mark}+{letter}*|'{letter}+)*"
    return re.compile(f"{word}|[{known.wide}{known.dense}]{mark}*")


@lru_cache(maxsize=1 << 16)
def _weight_of(word: str) -> int:
    wide, dense = _kinds()
    return WIDE_WEIGHT if wide.match(word) else DENSE_WEIGHT if dense.match(word) else WORD_WEIGHT


@cache
def _kinds() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(f"[{classes().wide}]"), re.compile(f"[{classes().dense}]")
