"""A log published as plain files by the pure functions alone, verified by two clients that are not ours."""

from pathlib import Path

import metamorphic_log
import pytest
from ledger_samples import LOG_KEY, ORIGIN, WITNESS_KEY, MemoryHashes, head_of, tree_of
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey, VkeySet

from ledger import checkpoint
from ledger.checkpoint import open_checkpoint
from ledger.merkle import leaf_hash, prove_consistency, prove_inclusion
from ledger.tiles import TILE_WIDTH, encode_bundle, format_tile_path, tile_hash_indexes, tiles_of

ENTRIES = [b"entry %d" % i for i in range(1000)]
SIZES = [1, 255, 256, 257, 1000]


def publish(folder: Path, size: int) -> tuple[bytes, MemoryHashes]:
    """Write checkpoint, tiles and bundles of the first `size` entries; returns the checkpoint and the tree."""
    tree = tree_of(ENTRIES[:size])
    note = checkpoint.cosign(checkpoint.sign(head_of(tree), [LOG_KEY]), WITNESS_KEY, 1_700_000_000)
    (folder / "checkpoint").write_bytes(note)
    for tile in tiles_of(size):
        path = folder / format_tile_path(tile)
        path.parent.mkdir(parents=True, exist_ok=True)
        if tile.level is None:
            first = tile.number * TILE_WIDTH
            path.write_bytes(encode_bundle(ENTRIES[first : first + tile.width]))
        else:
            path.write_bytes(b"".join(tree.read_hashes(tile_hash_indexes(tile))))
    return note, tree


@pytest.mark.parametrize("size", SIZES)
def test_tlog_scales_verifies_the_files(tmp_path: Path, size: int) -> None:
    note, tree = publish(tmp_path, size)
    reader = TilesReader(LocalBackend(tmp_path))
    head = reader.get_checkpoint()
    keys = [Vkey.from_string(key.vkey) for key in (LOG_KEY, WITNESS_KEY)]
    assert {key.name for key, _ in VkeySet(*keys).verify(head.signatures, head)} == {ORIGIN, WITNESS_KEY.name}
    assert head.root_hash == open_checkpoint(note, LOG_KEY.verify_key).root == reader.calculate_root_hash()
    for index in {0, size // 2, size - 1}:
        assert reader.get_entry(index) == ENTRIES[index]
        proof = reader.get_inclusion_proof(index, size)
        assert proof.node_hashes == prove_inclusion(index, size, tree)
        proof.check(leaf_hash(ENTRIES[index]), head.root_hash)
    for old in {1, size // 2, size} - {0}:
        older = tree_of(ENTRIES[:old]).frontier
        consistency = reader.get_consistency_proof(old, size)
        assert consistency.node_hashes == prove_consistency(old, size, tree)
        consistency.check(older.root(), head.root_hash)


@pytest.mark.parametrize("size", SIZES)
def test_metamorphic_log_verifies_checkpoint_and_proofs(tmp_path: Path, size: int) -> None:
    note, tree = publish(tmp_path, size)
    text, vkeys = note.decode(), [LOG_KEY.vkey]
    head = metamorphic_log.checkpoint_verify(text, vkeys)
    assert (head.origin, head.size) == (ORIGIN, size)
    for index in {0, size // 2, size - 1}:
        proof = prove_inclusion(index, size, tree)
        metamorphic_log.checkpoint_verify_inclusion(text, vkeys, index, leaf_hash(ENTRIES[index]), proof)
        with pytest.raises(metamorphic_log.VerifyError):
            metamorphic_log.checkpoint_verify_inclusion(text, vkeys, index, leaf_hash(b"another"), proof)
    for old in {1, size // 2, size} - {0}:
        older = checkpoint.sign(head_of(tree_of(ENTRIES[:old])), [LOG_KEY]).decode()
        proof = prove_consistency(old, size, tree)
        metamorphic_log.checkpoint_verify_consistency(older, text, vkeys, proof)


def test_metamorphic_log_refuses_an_altered_checkpoint(tmp_path: Path) -> None:
    note, _ = publish(tmp_path, 257)
    altered = note.decode().replace("\n257\n", "\n256\n")
    with pytest.raises(metamorphic_log.VerifyError):
        metamorphic_log.checkpoint_verify(altered, [LOG_KEY.vkey])
