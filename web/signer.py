"""Signs and logs this operator's own statements: one counter, no gaps, no number used twice."""

from collections.abc import Callable

from ledger.content import Content
from ledger.keys import SigningKey, operator_id
from ledger.log import Entry
from ledger.statement import Payload, sign_statement
from web.appender import Appender
from web.lock import FileLock


class Signer:
    """The only user of the operator's key. Safe to share between threads."""

    def __init__(self, appender: Appender, key: SigningKey, lock: FileLock) -> None:
        self.appender = appender
        self.log = appender.log
        self.key = key
        self.operator = operator_id(key.public)
        self._lock = lock

    def submit(self, make: Callable[[int], Payload], content: Content | None = None) -> Entry:
        """Log `make(counter)` with the operator's next counter; returns when the entry is durable.

        The counter is read and used under one lock that other processes on this home folder respect, so a
        command and a running service never use a number twice. A refused statement uses no number.
        """
        with self._lock.hold():
            payload = make(self.log.next_counter(self.operator))
            return self.appender.submit(sign_statement(payload, self.key), content)
