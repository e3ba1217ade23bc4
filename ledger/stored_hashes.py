"""Where the hashes of a growing tree are stored: a dense numbering of its complete subtrees (as in Go's sumdb/tlog).

    leaves            0     1      2     3       4        The hash of a *complete* subtree never changes once its last
    stored     level 0   0     1      3     4       7     leaf is appended. These hashes, and no others, are stored, in
               level 1      2            5                the order in which they become known: each leaf, then the
               level 2             6                      subtrees that end with it, the smaller first.

The number is a good primary key: which hashes a root or a proof needs is arithmetic, and one call reads them all.
"""

from collections.abc import Sequence
from typing import Protocol


class HashReader(Protocol):
    """A source of stored hashes: a table, a dictionary, a set of tiles."""

    def read_hashes(self, indexes: Sequence[int]) -> Sequence[bytes]:
        """Return the hash stored at each index, in the order asked; raise if one is absent."""


def stored_hash_index(level: int, number: int) -> int:
    """Dense index of the complete subtree over leaves [number * 2**level, (number + 1) * 2**level).

    That subtree is stored straight after its last leaf and the `level` smaller subtrees that end in the same leaf.
    """
    last_leaf = ((number + 1) << level) - 1
    return stored_hash_count(last_leaf) + level


def stored_hash_position(index: int) -> tuple[int, int]:
    """Inverse of `stored_hash_index`: (level, number)."""
    # stored_hash_count(n) lies in (2n - 64, 2n], so the leaf in question is close to index / 2.
    leaf = index // 2
    while (after := stored_hash_count(leaf + 1)) <= index:
        leaf += 1
    level = index - (after - hashes_completed_by(leaf))
    return level, leaf >> level


def stored_hash_count(size: int) -> int:
    """How many hashes are stored for a tree of `size` leaves: 2 * size minus the ones among the size's bits."""
    return 2 * size - size.bit_count()


def hashes_completed_by(leaf: int) -> int:
    """How many subtrees end with this leaf: itself, plus one for each trailing one bit of its index."""
    return ((leaf + 1) & -(leaf + 1)).bit_length()


def frontier_indexes(size: int) -> list[int]:
    """Stored indexes of the complete subtrees that make up a tree of `size` leaves, left to right."""
    return subtree_cover(0, size)


def subtree_cover(start: int, stop: int) -> list[int]:
    """Stored indexes of the complete subtrees that make up the subtree [start, stop) of some tree, left to right."""
    indexes = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        indexes.append(stored_hash_index(level, start >> level))
        start += 1 << level
    return indexes
