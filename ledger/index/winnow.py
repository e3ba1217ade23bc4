"""Fingerprints of a text: hashes of its shingles, thinned by winnowing. SPEC.md section 3.

    units     once upon a time there was a little ant          A shingle is the shortest run of units, from one unit on,
    shingles  [once upon a time there]                         that weighs 5 words. Of each window of 4 neighbouring
                   [upon a time there was]                     shingles the one with the least hash is kept: texts that
                        [a time there was a] ...               share 8 words share a window, and so a fingerprint.

Schleimer, Wilkerson, Aiken: Winnowing, SIGMOD 2003.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ledger.compiled.matching import Int32s, Int64s, hash_runs
from ledger.index.rules import FINGERPRINT_RULES, SHINGLE_WEIGHT
from ledger.index.units import Units

_PERSON: Final = FINGERPRINT_RULES.encode("ascii")
_HASH_BYTES: Final = 8


@dataclass(frozen=True)
class Shingles:
    """All shingles of a text: shingle i is made of the units i <= unit < ends[i]."""

    hash_column: Int64s  # signed, as databases store them
    end_column: Int32s

    @cached_property
    def hashes(self) -> list[int]:
        return self.hash_column.tolist()

    @cached_property
    def ends(self) -> list[int]:
        return self.end_column.tolist()


def shingles_of(units: Units) -> Shingles:
    """One shingle for each unit that has SHINGLE_WEIGHT from it on."""
    ends, hashes = hash_runs(units.columns, SHINGLE_WEIGHT, _HASH_BYTES, _PERSON)
    return Shingles(hashes.view(np.int64), ends)


def may_be_run(ours: NDArray[np.uint16], theirs: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Whether texts that share a shingle with these edges may share a run of RUN_WEIGHT_MIN around it.

    Edges are what stands beside a shingle: a hexadecimal digit for each of two units each way, 0 at the text's ends.
    Stored with the hash, they tell most chance hits from runs without loading a text. A shingle weighs less than
    SHINGLE_WEIGHT + WORD_WEIGHT, so such a run has at least three units more, and so two among the four nearest,
    counted outwards without a gap.
    """
    left, farther_left, right, farther_right = (
        ((ours ^ theirs) >> shift & 15 == 0) & (ours >> shift & 15 != 0) for shift in (12, 8, 4, 0)
    )
    return (left & farther_left) | (right & farther_right) | (left & right)
