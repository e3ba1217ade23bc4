"""A log, as its users see it: submit statements, erase content, check the whole; reading is in reader.py.

    log = Log.open("sqlite:///rail.db", key)
    entry = log.submit(sign_statement(payload, operator_key), content)     # durable when this returns
    receipt = log.receipt(entry.index, opening=True)

A `Log` is safe for threads. Any number of processes may open the same database, each with its own `Log`; one of them,
the service, holds the sequencer's lease.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Self

from ledger import checkpoint, merkle, schema, store
from ledger.admission import Placed
from ledger.append_work import AppendWork
from ledger.checkpoint import Checkpoint
from ledger.content import Content
from ledger.database import Database
from ledger.errors import LedgerError, LogConflict, NotFound, ParseError, StatementRefused, StoreError, at_position
from ledger.fsck import Fault, FsckReport, Progress, check_log
from ledger.keys import NoteSigner, SigningKey, operator_id
from ledger.reader import Entry, LogReader, Stats
from ledger.sequencer import Sequencer
from ledger.statement import ErasureStatement, OperatorStatement, is_registration, sign_statement
from ledger.store import Head, Identity
from ledger.submission import Opened, Submission, check_opened, open_submission, prepare

__all__ = ["Entry", "Log", "Stats"]

SUBMIT_STATEMENTS_MAX = 10_000  # in one call
SUBMIT_BYTES_MAX = 256 << 20  # of statements and content, in one call
SIGN_ATTEMPTS = 5  # for a counter that another process takes first


class Log(LogReader):
    """An append-only log in a database. Made by `create` or `open`."""

    def __init__(
        self, database: Database, identity: Identity, key: NoteSigner | None, also: Sequence[NoteSigner] = ()
    ) -> None:
        super().__init__(database, identity)
        self._sequencer = Sequencer(database, identity.origin, [key, *also]) if key is not None else None

    @classmethod
    def create(cls, database_url: str, origin: str, key: NoteSigner, also: Sequence[NoteSigner] = ()) -> Self:
        """A new, empty log with a signed checkpoint of size 0; the keys in `also` sign each checkpoint too.

        LogConflict `log_exists`, ParseError `origin`, StoreError.
        """
        for each in (key, *also):
            if each.name != origin:
                raise ParseError("origin", f"the log's key is named {each.name!r}, not by the log's origin {origin!r}")
        empty = Checkpoint(origin, 0, merkle.EMPTY_ROOT)
        database = Database(database_url, create=True)
        identity = Identity(origin, key.vkey)
        try:
            with database.write() as connection:
                store.create_schema(connection, identity, Head(0, empty.root, checkpoint.sign(empty, [key, *also])))
        except LedgerError:
            database.close()
            raise
        return cls(database, identity, key, also)

    @classmethod
    def open(cls, database_url: str, key: NoteSigner | None, also: Sequence[NoteSigner] = ()) -> Self:
        """An existing log; with no key it can only be read. Keys in `also` sign with the log's own.

        NotFound `database_missing` or `log_missing`, LogConflict `wrong_key`, StoreError.
        """
        database = Database(database_url)
        try:
            with database.read() as connection:
                identity = store.read_identity(connection)
            if key is not None and key.vkey != identity.vkey:
                raise LogConflict(
                    "wrong_key",
                    f"the log is signed by {identity.vkey}, but the key given is {key.vkey}; use its own key",
                )
        except LedgerError:
            database.close()
            raise
        return cls(database, identity, key, also)

    @staticmethod
    def migrate(database_url: str) -> tuple[int, int]:
        """Bring the tables of an existing log to this program's version, in one transaction; (version before, after).

        NotFound `database_missing` or `log_missing`, StoreError.
        """
        database = Database(database_url)
        try:
            with database.write() as connection:
                store.check_log_exists(connection)
                return schema.migrate(connection)
        finally:
            database.close()

    def hold_lease(self) -> None:
        """Become the log's one sequencer until `close`, as a service does. LogConflict `sequencer_running`, StoreError.

        Whoever appends without the lease, such as a command, takes turns with the one that holds it.
        """
        self._writer().hold_lease()

    def close(self) -> None:
        """Finishes what was submitted and closes the connections."""
        if self._sequencer is not None:
            self._sequencer.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fsck(
        self,
        progress: Progress | None = None,
        on_fault: Callable[[Fault], None] | None = None,
        hashes_only: bool = False,
        processes: int = 1,
    ) -> FsckReport:
        """Checks the whole log and lists every fault. `progress` hears of entries done and in all.

        With `hashes_only`, only what the tree rests on: statements against leaves, stored hashes, root, checkpoint.
        A program that asks for `processes` can be imported again by them: its work is under `__name__ == "__main__"`.
        """
        return check_log(self._database, self._identity, progress, on_fault, hashes_only, processes)

    # Appending

    def submit(self, statement: bytes, content: Content | None = None) -> Entry:
        """Appends a signed statement, with the content that it commits to; returns when both are durable.

        A statement that is in the log already gives its entry, with `new` False; content given with it is checked,
        not stored. Raises ParseError, SignatureInvalid or StatementRefused for a statement that the log does not admit,
        and StoreError if the outcome is not known to be durable: submitting the same again is always right then.
        """
        return self.submit_many([(statement, content)])[0]

    def submit_many(self, items: Iterable[tuple[bytes, Content | None]]) -> list[Entry]:
        """Appends all, in this order and side by side, or none. Bounds: SUBMIT_STATEMENTS_MAX, SUBMIT_BYTES_MAX.

        An error about one of the statements has its place in `position`.
        """
        now, opened, total_bytes = int(time.time()), list[Opened](), 0
        known: dict[bytes, OperatorStatement] = {}  # registrations: of this group, and of the log once it was asked

        def operator_of(identifier: bytes) -> OperatorStatement | None:
            if identifier not in known and (found := self.operator(identifier)) is not None:
                known[identifier] = found
            return known.get(identifier)

        for position, (statement, content) in enumerate(items):
            with at_position(position):
                item = open_submission(statement, content, operator_of, now)
            total_bytes += len(statement) + len(item.body or b"")
            if position == SUBMIT_STATEMENTS_MAX or total_bytes > SUBMIT_BYTES_MAX:
                raise StatementRefused(
                    "group_too_large",
                    f"at most {SUBMIT_STATEMENTS_MAX} statements and {SUBMIT_BYTES_MAX} bytes are appended in one call",
                )
            if is_registration(item.signed.payload):
                known[item.signed.operator] = item.registration
            opened.append(item)
        group: list[Submission] = []
        for position, checked in enumerate(check_opened(opened, now)):
            with at_position(position):
                if isinstance(checked, LedgerError):
                    raise checked
            group.append(checked)
        return self._append(group)

    def submit_each(self, statements: Iterable[bytes]) -> list[Entry | LedgerError]:
        """Appends each that is admitted, without content, and waits once for all; the others' errors, in their places.

        For generations: an erasure is for `submit`, which drops what it erases.
        """
        now = int(time.time())
        opened: list[Opened | LedgerError] = []
        for statement in statements:
            try:
                opened.append(open_submission(statement, None, self.operator, now))
            except LedgerError as error:
                opened.append(error)
        ready = iter(check_opened([item for item in opened if isinstance(item, Opened)], now))
        checked = [next(ready) if isinstance(item, Opened) else item for item in opened]
        placed = iter(self._writer().submit_each([item for item in checked if isinstance(item, Submission)]))
        answers: list[Entry | LedgerError] = []
        for item in checked:
            if isinstance(item, LedgerError):
                answers.append(item)
                continue
            answer = next(placed)
            answers.append(_placed_entry(answer, item) if isinstance(answer, Placed) else answer)
        return answers

    def append_work(self) -> AppendWork:
        """What this `Log` has appended so far, what waits, and how long each step took. StoreError `log_read_only`."""
        return self._writer().work()

    def erase(self, index: int, reason: str, key: SigningKey) -> Entry:
        """Appends an erasure statement by a registered operator's key, and drops content and salts with it.

        This is the right of whoever runs the log, for any entry; from outside, `submit` takes an erasure statement only
        from the entry's own operator. `reason` is a short code. NotFound `no_content`.
        """
        entry = self.entry(index)
        if self.content(index) is None:
            raise NotFound("no_content", f"this log holds no content of entry {index}: nothing to erase")
        for attempt in range(SIGN_ATTEMPTS):
            payload = ErasureStatement(
                time=int(time.time()),
                counter=self.next_counter(operator_id(key.public)),
                entry_index=index,
                entry_leaf_hash=entry.leaf_hash,
                reason=reason,
            )
            try:
                signed, now = sign_statement(payload, key), int(time.time())
                erasure = self._append([prepare(signed, None, self.operator, now, erase_any=True)])[0]
                break
            except StatementRefused as error:
                if error.code != "counter_used" or attempt == SIGN_ATTEMPTS - 1:
                    raise
        return erasure

    def _writer(self) -> Sequencer:
        if self._sequencer is None:
            raise StoreError("log_read_only", "the log was opened without its key; it can only be read")
        return self._sequencer

    def _append(self, group: list[Submission]) -> list[Entry]:
        placed = self._writer().submit(group) if group else []
        if any(isinstance(submission.signed.payload, ErasureStatement) for submission in group):
            self._database.scrub()
        return [_placed_entry(item, submission) for item, submission in zip(placed, group, strict=True)]


def _placed_entry(placed: Placed, submission: Submission) -> Entry:
    row = placed.row
    return Entry(
        row.leaf_index,
        row.statement,
        row.leaf_hash,
        row.kind,
        row.time,
        row.logged,
        submission.signed.operator,
        placed.new,
    )
