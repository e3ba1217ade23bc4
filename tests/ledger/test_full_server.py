"""PostgreSQL on a disk that is full: the real error, of a server on a small file system of its own."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from log_samples import LOG_KEY, ORIGIN, Run
from own_server import Server, as_server, free_port, give_to_server, needs_programs

from ledger.errors import StoreError
from ledger.log import Entry, Log
from ledger.merkle import check_consistency, leaf_hash

pytestmark = [pytest.mark.postgres, needs_programs]

MEBIBYTES = 80  # a new cluster has half of it
ROOM_BYTES = 3 << 20  # that is left beside the ballast


@pytest.fixture
def disk() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="rail-full-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEBIBYTES}m", "rail-full", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture
def server(disk: Path) -> Iterator[Server]:
    give_to_server(disk)
    server = Server(disk / "data", free_port())
    as_server("initdb", "-D", server.folder, "-U", "postgres", "-A", "trust", "-N", "--wal-segsize=1")
    with (server.folder / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.write("min_wal_size = 2MB\nmax_wal_size = 4MB\n")
    server.start()
    try:
        yield server
    finally:
        if (server.folder / "postmaster.pid").exists():
            server.control("stop", "-m", "immediate")


def test_a_full_disk_loses_nothing_and_the_log_goes_on(server: Server, disk: Path) -> None:
    """Three times: until the first append that does not fit; then room is made, and the same append is taken."""
    run = Run()
    ballast = disk / "ballast"
    with Log.create(server.url, ORIGIN, LOG_KEY) as log:
        log.submit_many(run.registrations())
        acknowledged: list[Entry] = []
        for _ in range(3):
            before = log.head()
            ballast.write_bytes(bytes(shutil.disk_usage(disk).free - ROOM_BYTES))
            refused = None
            while refused is None:
                items = run.generations(50)
                try:
                    acknowledged += log.submit_many(items)
                except StoreError as error:
                    refused = error
            assert refused.retryable
            assert refused.code in ("disk_full", "database_unavailable")  # its log was full: the server went down
            ballast.unlink()
            if refused.code == "database_unavailable":
                server.restart()
            found = [log.find(leaf_hash(statement)) for statement, _ in items]
            assert found == [None] * len(items) or None not in found
            again = log.submit_many(items)
            assert len({entry.new for entry in again}) == 1
            acknowledged += again
            now = log.head()
            proof = log.prove_consistency(before.size, now.size)
            check_consistency(before.size, before.root, now.size, now.root, proof)
        stored = {entry.index: entry.leaf_hash for entry in log.entries(0, log.size())}
        assert {entry.index: entry.leaf_hash for entry in acknowledged}.items() <= stored.items()
        assert log.fsck().ok
