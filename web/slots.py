"""A bound on work that runs or waits at one time; what comes on top is refused at once, not queued."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from web.errors import RequestError


class Slots:
    """`count` places for work of one kind."""

    def __init__(self, count: int, kind: str) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._kind = kind

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Take a place for the block, or raise RequestError (`overloaded`, 503)."""
        if not self._free.acquire(blocking=False):
            raise RequestError("overloaded", f"too many {self._kind} are waiting; try again in a moment", 503)
        try:
            yield
        finally:
            self._free.release()
