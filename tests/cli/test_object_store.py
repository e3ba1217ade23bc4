"""A mirrored log in an S3 bucket: any client reads it there, and nothing of RAIL runs beside it."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tlog_scales.backend import HttpBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey

from tests.cli.conftest import Machine, Rail
from tests.cli.live_service import live_service
from tests.ledger.log_samples import Run

SERVER = Path(__file__).resolve().parents[2] / ".venv" / "object-store" / "bin" / "moto_server"
STARTED_SECONDS = 60


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an empty bucket. RAIL_REQUIRE_TOOLS=1 makes a missing server a failure instead of a skip."""
    if not SERVER.exists():
        reason = f"no S3 server at {SERVER}: make object-store"
        if os.environ.get("RAIL_REQUIRE_TOOLS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = (tmp_path_factory.mktemp("object-store") / "server.log").open("wb")
    server = subprocess.Popen([SERVER, "-H", "127.0.0.1", "-p", str(port)], stdout=output, stderr=output)
    address = f"http://127.0.0.1:{port}/rail-log"
    try:
        deadline = time.monotonic() + STARTED_SECONDS
        while True:
            try:
                httpx.put(address).raise_for_status()
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline and server.poll() is None, "the S3 server did not start"
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()
        output.close()


def put(folder: Path, bucket: str) -> int:
    """Copies a mirror as any S3 tool does, the checkpoint last; returns how many objects."""
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name == "checkpoint")
    with httpx.Client(headers={"x-amz-acl": "public-read"}) as client:
        for path in files:
            client.put(f"{bucket}/{path.relative_to(folder)}", content=path.read_bytes()).raise_for_status()
    return len(files)


def test_a_bucket_serves_the_log_to_any_client(here: Rail, machine: Machine, bucket: str, tmp_path: Path) -> None:
    with live_service(tmp_path / "home", machine.model) as live:
        log, run, copy = live.services.log, Run(), tmp_path / "copy"
        log.submit_many(run.registrations())
        log.submit_many([(statement, None) for statement, _ in run.generations(600)])
        mirrored = here("mirror", live.url, copy, "--log-key", log.vkey, "--home", tmp_path / "mine", "--json")
        assert mirrored.code == 0, mirrored.err
        assert put(copy, bucket) == 8  # three hash tiles of level 0, one of level 1, three of entries, the checkpoint
        vkey, root, places = log.vkey, log.root(), (0, 255, 256, log.size() - 1)
        entries = [log.entry(index).statement for index in places]
    backend = HttpBackend(bucket)
    reader = TilesReader(backend)
    head = reader.get_checkpoint()
    head.verify(Vkey.from_string(vkey))
    assert reader.calculate_root_hash() == head.root_hash == root
    assert [reader.get_entry(index) for index in places] == entries
    backend.session.close()
    options = ("--log-key", vkey, "--sample", "0", "--home", tmp_path / "auditor", "--json")
    audited = here("audit", bucket, *options)
    assert (audited.code, audited.json["checked"]) == (0, head.size)
