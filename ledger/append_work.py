"""How much a sequencer has appended and how long each step took: numbers for whoever watches it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

# Of one transaction: locking, reading and deciding; inserting the rows; the note; swapping the row and the commit.
STEPS = ("preparing", "writing", "signing", "committing")


@dataclass(frozen=True, slots=True)
class AppendWork:
    """What was done since the log was opened, by this process alone."""

    waiting: int  # statements in the queue, now
    batches: int  # transactions that were answered, whatever the answer
    statements: int  # in these batches, admitted or not
    seconds: Mapping[str, float]  # by step, each of STEPS; one that failed is not in it


class WorkMeter:
    """Written by one thread, which alone may write; read by any: each number is replaced as a whole."""

    def __init__(self) -> None:
        self._batches = self._statements = 0
        self._seconds = dict.fromkeys(STEPS, 0.0)
        self._since = 0.0

    def begin(self) -> None:
        """The first step begins."""
        self._since = time.perf_counter()

    def end(self, step: str) -> None:
        """A step has ended, and the next one begins."""
        now = time.perf_counter()
        self._seconds[step] += now - self._since
        self._since = now

    def count(self, statements: int) -> None:
        """A batch of so many statements has its answers."""
        self._batches += 1
        self._statements += statements

    def work(self, waiting: int) -> AppendWork:
        return AppendWork(waiting, self._batches, self._statements, dict(self._seconds))
