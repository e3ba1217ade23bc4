"""Terms: what edited and reworded copies are found by, and how much each of them tells. SPEC.md section 5.

A term is the shortest run of units that weighs at least a word: one word, two Chinese characters, five Thai letters.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from hashlib import blake2b
from importlib.resources import files
from math import log
from typing import Final

from ledger.index.rules import PRIOR_TEXTS, TERM_WINDOW_WEIGHT, TERMS_PER_WINDOW, WORD_WEIGHT
from ledger.index.units import Units
from ledger.index.winnow import ends_of

_PERSON: Final = b"rail-term/1"

Weigh = Callable[[int], int]  # a term's weight: thousandths of the natural logarithm of how rare it is


def terms_of(units: Units) -> list[int]:
    """One term for each unit that has the weight of a word from it on: 31 bits of its hash."""
    words = units.words
    if units.only_words:
        return list(map(_hash, words))
    ends = ends_of(units, WORD_WEIGHT)
    return [_hash(words[i] if end == i + 1 else " ".join(words[i:end])) for i, end in enumerate(ends)]


def windows_of(units: Units, terms: list[int]) -> list[set[int]]:
    """The terms of every 50 words."""
    windows: list[set[int]] = []
    start = 0
    while start < len(terms):
        end = bisect_left(units.totals, units.totals[start] + TERM_WINDOW_WEIGHT, start, len(terms))
        windows.append(set(terms[start:end]))
        start = end
    return windows


def rarest_terms(windows: Iterable[set[int]], weigh: Weigh) -> set[int]:
    """The terms that a record is found by: the rarest of every 50 words."""
    chosen: set[int] = set()
    for window in windows:
        ranked = sorted([(-weigh(term), term) for term in window])
        chosen.update([term for _, term in ranked[:TERMS_PER_WINDOW]])
    return chosen


def weigher(texts_of_term: Mapping[int, int], texts: int) -> Weigh:
    """Weights in an index of so many texts, given in how many of them each term is.

    A new index knows nothing of its language: it begins as if it had PRIOR_TEXTS texts with the words of books.
    """
    known, whole = _prior(), texts + PRIOR_TEXTS + 1
    weights: dict[int, int] = {}  # by number of texts: most terms are in few

    def weigh(term: int) -> int:
        count = texts_of_term.get(term, 0) + known.get(term, 0)
        weight = weights.get(count)
        if weight is None:
            weight = weights[count] = round(1000 * log(whole / (count + 0.5)))
        return weight

    return weigh


@cache
def _prior() -> dict[int, int]:
    """In how many of PRIOR_TEXTS texts each common word is."""
    known: dict[int, int] = {}
    for line in files("ledger.index").joinpath("common_words.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            share, *words = line.split("\t")
            known |= {_hash(word): int(share) * PRIOR_TEXTS // 1000 for word in words}
    return known


@lru_cache(maxsize=1 << 16)
def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=4, person=_PERSON).digest(), "big") >> 1
