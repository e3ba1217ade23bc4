"""Cuts a normal form into units: words, or single characters of scripts written without spaces. SPEC.md section 2.

Cutting and hashing are in C (`ledger.compiled.matching`), which fills arrays; lists of them are made where one is asked
for.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ledger.compiled.matching import UnitColumns, cut_units
from ledger.index.characters import unit_classes
from ledger.index.rules import DENSE_WEIGHT, WIDE_WEIGHT, WORD_WEIGHT

_WEIGHTS: Final = (WORD_WEIGHT, WIDE_WEIGHT, DENSE_WEIGHT)


@dataclass(frozen=True)
class Units:
    """The units of one normal form: unit i is words[i], at text[starts[i]:ends[i]]."""

    text: str
    columns: UnitColumns

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def total(self) -> int:
        """Weight of all units, in fifths of a word."""
        return int(self.columns.totals[-1])

    @property
    def truncated(self) -> bool:
        """Whether more units follow in the text; the weight limit left them out."""
        return self.columns.truncated

    def weight(self, start: int, end: int) -> int:
        """Weight of the units start <= i < end, in fifths of a word."""
        return self.totals[end] - self.totals[start]

    @cached_property
    def totals(self) -> list[int]:
        """totals[i] is the weight of the units before i; one entry more than units."""
        return self.columns.totals.tolist()

    @cached_property
    def starts(self) -> list[int]:
        return self.columns.starts.tolist()

    @cached_property
    def ends(self) -> list[int]:
        return self.columns.ends.tolist()

    @cached_property
    def words(self) -> list[str]:
        return [self.text[start:end] for start, end in zip(self.starts, self.ends, strict=True)]


def units_of(text: str, weight_max: int | None = None) -> Units:
    """The units of a normal form, from its beginning up to the weight limit. Punctuation and symbols are no units.

    A word has letters and digits, their marks, and apostrophes between letters.
    """
    return Units(text, cut_units(text, unit_classes(), _WEIGHTS, weight_max))
