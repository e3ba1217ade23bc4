"""Plain submissions over a real socket: the direct lane and the application answer with the same bytes."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from ledger.keys import SigningKey
from tests.cli.conftest import Machine
from tests.cli.test_serve import serving
from web.client import RailClient
from web.hammer.statements import sign_generations
from web.submitter import Submitter

HEAD = b"POST /api/records HTTP/1.1\r\nHost: x\r\nContent-Type: application/cose\r\n"
BY_APPLICATION = b"X-Not-Plain: 1\r\n"
LANE = b'rail_http_requests_total{endpoint="api.submit_record",method="POST",status="201"}'


class Service:
    """A service with an operator who signs generations of its model."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.address = ("127.0.0.1", int(url.rpartition(":")[2]))
        self.key = SigningKey.generate("writer.test")
        self.counter = 1
        with RailClient(url) as client:
            self.facts = client.get_json("/.well-known/rail.json")
            Submitter(client, self.key).register("writer", "writer.test")

    def sign(self, count: int = 1) -> list[bytes]:
        root = bytes.fromhex(self.facts["model"]["root"])
        made = sign_generations(self.key, root, self.facts["engine"], self.counter, count, lambda *_: None)
        self.counter += count
        return made

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(self.address, timeout=30) as connection:
            yield connection

    def post(self, statement: bytes, more: bytes = b"") -> tuple[bytes, bytes]:
        with self.connected() as connection:
            connection.sendall(request_of(statement, more))
            return read_answer(connection)


@pytest.fixture(scope="module")
def service(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(machine, tmp_path_factory.mktemp("direct") / "home", "--request-threads", "4") as (_, facts):
        yield Service(facts["url"])


def request_of(statement: bytes, more: bytes = b"") -> bytes:
    return HEAD + more + b"Content-Length: %d\r\n\r\n%s" % (len(statement), statement)


def read_answer(connection: socket.socket) -> tuple[bytes, bytes]:
    """(head without what differs between two moments and two records, and without ids that are the service's, body)"""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += received(connection)
    head, body = data[:end], data[end + 4 :]
    length = re.search(rb"Content-Length: ([0-9]+)", head)
    assert length is not None
    while len(body) < int(length[1]):
        body += received(connection)
    head = re.sub(rb"(X-Request-Id: )[0-9a-f]{16}\r", rb"\1\r", head)
    return re.sub(rb"(Date: |Content-Length: |Location: /api/records/)[^\r]*", rb"\1", head), body


def received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    assert data, "the connection was closed"
    return data


def members(value: object, path: str = "") -> list[str]:
    """Path of every member, in order."""
    if not isinstance(value, dict):
        return [path]
    return [found for name, item in value.items() for found in members(item, f"{path}.{name}")]


def test_a_new_record_is_answered_with_the_same_bytes(service: Service) -> None:
    statements = service.sign(2)
    (direct_head, direct), (head, body) = service.post(statements[0]), service.post(statements[1], BY_APPLICATION)
    assert direct_head == head and direct_head.startswith(b"HTTP/1.1 201 CREATED\r\nServer: gunicorn\r\n")
    one, other = json.loads(direct), json.loads(body)
    assert members(one) == members(other)
    compact = {"ensure_ascii": False, "separators": (",", ":")}
    for data, value in ((direct, one), (body, other)):
        assert data == f"{json.dumps(value, **compact)}\n".encode()
    for name in ("record_id", "leaf_hash", "receipt_url", "statement_cose", "statement", "logged", "time", "log"):
        assert one.pop(name) and other.pop(name)
    assert one == other
    known = [service.post(statements[0]), service.post(statements[0], BY_APPLICATION)]
    assert known[0] == known[1] and known[0][0].startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("given", "repeated"), [(b"proxy.7", b"proxy.7"), (b"not an id", b""), (b"a\r\nX-Request-Id: b", b"")]
)
def test_an_id_by_a_proxy_is_repeated_in_both_ways(service: Service, given: bytes, repeated: bytes) -> None:
    line = b"X-Request-Id: %s\r\n" % given
    (direct, _), (head, _) = (
        service.post(statement, line + by) for statement, by in zip(service.sign(2), (b"", BY_APPLICATION), strict=True)
    )
    assert direct == head and b"\r\nX-Request-Id: %s\r\n" % repeated in head


def test_refusals_are_the_applications(service: Service) -> None:
    statement = service.sign()[0]
    altered = statement[:-1] + bytes([statement[-1] ^ 1])
    stranger = sign_generations(
        SigningKey.generate("stranger.test"),
        bytes.fromhex(service.facts["model"]["root"]),
        service.facts["engine"],
        0,
        1,
        lambda *_: None,
    )[0]
    for wrong, code in ((altered, b"statement_signature"), (stranger, b"unknown_operator"), (b"x", b"cose_tag")):
        direct = service.post(wrong)
        assert direct == service.post(wrong, BY_APPLICATION) and b'"code":"%s"' % code in direct[1]


def test_one_connection_takes_both_ways_in_turn_and_pipelined(service: Service) -> None:
    statements = service.sign(6)
    with service.connected() as connection:
        for number, statement in enumerate(statements[:3]):
            connection.sendall(request_of(statement, BY_APPLICATION if number == 1 else b""))
            assert read_answer(connection)[0].startswith(b"HTTP/1.1 201")
        connection.sendall(b"".join(request_of(statement) for statement in statements[3:]))
        answers = [json.loads(read_answer(connection)[1]) for _ in range(3)]
    assert [answer["record_id"] for answer in answers] == sorted(answer["record_id"] for answer in answers)


def test_many_at_once_are_each_answered_with_their_own_record(service: Service) -> None:
    statements = service.sign(120)
    answers: dict[bytes, dict[str, object]] = {}

    def write(mine: list[bytes]) -> None:
        with service.connected() as connection:
            for statement in mine:
                connection.sendall(request_of(statement))
                answers[statement] = json.loads(read_answer(connection)[1])

    threads = [threading.Thread(target=write, args=(statements[start::12],)) for start in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for statement in statements:
        found = httpx.get(f"{service.url}/api/records/{answers[statement]['leaf_hash']}").json()
        assert (found["record_id"], found["statement_cose"]) == (
            answers[statement]["record_id"],
            answers[statement]["statement_cose"],
        )
    assert len({answer["record_id"] for answer in answers.values()}) == len(statements)


def test_a_client_that_leaves_before_its_answer_breaks_nothing(service: Service) -> None:
    statements = service.sign(20)
    for statement in statements:
        with service.connected() as connection:
            connection.sendall(request_of(statement))
    assert json.loads(service.post(statements[0])[1])["leaf_hash"]
    assert service.post(service.sign()[0])[0].startswith(b"HTTP/1.1 201")


def test_direct_answers_are_counted(service: Service) -> None:
    def count() -> float:
        lines = httpx.get(f"{service.url}/metrics").content.split(b"\n")
        return float(next(line for line in lines if line.startswith(LANE)).rpartition(b" ")[2])

    service.post(service.sign()[0])
    before = count()
    service.post(service.sign()[0])
    assert count() == before + 1
