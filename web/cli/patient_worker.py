"""A gunicorn worker in which no client, however slow, holds a thread while it sends.

A connection gets a thread when its request has arrived: the head and, up to 64 KiB, the body. Until then it waits in
the poller, where it costs a file handle, and is closed after the keep-alive time. A larger body is read in the thread,
with a limit for each pause and one for the whole. Plain submissions get no thread of their own: direct_lane.py.
Made for plain HTTP; TLS is the business of the proxy before it.
"""

import re
import resource
import socket
import struct
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from web.cli.direct_lane import DirectLane, Outcome

HEAD_BYTES_MAX = 16 << 10  # beyond it the parser has its say
WAIT_BYTES_MAX = 64 << 10  # a request up to this size is there as a whole before it gets a thread
PAUSE_SECONDS = 10  # the longest pause of a client that sends a larger body, or that reads its answer
READING_SECONDS = 60  # after which nothing more of a request is read; an answer that takes longer is still sent
HANDLES_KEPT = 200  # for databases, model files and logs
CONNECTIONS_MAX = 20_000

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*\r\n", re.IGNORECASE)


def connections_limit() -> int:
    """How many connections this process may hold open, once its own limit of file handles is raised to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return max(100, min(CONNECTIONS_MAX, soft - HANDLES_KEPT))


class PatientWorker(ThreadWorker):
    """Replaces the acceptor, which hands every new connection to a thread before anything has arrived on it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._started: dict[TConn, float] = {}  # connections with a thread, and since when
        self._lane: DirectLane | None = None  # None: the application has no direct submissions

    def load_wsgi(self) -> None:
        super().load_wsgi()
        direct = self.app.running.direct
        if direct is not None:
            self._lane = DirectLane(direct, lambda given: self.method_queue.defer(self._take_back, given))

    def accept(self, listener: socket.socket) -> None:
        try:
            client, address = listener.accept()
        except OSError:
            return  # gone already, or no handle is left: the poller calls again
        seconds = struct.pack("ll", PAUSE_SECONDS, 0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds)
        self.nr_conns += 1
        conn = TConn(self.cfg, client, address, listener.getsockname())
        conn.set_timeout()
        self.pending_conns.append(conn)
        self.poller.register(client, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_pending_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        if self._needs_thread(conn, client, self.pending_conns):
            super().on_pending_socket_readable(conn, client)

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        if self._needs_thread(conn, client, self.keepalived_conns):
            super().on_client_socket_readable(conn, client)

    def _needs_thread(self, conn: TConn, client: socket.socket, waiting: deque[TConn]) -> bool:
        """Whether a request has arrived that a thread is to answer; one for the lane goes there, and an end ends here.

        The lane takes none while its answer would have to close the connection.
        """
        data = arrived(conn, client)
        if data is None:
            return False
        keeps = self.alive and len(self.keepalived_conns) < self.max_keepalived
        taken = keeps and self._lane is not None and self._lane.take(conn, data)
        if data and not taken:
            return True
        self.poller.unregister(client)
        waiting.remove(conn)
        if not taken:
            self._drop(conn)
        return False

    def _drop(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()

    def _take_back(self, given: Sequence[tuple[TConn, Outcome]]) -> None:
        """In the poller's thread: connections from the lane wait for their next request, or for a thread, or end."""
        for conn, outcome in given:
            if outcome is Outcome.LEFT:
                self.enqueue_req(conn)
            elif outcome is Outcome.BROKEN:
                self._drop(conn)
            else:
                conn.set_timeout()
                self.keepalived_conns.append(conn)
                self.poller.register(conn.sock, EVENT_READ, partial(self.on_client_socket_readable, conn))

    def enqueue_req(self, conn: TConn) -> None:
        self._started[conn] = time.monotonic()
        super().enqueue_req(conn)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        self._started.pop(conn, None)
        super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Called each second: closes those who never sent a request, and stops reading from those who take too long."""
        super().murder_pending()
        latest = time.monotonic() - READING_SECONDS
        for conn in [conn for conn, started in self._started.items() if started < latest]:
            self._started.pop(conn)
            with suppress(OSError):
                conn.sock.shutdown(socket.SHUT_RD)  # a thread that reads sees the end; one that answers goes on


def arrived(conn: Any, client: socket.socket) -> bytes | None:
    """What is there, and stays there, if it is a whole request, or all that a thread waits for; empty: it has ended.

    If None, the poller wakes when more has come than is there now.
    """
    try:
        data = client.recv(HEAD_BYTES_MAX + WAIT_BYTES_MAX, socket.MSG_PEEK)
    except BlockingIOError:
        return None
    except OSError:
        return b""
    wanted = _wanted(data)
    if len(data) < wanted and len(data) >= getattr(conn, "wanted", 1):
        conn.wanted = wanted
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted)
        return None
    # All is there; or it woke for less than it waited for, which is how the end of a connection looks.
    if getattr(conn, "wanted", 1) > 1:
        conn.wanted = 1
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
    return data


def _wanted(data: bytes) -> int:
    """How many bytes must be there before a thread is worth it; at most those that are there if it is now."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return len(data) + 1 if 0 < len(data) < HEAD_BYTES_MAX else len(data)
    length = _CONTENT_LENGTH.search(data, 0, end + 2)
    total = end + 4 + (int(length[1]) if length is not None else 0)
    return total if total <= WAIT_BYTES_MAX else len(data)
