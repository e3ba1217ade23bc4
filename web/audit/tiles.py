"""The log's hash tiles, read over HTTP and believed only as far as the signed root vouches for them.

The partial tiles at the right edge hold, together, exactly the hashes that make up the root: comparing that root
with the checkpoint authenticates all of them at once. A full tile is one hash of the tile above it. So each tile
that is handed out has been checked up to the signed root, and a proof that fails over them is the log's own doing,
not a damaged download.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from ledger.checkpoint import Checkpoint
from ledger.merkle import HASH_BYTES, fold, root_of, tree_root
from ledger.stored_hashes import stored_hash_position
from ledger.tiles import TILE_WIDTH, Tile, format_tile_path, tile_width
from web.audit.errors import LogBroken
from web.audit.source import TileSource

TILES_KEPT = 512  # 4 MiB of full tiles
LEVEL_BITS = TILE_WIDTH.bit_length() - 1  # tree levels that one tile level spans


class TileReader:
    """Authenticated hashes of the tree of one checkpoint; a `ledger.stored_hashes.HashReader`."""

    def __init__(self, checkpoint: Checkpoint, source: TileSource) -> None:
        """Reads the right edge (at most 8 tiles) and raises LogBroken (`tile_root`) if it misses the root."""
        self.size = checkpoint.size
        self._source = source
        self._kept: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()
        self._edge: dict[tuple[int, int], list[bytes]] = {}
        level, items = 0, self.size
        while items:
            if items % TILE_WIDTH:
                number = items // TILE_WIDTH
                self._edge[level, number] = self._download(level, number)
            level, items = level + 1, items >> LEVEL_BITS
        # A tree whose size is a power of 256 ends in one hash at the level above its last full tile: that
        # hash is a partial tile of width 1, so the edge is never empty and always decides the root.
        if tree_root(self.size, _Edge(self._edge)) != checkpoint.root:
            raise LogBroken("tile_root", "the log's hash tiles do not lead to the root that it signed")

    def leaf_hashes(self, number: int) -> list[bytes]:
        """Hashes of the leaves [256 * number, ...) that tile `number` of level 0 holds."""
        return self._tile(0, number)

    def hashes(self, level: int, number: int) -> list[bytes]:
        """All hashes of a tile of this tree."""
        return self._tile(level, number)

    def holds(self, level: int, number: int, data: bytes) -> bool:
        """Whether `data`, from elsewhere, is the content of this tile; a full tile is not downloaded for that."""
        hashes = [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
        if (level, number) in self._edge:
            return hashes == self._edge[level, number]
        return root_of(hashes) == self._tile(level + 1, number // TILE_WIDTH)[number % TILE_WIDTH]

    def read_hashes(self, indexes: Sequence[int]) -> list[bytes]:
        return [self._hash(*stored_hash_position(index)) for index in indexes]

    def _hash(self, level: int, number: int) -> bytes:
        """Hash of a complete subtree, from the tile that holds its ancestors' or its own leaves."""
        return subtree_hash(level, number, self._tile)

    def _tile(self, level: int, number: int) -> list[bytes]:
        if (level, number) in self._edge:
            return self._edge[level, number]
        if (level, number) in self._kept:
            self._kept.move_to_end((level, number))
            return self._kept[level, number]
        parent = self._tile(level + 1, number // TILE_WIDTH)
        hashes = self._download(level, number)
        if root_of(hashes) != parent[number % TILE_WIDTH]:
            name = format_tile_path(Tile(level, number))
            raise LogBroken("tile_hash", f"{name} is not the tile that the signed root stands for")
        self._kept[level, number] = hashes
        if len(self._kept) > TILES_KEPT:
            self._kept.popitem(last=False)
        return hashes

    def _download(self, level: int, number: int) -> list[bytes]:
        return self._source.hashes(level, number, tile_width(level, number, self.size))


class _Edge:
    """The stored hashes that the right-edge tiles alone determine."""

    def __init__(self, tiles: dict[tuple[int, int], list[bytes]]) -> None:
        self._tiles = tiles

    def read_hashes(self, indexes: Sequence[int]) -> list[bytes]:
        return [subtree_hash(*stored_hash_position(index), lambda *name: self._tiles[name]) for index in indexes]


def subtree_hash(level: int, number: int, tile: Callable[[int, int], list[bytes]]) -> bytes:
    """Hash of the complete subtree over leaves [number * 2**level, (number + 1) * 2**level).

    It spans 2**(level % 8) hashes of one tile at tile level level // 8.
    """
    tile_level, height = divmod(level, LEVEL_BITS)
    first = number << height
    return fold(tile(tile_level, first // TILE_WIDTH)[first % TILE_WIDTH :][: 1 << height])
