"""What the direct way takes, and what it leaves to the application."""

import logging
import re
from typing import NoReturn

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from ledger.errors import StoreError
from ledger.statement import OperatorStatement
from tests.web.outsider import Outsider, content_with
from web.direct import BODY_BYTES_MAX, DirectSubmission, PlainRequest, request_in
from web.gate import Gate
from web.services import Services

HEAD = b"POST /api/records HTTP/1.1\r\nHost: rail.test:80\r\nContent-Type: application/cose\r\nContent-Length: 3\r\n"


@pytest.mark.parametrize(
    "more",
    [b"", b"User-Agent: a b/1 (c)\r\n", b"connection: Keep-Alive\r\nAccept: */*\r\n", b"X-Forwarded-For: 1.2.3.4\r\n"],
)
def test_a_plain_request_is_recognised(more: bytes) -> None:
    request = HEAD + more + b"\r\nabc"
    assert request_in(request) == (b"abc", "", len(request))
    assert request_in(request + b"POST") == (b"abc", "", len(request))
    assert all(request_in(request[:size]) is None for size in range(len(request)))


@pytest.mark.parametrize("name", [b"X-Request-Id", b"x-request-id"])
@pytest.mark.parametrize("given", ["a", "7.B_c-", "0" * 64])
def test_a_request_may_bring_an_id(name: bytes, given: str) -> None:
    line = b"%s: %s\r\n" % (name, given.encode())
    first = HEAD.replace(b"Host", line + b"Host") + b"\r\nabc"
    last = HEAD + line + b"\r\nabc"
    for request in (first, last):
        assert request_in(request + b"POST") == (b"abc", given, len(request))
        assert all(request_in(request[:size]) is None for size in range(len(request)))


@pytest.mark.parametrize(
    "more",
    [
        b"Rail-Invitation: x\r\n",
        b"Expect: 100-continue\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Content-Length: 3\r\n",
        b"Host: other\r\n",
        b"Cookie: a\r\n",
        b"Accept : a\r\n",
        b"Accept: a\n",
        b" folded: a\r\n",
        b"Accept: \xff\r\n",
        b"Accept:\r\n",
        b"X-Request-Id: a b\r\n",
        b"X-Request-Id: " + b"a" * 65 + b"\r\n",
        b"X-Request-Id:  a\r\n",
        b"X-Request-Id: a\r\nX-Request-Id: b\r\n",
        b"X-Request-Id: a\r\n folded: b\r\n",
        b"X-X-Request-Id: a\r\n",
        b"Accept: " + b"a" * 1024 + b"\r\n",
    ],
)
def test_another_header_is_for_the_application(more: bytes) -> None:
    assert request_in(HEAD + more + b"\r\nabc") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"PUT"),
        (b"/records ", b"/records/ "),
        (b"/records ", b"/records?a=1 "),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"application/cose", b"application/json"),
        (b"application/cose", b"application/cose; a=b"),
        (b"Host: rail.test:80\r\n", b""),
        (b"rail.test", b"rail/test"),
        (b"Length: 3", b"Length: 03"),
        (b"Length: 3", b"Length: 0"),
        (b"Length: 3", b"Length: %d" % (BODY_BYTES_MAX + 1)),
        (b"Content-Length: 3\r\n", b""),
    ],
)
def test_another_request_is_for_the_application(old: bytes, new: bytes) -> None:
    assert HEAD.count(old) == 1
    assert request_in(HEAD.replace(old, new) + b"\r\nabc" + bytes(BODY_BYTES_MAX)) is None


@pytest.fixture
def direct(app: APIFlask, services: Services) -> DirectSubmission:
    return DirectSubmission(app, services, app.extensions["rail_metrics"])


def requests(*statements: bytes) -> list[PlainRequest]:
    return [PlainRequest(statement, "", 0) for statement in statements]


def test_only_new_generations_are_answered(client: FlaskClient, services: Services, direct: DirectSubmission) -> None:
    outsider = Outsider(client, "direct.example")
    root = services.engine.model.root
    first, second = (outsider.generation(content_with(services), root) for _ in range(2))
    revocation = outsider.sign(
        OperatorStatement,
        name="direct.example",
        contact="none",
        public=outsider.key.public,
        valid_from=0,
        valid_to=None,
        action="revoke",
    )
    size = services.log.size()
    answers = direct.submit(requests(first, b"junk", revocation, second, second[:-1] + b"\0", first))
    assert [answer is not None for answer in answers] == [True, False, False, True, False, False]
    assert [entry.statement for entry in services.log.entries(size, size + 9)] == [first, second]


def test_an_id_is_repeated_and_logged(
    client: FlaskClient, services: Services, direct: DirectSubmission, caplog: pytest.LogCaptureFixture
) -> None:
    outsider = Outsider(client, "proxied.example")
    root = services.engine.model.root
    given, none = (outsider.generation(content_with(services), root) for _ in range(2))
    with caplog.at_level(logging.INFO, "web.requests"):
        answers = direct.submit([PlainRequest(given, "proxy-7", 0), *requests(none)])
    answered = [re.findall(rb"\r\nX-Request-Id: ([^\r]*)\r\n", answer or b"") for answer in answers]
    logged = [vars(record)["request_id"] for record in caplog.records if record.name == "web.requests"]
    assert answered == [[identifier.encode()] for identifier in logged]
    assert logged[0] == "proxy-7" and re.fullmatch("[0-9a-f]{16}", logged[1])


def test_nothing_is_answered_that_is_not_durable_or_not_open_to_all(
    client: FlaskClient, services: Services, direct: DirectSubmission, monkeypatch: pytest.MonkeyPatch
) -> None:
    outsider = Outsider(client, "unlucky.example")
    statement = outsider.generation(content_with(services), services.engine.model.root)

    def full(*_: object) -> NoReturn:
        raise StoreError("disk_full", "no space left for the database", retryable=True)

    with monkeypatch.context() as broken:
        broken.setattr(services.log, "submit_each", full)
        assert direct.submit(requests(statement)) == [None]
    assert services.signer.appender.failure == "disk_full"
    failure = StoreError("database_io", "the disk does not answer", retryable=True)
    with monkeypatch.context() as broken:
        broken.setattr(services.log, "submit_each", lambda statements: [failure for _ in statements])
        assert direct.submit(requests(statement)) == [None]
    assert services.signer.appender.failure == "database_io"
    with monkeypatch.context() as closed:
        closed.setattr(Gate, "is_open", lambda _: False)
        assert direct.submit(requests(statement)) == [None]
    assert services.log.size() == outsider_index(services, outsider) + 1
    assert direct.submit(requests(statement)) != [None]
    assert services.signer.appender.failure is None


def outsider_index(services: Services, outsider: Outsider) -> int:
    """Index of its registration."""
    standing = services.log.operator_standing(outsider.identifier)
    assert standing is not None
    return standing.index
