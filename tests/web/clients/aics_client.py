"""A client made of aics-tlog, run by Python 3.12 in an environment of its own (`make aics`).

    aics_client.py URL LOG_VKEY WITNESS_VKEY INDEX[,INDEX...] [SIZE:ROOT...]

Prints origin, size and root. Any check that fails, or that passes where it must not, ends it with an AssertionError.
"""

import sys
from base64 import b64decode, b64encode

from aics_tlog.checkpoint import checkpoint_from_note, verify_checkpoint
from aics_tlog.hashing import leaf_hash
from aics_tlog.note import parse_note, parse_vkey
from aics_tlog.remote import HttpTileReader
from aics_tlog.tiles import consistency_proof_from_tiles, inclusion_proof_from_tiles
from aics_tlog.tree import verify_consistency, verify_inclusion
from aics_tlog.verified import VerifiedTileReader


def main(url: str, log_vkey: str, witness_vkey: str, indexes: str, *older: str) -> None:
    reader = HttpTileReader(url, proxies={})
    note = parse_note(reader.read_checkpoint())
    log, witness = parse_vkey(log_vkey), parse_vkey(witness_vkey)
    result = verify_checkpoint(note, log, [witness], 1, max_age_seconds=3600)
    assert result.ok, result.error
    assert not verify_checkpoint(note, log, [witness], 1, max_age_seconds=3600, now=4_000_000_000).ok
    checkpoint, _ = checkpoint_from_note(note)
    size, root = checkpoint.size, checkpoint.root
    tiles = VerifiedTileReader(reader, size, root)
    tiles.check_root()
    for index in map(int, indexes.split(",")):
        proof = inclusion_proof_from_tiles(tiles, index, size)
        leaf = leaf_hash(tiles.entry(index))
        assert verify_inclusion(leaf, index, size, proof, root)
        assert not verify_inclusion(bytes(32), index, size, proof, root)
    for text in older:
        old_size, _, encoded = text.partition(":")
        proof = consistency_proof_from_tiles(tiles, int(old_size), size)
        assert verify_consistency(int(old_size), size, b64decode(encoded), root, proof)
        assert not verify_consistency(int(old_size), size, bytes(32), root, proof)
    print(checkpoint.origin, size, b64encode(root).decode())


main(*sys.argv[1:])
