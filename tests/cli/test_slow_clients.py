"""Clients that are slow, silent, many or too loud: the service goes on, in bounded memory, and says what was wrong."""

import json
import re
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from inference.config import ENGINE
from ledger.keys import SigningKey
from tests.cli.conftest import Machine
from tests.cli.test_serve import serving, worker_of
from web.client import RailClient
from web.hammer.statements import sign_generations
from web.submitter import Submitter, send

THREADS = 4
CONNECTIONS = 10_000
HANDLES_KEPT = 300  # of this process and of the service, for everything else
GROWTH_BYTES_MAX = 64 << 20
HEAD = b"POST /api/records HTTP/1.1\r\nHost: x\r\nContent-Type: application/cose\r\n"


class Service:
    def __init__(self, url: str, worker: int) -> None:
        self.url = url
        self.address = ("127.0.0.1", int(url.rpartition(":")[2]))
        self.worker = worker

    def connect(self, data: bytes = b"") -> socket.socket:
        connection = socket.create_connection(self.address, timeout=30)
        connection.sendall(data)
        return connection

    def answers(self, seconds: int = 2) -> bool:
        """Whether it answers a plain question in time; it takes a few milliseconds when idle."""
        return httpx.get(f"{self.url}/health", timeout=seconds).status_code == 200

    def connections(self) -> int:
        """How many the service holds open, as it says."""
        found = re.search(r"^rail_http_connections ([0-9]+)", httpx.get(f"{self.url}/metrics", timeout=30).text, re.M)
        assert found is not None
        return int(found[1])

    def resident_bytes(self) -> int:
        pages = Path(f"/proc/{self.worker}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * 4096


@pytest.fixture(scope="module")
def service(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("slow") / "home"
    with serving(machine, home, "--request-threads", str(THREADS)) as (process, facts):
        yield Service(facts["url"], worker_of(process.pid))


@pytest.mark.parametrize(
    "sent",
    [b"", b"G", HEAD, HEAD + b"Content-Length: 500\r\n\r\nabc"],
    ids=["nothing", "one byte", "half a head", "half a body"],
)
def test_many_clients_that_stop_sending_hold_no_thread(service: Service, sent: bytes) -> None:
    with ExitStack() as open_ones:
        for _ in range(10 * THREADS):
            open_ones.enter_context(service.connect(sent))
        time.sleep(0.2)
        assert service.answers()


@pytest.fixture
def many_handles() -> Iterator[int]:
    """How many sockets this process may hold: enough for the connections."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTIONS + HANDLES_KEPT:
        pytest.skip(f"the limit of open files is {hard}: not enough for {CONNECTIONS} connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard - HANDLES_KEPT
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def test_ten_thousand_open_connections_cost_little(service: Service, many_handles: int) -> None:
    assert service.answers()
    before = service.resident_bytes()
    key = SigningKey.generate("writer.test")
    with ExitStack() as open_ones, RailClient(service.url) as client:
        for number in range(
            min(3 * CONNECTIONS, many_handles)
        ):  # the service closes the oldest if this takes longer than it waits
            open_ones.enter_context(service.connect())
            if number % 100 == 99 and number >= CONNECTIONS and service.connections() > CONNECTIONS:
                break
        registered = Submitter(client, key).register("writer", "writer.test")
        model = client.get_json("/.well-known/rail.json")["model"]["root"]
        statement = sign_generations(key, bytes.fromhex(model), ENGINE, 1, 1, lambda *_: None)[0]
        record = send(client, statement)
        assert service.connections() > CONNECTIONS
        assert service.resident_bytes() - before < GROWTH_BYTES_MAX
        assert client.get_json(f"/api/records/{record['leaf_hash']}")["record_id"] == registered["record_id"] + 1
    assert service.answers(seconds=30)  # ten thousand ends come first


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split()[1]), body


def test_a_request_in_pieces_is_served_once_it_is_whole(service: Service) -> None:
    body = b"x" * 300
    request = HEAD + b"Content-Length: 300\r\n\r\n" + body
    with service.connect() as connection:
        for _ in range(2):  # and again on the same connection
            for start in range(0, len(request), 97):
                connection.sendall(request[start : start + 97])
                time.sleep(0.01)
            status, answer = read_answer(connection)
            assert (status, json.loads(answer)["code"]) == (400, "cose_tag")


def test_a_body_over_the_limit_is_refused_before_it_is_sent(service: Service) -> None:
    for path, limit in (("/api/records", 8 << 20), ("/api/records/batch", 16 << 20)):
        head = (
            HEAD.replace(b"/api/records", path.encode()).replace(b"cose", b"json")
            + b"Content-Length: 1000000000\r\n\r\n"
        )
        with service.connect(head) as connection:
            status, answer = read_answer(connection)
        problem = json.loads(answer)
        assert (status, problem["code"]) == (413, "content_too_large") and str(limit) in problem["detail"]
    assert service.answers()


def test_a_large_body_in_one_piece_is_read(service: Service) -> None:
    answer = httpx.post(
        f"{service.url}/api/records", content=b"y" * (1 << 20), headers={"Content-Type": "application/cose"}, timeout=30
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "cose_size")
