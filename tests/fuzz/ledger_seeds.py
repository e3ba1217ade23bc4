"""Good bytes of every kind that the ledger parses, for the fuzz targets to start from."""

from pathlib import Path

from ledger import checkpoint, ml_dsa
from ledger.cose_receipt import attach, issue
from ledger.keys import ML_DSA_44, SigningKey
from ledger.merkle import leaf_hash, prove_consistency, prove_inclusion
from ledger.note import parse_note
from ledger.proof import TlogProof
from ledger.statement import open_statement
from ledger.tiles import Tile, encode_bundle, format_tile_path
from ledger.witness.request import AddCheckpoint, format_size
from tests.ledger.ledger_samples import LOG_KEY, WITNESS_KEY, entries, head_of, opening, receipt_of, tree_of

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "ledger"


def seeds() -> dict[str, list[bytes]]:
    items = entries()
    tree = tree_of(items)
    note = checkpoint.sign(head_of(tree), [LOG_KEY])
    cosigned = checkpoint.cosign(note, WITNESS_KEY, 1_700_000_000)
    line = parse_note(cosigned).signatures[1].format().encode()
    vkeys = [LOG_KEY.vkey, WITNESS_KEY.vkey]
    if ml_dsa.available():
        vkeys.append(SigningKey.from_seed("w2.example/witness", b"q" * 32, ML_DSA_44).vkey)
    proof = TlogProof(2, tuple(prove_inclusion(2, len(items), tree)), cosigned)
    receipts = [issue(proof, leaf_hash(items[2]), LOG_KEY)]
    policy = [f"log {vkeys[0]} https://rail.example", f"witness w {vkeys[1]} https://w1.example", "group g any w"]
    paths = [Tile(0, 0), Tile(0, 1067, 8), Tile(None, 1_234_067), Tile(63, 2**63 - 1, 255)]
    requests = [AddCheckpoint(old, tuple(prove_consistency(old, len(items), tree)), note) for old in (0, 1, 3)]
    return {
        "note": [note, cosigned],
        "cosignatures": [line, line * 2, format_size(0), format_size(2**63 - 1)],
        "add_checkpoint": [request.format() for request in requests],
        "policy": ["\n".join([*policy, "# a comment", "quorum g", ""]).encode(), b"quorum none\n"],
        "vkey": [vkey.encode() for vkey in vkeys],
        "proof": [proof.format(), TlogProof(0, (), note, b"extra").format()],
        "tile": [
            *(format_tile_path(tile).encode() for tile in paths),
            bytes([len(items)]) + encode_bundle(items),
        ],
        "cbor": [part for item in items for part in (item[1:], open_statement(item).encoded)],
        "statement": items,
        "cose_receipt": [receipts[0].encode(), attach(items[2], receipts), attach(items[2], receipts * 3)],
        "receipt": [receipt_of(items, 2, shown=opening()).to_json().encode(), (VECTORS / "receipt.json").read_bytes()],
    }
