"""How often a witness cosigns for one log: a bucket of tokens a log, filled evenly.

A request takes a token only once a key of the log has signed its checkpoint, so nobody uses up the rate of another.
"""

import threading
import time
from collections.abc import Callable
from math import ceil

from ledger.errors import StoreError

BURST_SECONDS = 10  # of the rate: a log that was away may catch up


class RateLimited(StoreError):
    """Too many requests of this log; `seconds` until the next one is taken."""

    def __init__(self, origin: str, seconds: int) -> None:
        super().__init__(
            "witness_rate", f"too many checkpoints of {origin[:80]!r}; retry in {seconds} s", retryable=True
        )
        self.seconds = seconds


class Rates:
    """Safe for threads. Holds one pair of numbers for each log that was ever seen: only trusted logs come here."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._most = max(per_second * BURST_SECONDS, 1.0)
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens, and when that was right

    def take(self, origin: str) -> None:
        """Raises RateLimited. A clock that goes back adds nothing."""
        now = self._clock()
        with self._lock:
            tokens, then = self._buckets.get(origin, (self._most, now))
            tokens = min(self._most, tokens + max(now - then, 0.0) * self._per_second)
            if tokens < 1:
                self._buckets[origin] = (tokens, now)
                raise RateLimited(origin, ceil((1 - tokens) / self._per_second))
            self._buckets[origin] = (tokens - 1, now)
