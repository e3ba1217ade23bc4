"""The one way into the log for a service: it remembers whether the log took the last append."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ledger.content import Content
from ledger.errors import LedgerError, StoreError
from ledger.log import Entry, Log

T = TypeVar("T")
A = TypeVar("A", bound=Entry | LedgerError)


class Appender:
    """Appends to a log. Safe to share between threads: its memory is one name, replaced as a whole."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._failure: str | None = None

    @property
    def failure(self) -> str | None:
        """Code of the StoreError of the last append, None once one has succeeded since, or if none has failed."""
        return self._failure

    def submit(self, statement: bytes, content: Content | None = None) -> Entry:
        """`Log.submit`. A refused statement, or one that was there already, says nothing about the store."""
        return self.submit_many([(statement, content)])[0]

    def submit_many(self, items: Sequence[tuple[bytes, Content | None]]) -> list[Entry]:
        """`Log.submit_many`, likewise."""
        return self._remembered(self.log.submit_many, items)

    def submit_each(self, statements: Sequence[bytes]) -> list[Entry | LedgerError]:
        """`Log.submit_each`, likewise."""
        return self._remembered(self.log.submit_each, statements)

    def _remembered(self, append: Callable[[Sequence[T]], list[A]], items: Sequence[T]) -> list[A]:
        """What came of it: the last failure of the store, raised or among the answers, counts before any success."""
        try:
            answers = append(items)
        except StoreError as error:
            self._failure = error.code
            raise
        if failures := [answer.code for answer in answers if isinstance(answer, StoreError)]:
            self._failure = failures[-1]
        elif any(isinstance(answer, Entry) and answer.new for answer in answers):
            self._failure = None
        return answers
