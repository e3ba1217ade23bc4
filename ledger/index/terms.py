"""Terms: what edited and reworded copies are found by, and how much each of them tells. SPEC.md section 5.

A term is the shortest run of units that weighs at least a word: one word, two Chinese characters, five Thai letters.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from itertools import accumulate
from math import log
from typing import Final

import numpy as np

from ledger.compiled.matching import Int32s, Int64s, UInt32s, hash_runs
from ledger.index.rules import PRIOR_TEXTS, WORD_WEIGHT
from ledger.index.units import Units, units_of

_PERSON: Final = b"rail-term/1"
_HASH_BYTES: Final = 4
_NEAR_HALF: Final = 1e-6  # of a weight before it is rounded: far more than logarithms of two libraries differ

Weigh = Callable[[int], int]  # a term's weight: thousandths of the natural logarithm of how rare it is


def terms_of(units: Units) -> UInt32s:
    """One term for each unit that has the weight of a word from it on: 31 bits of its hash."""
    _, hashes = hash_runs(units.columns, WORD_WEIGHT, _HASH_BYTES, _PERSON)
    return (hashes >> np.uint64(1)).astype(np.uint32)


def weights_of(counts: Int64s, texts: Int64s) -> Int32s:
    """Weights of terms that are in so many of so many texts, common words' prior counts included in neither.

    As `weigher` gives them, bit for bit: the few that two libraries' logarithms may round apart are asked of one.
    """
    odds = (texts + PRIOR_TEXTS + 1) / (counts + 0.5)
    exact = 1000 * np.log(odds)
    weights = np.rint(exact).astype(np.int32)
    for i in np.flatnonzero(np.abs(np.abs(exact - weights) - 0.5) < _NEAR_HALF).tolist():
        weights[i] = round(1000 * log(odds[i]))
    return weights


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


def prior_of(terms: UInt32s) -> Int64s:
    """In how many of PRIOR_TEXTS texts each of these terms is."""
    known = _prior()
    return np.array([known.get(term, 0) for term in terms.tolist()], np.int64)


@cache
def _prior() -> dict[int, int]:
    """In how many of PRIOR_TEXTS texts each common word is."""
    words: list[str] = []
    counts: list[int] = []
    for line in files("ledger.index").joinpath("common_words.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            share, *some = line.split("\t")
            words += some
            counts += [int(share) * PRIOR_TEXTS // 1000] * len(some)
    terms = terms_of(units_of(" ".join(words)))
    places = accumulate((len(word.split(" ")) for word in words[:-1]), initial=0)  # two units make a Chinese term
    return dict(zip(terms[list(places)].tolist(), counts, strict=True))
