"""The auditor's tile reader: trees of many shapes, and no hash that the signed root does not vouch for."""

import pytest

from ledger import merkle
from ledger.checkpoint import Checkpoint
from ledger.tiles import TILE_WIDTH
from web.audit.errors import LogBroken
from web.audit.tiles import TileReader

SIZES = [0, 1, 2, 3, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, 66_000]


class MemoryTiles:
    """A tree as tiles, by the definition: hash i of level l is the root of 256**l leaves."""

    def __init__(self, size: int) -> None:
        self.levels = [[merkle.leaf_hash(index.to_bytes(4, "big")) for index in range(size)]]
        self.root = merkle.root_of(self.levels[0])
        while len(self.levels[-1]) >= TILE_WIDTH:
            below = self.levels[-1]
            full = range(0, len(below) - TILE_WIDTH + 1, TILE_WIDTH)
            self.levels.append([merkle.root_of(below[start : start + TILE_WIDTH]) for start in full])

    def hashes(self, level: int, number: int, width: int) -> list[bytes]:
        found = self.levels[level][number * TILE_WIDTH :][:width]
        assert len(found) == width
        return found


def reader_of(tree: MemoryTiles, size: int) -> TileReader:
    return TileReader(Checkpoint("rail.test/log", size, tree.root), tree)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", SIZES)
def test_leaves_and_proofs_come_out_of_the_tiles(size: int) -> None:
    tree = MemoryTiles(size)
    reader = reader_of(tree, size)
    for index in {0, 1, 254, 255, 256, 257, size // 2, size - 2, size - 1}:
        if 0 <= index < size:
            proof = merkle.prove_inclusion(index, size, reader)
            merkle.check_inclusion(tree.levels[0][index], index, size, proof, tree.root)
            assert reader.leaf_hashes(index // TILE_WIDTH)[index % TILE_WIDTH] == tree.levels[0][index]
    for old in {0, 1, 2, 255, 256, 300, size // 3, size - 1, size}:
        if 0 <= old <= size:
            old_root = merkle.root_of(tree.levels[0][:old])
            proof = merkle.prove_consistency(old, size, reader)
            merkle.check_consistency(old, old_root, size, tree.root, proof)


@pytest.mark.parametrize("size", [3, 256, 700, 66_000])
def test_a_false_hash_in_any_tile_is_noticed_before_it_is_used(size: int) -> None:
    for level in range(3):
        tree = MemoryTiles(size)
        if level >= len(tree.levels) or not tree.levels[level]:
            continue
        tree.levels[level][0] = bytes(32)
        with pytest.raises(LogBroken) as caught:
            reader_of(tree, size).leaf_hashes(0)
        assert caught.value.code in ("tile_root", "tile_hash")
