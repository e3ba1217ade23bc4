"""Two independent implementations verify our log: tlog-scales over HTTP, metamorphic-log over our notes and proofs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import metamorphic_log
import pytest
from log_samples import Run
from tlog_scales.backend import HttpBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash as scales_leaf_hash
from tlog_scales.tlog import ConsistencyProofInvalid, InclusionProofInvalid

from ledger.checkpoint import open_checkpoint
from ledger.errors import LedgerError
from ledger.log import Log
from ledger.tiles import parse_tile_path

SIZES = (1, 255, 256, 257, 1000)


@contextmanager
def served(log: Log) -> Iterator[str]:
    """The log at the paths of C2SP tlog-tiles, and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                status, body = 200, read(self.path.removeprefix("/"))
            except LedgerError:
                status, body = 404, b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    def read(path: str) -> bytes:
        if path == "checkpoint":
            return log.checkpoint()
        tile = parse_tile_path(path)
        if tile.level is None:
            return log.entry_bundle(tile.number, tile.width)
        return log.hash_tile(tile.level, tile.number, tile.width)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def grown(log: Log) -> Iterator[int]:
    """Grows the log to each of SIZES in turn."""
    run = Run()
    items = run.registrations() + [(statement, None) for statement, _ in run.generations(max(SIZES) - 2)]
    for size in SIZES:
        log.submit_many(items[log.size() : size])
        yield size


def probes(size: int) -> list[int]:
    return sorted({0, 1, size // 2, size - 2, size - 1, 254, 255, 256, 257} & set(range(size)))


def test_tlog_scales_verifies_the_log(log: Log) -> None:
    vkey = Vkey.from_string(log.vkey)
    with served(log) as url:
        backend = HttpBackend(url)
        heads = []
        for size in grown(log):
            reader = TilesReader(backend)
            head = reader.get_checkpoint()
            head.verify(vkey)
            assert (head.origin, head.size) == (log.origin, size)
            assert reader.calculate_root_hash() == head.root_hash == log.root()
            for index in probes(size):
                leaf = scales_leaf_hash(reader.get_entry(index))
                assert leaf == log.entry(index).leaf_hash
                theirs = reader.get_inclusion_proof(index, size)
                theirs.check(leaf, head.root_hash)
                assert theirs.node_hashes == log.prove_inclusion(index, size)
                with pytest.raises(InclusionProofInvalid):
                    theirs.check(bytes(32), head.root_hash)
            for old in heads:
                proof = reader.get_consistency_proof(old.size, size)
                proof.check(old.root_hash, head.root_hash)
                assert proof.node_hashes == log.prove_consistency(old.size, size)
                with pytest.raises(ConsistencyProofInvalid):
                    proof.check(bytes(32), head.root_hash)
            heads.append(head)
        backend.session.close()


def test_metamorphic_log_verifies_the_log(log: Log) -> None:
    notes: list[tuple[int, str]] = []
    for size in grown(log):
        note, keys = log.checkpoint().decode(), [log.vkey]
        head = metamorphic_log.checkpoint_verify(note, keys)
        assert (head.origin, head.size) == (log.origin, size)
        assert metamorphic_log.verify_signed_note(note, keys) == 1
        for index in probes(size):
            leaf, proof = log.entry(index).leaf_hash, log.prove_inclusion(index, size)
            metamorphic_log.checkpoint_verify_inclusion(note, keys, index, leaf, proof)
            with pytest.raises(metamorphic_log.VerifyError):
                metamorphic_log.checkpoint_verify_inclusion(note, keys, index, bytes(32), proof)
        for old_size, old_note in notes:
            proof = log.prove_consistency(old_size, size)
            metamorphic_log.checkpoint_verify_consistency(old_note, note, keys, proof)
            with pytest.raises(metamorphic_log.VerifyError):
                metamorphic_log.checkpoint_verify_consistency(old_note, note, keys, [*proof, bytes(32)])
        notes.append((size, note))
        with pytest.raises(metamorphic_log.VerifyError):
            metamorphic_log.checkpoint_verify(note.replace(f"\n{size}\n", f"\n{size + 1}\n"), keys)


def test_tiles_that_no_checkpoint_implies_are_not_served(log: Log, run: Run) -> None:
    with served(log) as url:
        backend = HttpBackend(url)
        assert backend.get("tile", "0", "000.p", "2") is not None
        for path in ("0/000", "0/000.p/3", "0/000.p/0", "0/000.p/256", "0/000.p/02", "0/0", "00/000.p/2", "1/000.p/1"):
            assert backend.get("tile", path) is None, path
        assert open_checkpoint(backend.get("checkpoint"), log.key).size == 2
        backend.session.close()
