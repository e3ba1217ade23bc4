"""The short way of the one request that comes by the thousand: a generation, signed elsewhere, to POST /api/records.

The WSGI application answers every request. This answers the plain case with the same bytes, many at a time, and leaves
to the application whatever is not plain: another header, a host's limits, a refusal, a statement that the log has. So
there is one place for errors, and what this cannot answer loses nothing: submitting the same twice is safe.
"""

import re
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from apiflask import APIFlask
from flask import Response

from ledger.errors import LedgerError
from ledger.log import Entry
from ledger.statement import GenerationStatement, open_statement
from web.headers import with_headers
from web.metrics import Metrics
from web.present import new_record_json
from web.request_log import HEADER, ID, environ_of, request_fields, requests_log
from web.services import Services

PATH = "/api/records"
ENDPOINT = "api.submit_record"
HEAD_BYTES_MAX = 1024
BODY_BYTES_MAX = 16 << 10

_LINE = rb"[A-Za-z-]+: [\x21-\x7e]+(?: [\x21-\x7e]+)*\r\n"
_HEAD = re.compile(rb"POST /api/records HTTP/1\.1\r\n((?:" + _LINE + rb")+)\r\n")
_HOST = re.compile(rb"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?")
_LENGTH = re.compile(rb"[1-9][0-9]{0,4}")
_REQUEST_ID = re.compile(rb"(?<=\r\n)(?i:%s): (%s)\r\n" % (HEADER.encode(), ID.encode()))
# Names that change nothing about the answer, besides those that `_body_length` looks at.
_IDLE = frozenset((b"accept", b"accept-encoding", b"user-agent", b"x-forwarded-for", b"x-forwarded-proto"))


class PlainRequest(NamedTuple):
    """What is read of one."""

    statement: bytes
    request_id: str  # the client's or its proxy's; empty: none
    size: int  # bytes, head and body


def request_in(data: bytes) -> PlainRequest | None:
    """The plain request that these bytes begin with, whole; None for any other."""
    end = data.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX) + 4
    if end == 3:
        return None
    head, given = data[:end], _REQUEST_ID.search(data, 0, end)
    if given is not None:  # every request has another one: without it, the heads of a client are the same
        head = data[: given.start()] + data[given.end() : end]
    length = _body_length(head)
    if length is None or len(data) < end + length:
        return None
    return PlainRequest(data[end : end + length], given[1].decode() if given is not None else "", end + length)


@lru_cache(maxsize=1024)
def _body_length(head: bytes) -> int | None:
    """Content-Length of a plain request with this head. A client sends the same head again and again."""
    found = _HEAD.fullmatch(head)
    if found is None:
        return None
    lines = [line.split(b": ", 1) for line in found[1].split(b"\r\n")[:-1]]
    fields = {name.lower(): value for name, value in lines}
    plain = (
        len(fields) == len(lines)
        and _HOST.fullmatch(fields.pop(b"host", b"")) is not None
        and fields.pop(b"content-type", b"") == b"application/cose"
        and fields.pop(b"connection", b"keep-alive").lower() == b"keep-alive"
    )
    length = fields.pop(b"content-length", b"")
    if not plain or not fields.keys() <= _IDLE or _LENGTH.fullmatch(length) is None or int(length) > BODY_BYTES_MAX:
        return None
    return int(length)


class DirectSubmission:
    """Safe for threads."""

    def __init__(self, app: APIFlask, services: Services, metrics: Metrics) -> None:
        self._json = app.json
        self._services = services
        self._metrics = metrics
        response = Response(b"", 201, mimetype=app.json.mimetype)  # type: ignore[attr-defined]
        response.headers["Content-Length"] = "%(length)d"
        response.headers["Location"] = f"{PATH}/%(index)d"
        response.headers[HEADER] = "%(request_id)s"
        with_headers(response, "POST", PATH)
        self._fields = "".join(f"{name}: {value}\r\n" for name, value in response.headers)
        self.status = response.status

    def submit(self, requests: Sequence[PlainRequest]) -> list[bytes | None]:
        """Log them, each by itself. The answer's header fields, empty line and body; None: leave it to the application.

        Returns when all that are answered are durable.
        """
        started = time.perf_counter()
        self._metrics.in_progress.inc(len(requests))
        try:
            return self._submit(requests, started)
        finally:
            self._metrics.in_progress.dec(len(requests))

    def _submit(self, requests: Sequence[PlainRequest], started: float) -> list[bytes | None]:
        plain = [place for place, request in enumerate(requests) if _is_generation(request.statement)]
        answers: list[bytes | None] = [None] * len(requests)
        if not self._services.gate.is_open():
            return answers
        try:
            placed = self._services.signer.appender.submit_each([requests[place].statement for place in plain])
        except LedgerError:
            return answers
        for place, entry in zip(plain, placed, strict=True):
            if isinstance(entry, Entry) and entry.new:
                answers[place] = self._answer(entry, requests[place].request_id, started)
        return answers

    def _answer(self, entry: Entry, request_id: str, started: float) -> bytes:
        body = bytes(self._json.response(new_record_json(self._services, entry, None)).data)  # type: ignore[attr-defined]
        environ, seconds = environ_of("POST", PATH, entry.index, request_id), time.perf_counter() - started
        fields = request_fields(environ, 201, len(body), seconds)
        requests_log.info("request", extra=fields)
        self._metrics.requests.labels(ENDPOINT, "POST", 201).inc()
        self._metrics.seconds.labels(ENDPOINT).observe(seconds)
        self._metrics.submissions.labels("new").inc()
        self._metrics.count_entries([entry])
        head = self._fields % {"length": len(body), "index": entry.index, "request_id": fields["request_id"]}
        return head.encode("latin-1") + b"\r\n" + body


def _is_generation(statement: bytes) -> bool:
    try:
        return isinstance(open_statement(statement).payload, GenerationStatement)
    except LedgerError:
        return False
