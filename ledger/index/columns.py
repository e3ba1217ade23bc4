"""Different values of long columns. `numpy.unique` hashes them first, which takes several times as long."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.compiled.matching import Int32s, Int64s, UInt32s


def distinct(values: Int64s) -> Int64s:
    """Each value once, ascending."""
    ascending = np.sort(values)
    return ascending[_new(ascending)]


def numbered(terms: UInt32s) -> tuple[UInt32s, Int32s]:
    """The different ones of fewer than 2^32 terms, ascending, and the place of each term among them."""
    order = np.sort(terms.astype(np.uint64) << np.uint64(32) | np.arange(len(terms), dtype=np.uint64))
    ascending = (order >> np.uint64(32)).astype(np.uint32)
    new = _new(ascending)
    places = np.empty(len(terms), np.int32)
    places[order & np.uint64(0xFFFFFFFF)] = np.cumsum(new) - 1
    return ascending[new], places


def _new(ascending: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values differ from the one before."""
    new = np.ones(len(ascending), bool)
    new[1:] = ascending[1:] != ascending[:-1]
    return new
