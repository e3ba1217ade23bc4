"""The stored hashes of the tree, read from the tables: what proofs, roots and tiles are made from.

The tables hold the hashes of tile levels, so that of every eighth height: leaves, subtrees of 256 leaves, of 65,536 and
so on. A hash between two levels is folded from at most 128 neighbours in one tile.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from ledger import store
from ledger.merkle import fold
from ledger.stored_hashes import stored_hash_position

TILE_BITS = 8


class TileHashes:
    """`HashReader` over a connection: one range of rows for each tile that the indexes touch."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read_hashes(self, indexes: Sequence[int]) -> list[bytes]:
        """The hash stored at each index, in the order asked; StoreError `hash_missing`."""
        spans = [_tile_span(index) for index in indexes]
        ranges: dict[tuple[int, int], tuple[int, int]] = {}
        for level, start, stop in spans:
            low, high = ranges.get((level, start >> TILE_BITS), (start, stop))
            ranges[level, start >> TILE_BITS] = min(low, start), max(high, stop)
        tiles = {
            key: (low, store.level_hashes(self._connection, key[0], low, high)) for key, (low, high) in ranges.items()
        }
        result = []
        for level, start, stop in spans:
            low, hashes = tiles[level, start >> TILE_BITS]
            result.append(fold(hashes[start - low : stop - low]))
        return result


def _tile_span(stored_index: int) -> tuple[int, int, int]:
    """(tile level, start, stop): the hashes of that level under a complete subtree. They lie in one tile."""
    height, number = stored_hash_position(stored_index)
    level, within = divmod(height, TILE_BITS)
    return level, number << within, (number + 1) << within
