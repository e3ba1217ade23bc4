"""Fingerprints of a text: hashes of its shingles, thinned by winnowing. SPEC.md section 3.

    units     once upon a time there was a little ant          A shingle is the shortest run of units, from one unit on,
    shingles  [once upon a time there]                         that weighs 5 words. Of each window of 4 neighbouring
                   [upon a time there was]                     shingles the one with the least hash is kept: texts that
                        [a time there was a] ...               share 8 words share a window, and so a fingerprint.

Schleimer, Wilkerson, Aiken: Winnowing, SIGMOD 2003.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final
from zlib import crc32

from ledger.index.rules import FINGERPRINT_RULES, SHINGLE_WEIGHT, WINDOW_SHINGLES
from ledger.index.units import Units

_PERSON: Final = FINGERPRINT_RULES.encode("ascii")


@dataclass(frozen=True, slots=True)
class Shingles:
    """All shingles of a text, as columns: shingle i is made of the units i <= unit < ends[i]."""

    hashes: list[int]  # signed 64-bit numbers, as databases store them
    ends: list[int]


def shingles_of(units: Units) -> Shingles:
    """One shingle for each unit that has SHINGLE_WEIGHT from it on."""
    hashes: list[int] = []
    ends: list[int] = []
    words, totals = units.words, units.totals
    end = 0
    for start in range(len(units)):
        least = totals[start] + SHINGLE_WEIGHT
        if totals[-1] < least:
            break
        while totals[end] < least:
            end += 1
        hashes.append(_hash(" ".join(words[start:end])))
        ends.append(end)
    return Shingles(hashes, ends)


def winnow(hashes: list[int]) -> list[int]:
    """Which shingles are fingerprints: in each window the one of least hash, the last of equals. Ascending.

    Fewer shingles than a window has are one window.
    """
    kept: list[int] = []
    least = -1
    for last, value in enumerate(hashes):
        first = max(0, last - WINDOW_SHINGLES + 1)
        if least < first:
            window = hashes[last : first - 1 if first else None : -1]
            least = last - window.index(min(window))
        elif value <= hashes[least]:
            least = last
        if last - first + 1 == min(WINDOW_SHINGLES, len(hashes)) and (not kept or kept[-1] != least):
            kept.append(least)
    return kept


def edges_of(units: Units, start: int, end: int) -> int:
    """What stands beside the shingle of units start <= i < end: a hexadecimal digit for each of two units each way.

    0 is the text's edge. Stored with the hash, it tells most chance hits from runs without loading a text.
    """
    words, count = units.words, len(units)
    left = _digit(words[start - 1]) if start > 0 else 0
    left2 = _digit(words[start - 2]) if start > 1 else 0
    right = _digit(words[end]) if end < count else 0
    right2 = _digit(words[end + 1]) if end + 1 < count else 0
    return left << 12 | left2 << 8 | right << 4 | right2


def may_be_run(ours: int, theirs: int) -> bool:
    """Whether two texts that share a shingle with these edges may share a run of RUN_WEIGHT_MIN around it.

    A shingle weighs less than SHINGLE_WEIGHT + WORD_WEIGHT, so such a run has at least three units more, and so two
    among the four nearest, counted outwards without a gap.
    """
    agree = [(ours >> shift) & 15 == (theirs >> shift) & 15 != 0 for shift in (12, 8, 4, 0)]
    left = agree[0] + (agree[0] and agree[1])
    right = agree[2] + (agree[2] and agree[3])
    return left + right >= 2


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8, person=_PERSON).digest(), "big", signed=True)


def _digit(word: str) -> int:
    return crc32(word.encode()) % 15 + 1
