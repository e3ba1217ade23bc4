"""Fingerprints of a text: hashes of its shingles, thinned by winnowing. SPEC.md section 3.

    units     once upon a time there was a little ant          A shingle is the shortest run of units, from one unit on,
    shingles  [once upon a time there]                         that weighs 5 words. Of each window of 4 neighbouring
                   [upon a time there was]                     shingles the one with the least hash is kept: texts that
                        [a time there was a] ...               share 8 words share a window, and so a fingerprint.

Schleimer, Wilkerson, Aiken: Winnowing, SIGMOD 2003.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from typing import Final
from zlib import crc32

import numpy as np

from ledger.index.rules import FINGERPRINT_RULES, SHINGLE_WEIGHT, WINDOW_SHINGLES, WORD_WEIGHT
from ledger.index.units import Units

_PERSON: Final = FINGERPRINT_RULES.encode("ascii")


@dataclass(frozen=True, slots=True)
class Shingles:
    """All shingles of a text, as columns: shingle i is made of the units i <= unit < ends[i]."""

    hashes: list[int]  # signed 64-bit numbers, as databases store them
    ends: list[int]


def shingles_of(units: Units) -> Shingles:
    """One shingle for each unit that has SHINGLE_WEIGHT from it on."""
    ends = ends_of(units, SHINGLE_WEIGHT)
    words = [word.encode() for word in units.words]
    joined, starts = b" ".join(words), list(accumulate([len(word) + 1 for word in words], initial=0))
    digests = [
        blake2b(joined[start : starts[end] - 1], digest_size=8, person=_PERSON).digest()
        for start, end in zip(starts, ends, strict=False)
    ]
    return Shingles(np.frombuffer(b"".join(digests), ">i8").tolist(), ends)


def ends_of(units: Units, weight: int) -> list[int]:
    """For each unit that has this weight from it on, the end of the shortest run of units with it."""
    if units.only_words:
        return list(range(-(-weight // WORD_WEIGHT), len(units) + 1))
    totals = np.array(units.totals)
    ends = np.searchsorted(totals, totals[:-1] + weight)
    return ends[ends < len(totals)].tolist()


def winnow(hashes: list[int]) -> list[int]:
    """Which shingles are fingerprints: in each window the one of least hash, the last of equals. Ascending.

    Fewer shingles than a window has are one window.
    """
    size = min(WINDOW_SHINGLES, len(hashes))
    if not size:
        return []
    values, count = np.array(hashes), len(hashes) - size + 1
    least = np.array([values[i : i + count] for i in range(size)])[::-1].argmin(axis=0)  # counted from the window's end
    least = np.arange(size - 1, len(hashes)) - least
    return least[np.flatnonzero(np.diff(least, prepend=-1))].tolist()


def edges_of(units: Units, starts: Sequence[int], ends: Sequence[int]) -> list[int]:
    """What stands beside each shingle of units start <= i < end: a hexadecimal digit for each of two units each way.

    0 is the text's edge. Stored with the hash, it tells most chance hits from runs without loading a text.
    """
    digits = np.array([0, 0, *map(_digit, units.words), 0, 0])  # of unit i at i + 2
    left, right = np.array(starts, dtype=int), np.array(ends, dtype=int) + 2
    return (digits[left + 1] << 12 | digits[left] << 8 | digits[right] << 4 | digits[right + 1]).tolist()


def may_be_run(ours: int, theirs: int) -> bool:
    """Whether two texts that share a shingle with these edges may share a run of RUN_WEIGHT_MIN around it.

    A shingle weighs less than SHINGLE_WEIGHT + WORD_WEIGHT, so such a run has at least three units more, and so two
    among the four nearest, counted outwards without a gap.
    """
    agree = [(ours >> shift) & 15 == (theirs >> shift) & 15 != 0 for shift in (12, 8, 4, 0)]
    left = agree[0] + (agree[0] and agree[1])
    right = agree[2] + (agree[2] and agree[3])
    return left + right >= 2


@lru_cache(maxsize=1 << 16)
def _digit(word: str) -> int:
    return crc32(word.encode()) % 15 + 1
