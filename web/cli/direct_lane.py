"""The threads between a worker's poller and `DirectSubmission`: many plain requests a turn, no thread for each.

While one thread waits for the database, the other one checks what has arrived since: that is the group commit.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from enum import Enum
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from gunicorn.http.wsgi import SERVER
from gunicorn.util import http_date
from gunicorn.workers.gthread import TConn

if TYPE_CHECKING:
    from web.direct import DirectSubmission, PlainRequest

THREADS = 2
TURN_REQUESTS_MAX = 128  # the turns of all threads fit into what `open_statement` remembers: each is parsed once

_logger = logging.getLogger(__name__)


class Outcome(Enum):
    """What became of a request that the lane took."""

    ANSWERED = "answered"
    LEFT = "left"  # not read: the application is to answer
    BROKEN = "broken"  # the client is gone, or does not read


class _Request(NamedTuple):
    conn: TConn
    plain: "PlainRequest"


GiveBack = Callable[[Sequence[tuple[TConn, Outcome]]], None]


class DirectLane:
    """Started with the first request. A connection that was taken is the lane's until it is given back."""

    def __init__(self, direct: "DirectSubmission", give_back: GiveBack) -> None:
        from web.direct import request_in

        self._request_in = request_in
        self._direct = direct
        self._give_back = give_back
        self._arrived: SimpleQueue[_Request] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"rail-direct-{number}", daemon=True) for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def take(self, conn: TConn, data: bytes) -> bool:
        """Whether `data`, which is at the socket and stays there, is a request for this lane; if so, it is taken."""
        found = self._request_in(data)
        if found is not None:
            self._arrived.put(_Request(conn, found))
        return found is not None

    def _work(self) -> None:
        while True:
            requests = [self._arrived.get()]
            try:
                while len(requests) < TURN_REQUESTS_MAX:
                    requests.append(self._arrived.get_nowait())
            except Empty:
                pass
            try:
                answers = self._direct.submit([request.plain for request in requests])
            except Exception as error:  # whatever it is, the application meets it too, and answers it
                _logger.error("direct submission failed: %s", type(error).__name__)
                answers = [None] * len(requests)
            head = f"HTTP/1.1 {self._direct.status}\r\nServer: {SERVER}\r\nDate: {http_date()}\r\n"
            lines = f"{head}Connection: keep-alive\r\n".encode("latin-1")
            self._give_back(
                [
                    (request.conn, Outcome.LEFT if answer is None else _send(request, lines + answer))
                    for request, answer in zip(requests, answers, strict=True)
                ]
            )


def _send(request: _Request, answer: bytes) -> Outcome:
    """Reads the request off the socket and answers it, without ever waiting: the socket does not block.

    An answer is small. A client whose socket has no room for it has left many answers unread.
    """
    try:
        request.conn.sock.recv(request.plain.size)
        return Outcome.ANSWERED if request.conn.sock.send(answer) == len(answer) else Outcome.BROKEN
    except OSError:
        return Outcome.BROKEN
