"""The only writer: takes submissions from any number of threads and appends them, many to a transaction.

A batch is one database transaction: lock the checkpoint row, decide, write entries, hashes and contents, sign, replace
the checkpoint row by compare-and-swap, commit. Submitters are told only after the commit. One service a log: it holds
the lease. Commands that append beside it take turns by the row lock. SPEC.md, "Appending", gives the crash states.
"""

import os
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ledger import checkpoint, content_store, registry_store, store
from ledger.admission import Admission, Placed, Registered
from ledger.append_work import AppendWork, WorkMeter
from ledger.checkpoint import Checkpoint
from ledger.content_store import ContentRow
from ledger.database import Database
from ledger.errors import LedgerError, LogConflict, StoreError
from ledger.keys import NoteSigner
from ledger.lease import Lease
from ledger.merkle import Frontier
from ledger.statement import ErasureStatement
from ledger.store import Head
from ledger.stored_hashes import frontier_indexes
from ledger.submission import Submission
from ledger.tile_hashes import TILE_BITS, TileHashes

BATCH_STATEMENTS = 2_000  # a batch is closed when it holds this many; a larger group is a batch of its own
QUEUE_STATEMENTS = 20_000  # waiting; beyond this, submitters are turned away


@dataclass(frozen=True, slots=True)
class _Ticket:
    """A group of submissions that is admitted as a whole or not at all, and whoever waits for it."""

    group: Sequence[Submission]
    answer: "Future[list[Placed]]" = field(default_factory=Future)


class Sequencer:
    """One thread, started by the first submission. Not to be used across a fork."""

    def __init__(self, database: Database, origin: str, keys: Sequence[NoteSigner]) -> None:
        self._database = database
        self._origin = origin
        self._keys = keys
        self._process = os.getpid()
        # Owned by the sequencer's thread. The right edge of the tree as of our last commit; None: read it again.
        self._frontier: Frontier | None = None
        self._registered = Registered()
        self._meter = WorkMeter()
        # Shared, under the condition's lock.
        self._changed = threading.Condition()
        self._queue: deque[_Ticket] = deque()
        self._waiting = 0  # statements in the queue
        self._closed = False
        self._lease: Lease | None = None  # None: appends take turns with other processes
        self._thread: threading.Thread | None = None

    def hold_lease(self) -> None:
        """From now until `close`, no other service appends to the log. LogConflict `sequencer_running`."""
        if self._lease is None:
            self._lease = Lease(self._database)

    def submit(self, group: Sequence[Submission]) -> list[Placed]:
        """Returns when all of the group is durable. Raises StatementRefused if none of it is admitted.

        After StoreError or LogConflict the outcome may be unknown, because the answer to a commit can get lost:
        submitting the same again is always right.
        """
        return self._enqueue([_Ticket(group)])[0].answer.result()

    def submit_each(self, submissions: Sequence[Submission]) -> list[Placed | LedgerError]:
        """Likewise for several groups of one, in one wait: an answer or a refusal for each."""
        answers: list[Placed | LedgerError] = []
        for ticket in self._enqueue([_Ticket([item]) for item in submissions]):
            try:
                answers += ticket.answer.result()
            except LedgerError as error:
                answers.append(error)
        return answers

    def work(self) -> AppendWork:
        """What was done so far. Safe for any thread."""
        with self._changed:
            waiting = self._waiting
        return self._meter.work(waiting)

    def _enqueue(self, tickets: list[_Ticket]) -> list[_Ticket]:
        size = sum(len(ticket.group) for ticket in tickets)
        with self._changed:
            if self._closed:
                raise StoreError("log_closed", "the log was closed; open it again to append")
            if os.getpid() != self._process:
                raise StoreError("log_forked", "the log was opened before a fork; open it in each process")
            if self._waiting and self._waiting + size > QUEUE_STATEMENTS:
                raise StoreError("overloaded", "too many statements wait to be appended; retry", retryable=True)
            self._queue.extend(tickets)
            self._waiting += size
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rail-sequencer", daemon=True)
                self._thread.start()
            self._changed.notify()
        return tickets

    def close(self) -> None:
        """Appends what is queued, then stops."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and os.getpid() == self._process:
            thread.join()
        if self._lease is not None:
            self._lease.close()

    # The thread

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                answers = self._append(batch)
            except LedgerError as error:
                answers = [error] * len(batch)
            except Exception as error:  # a fault of ours must reach the submitters, not leave them waiting
                answers = [error] * len(batch)
            self._meter.count(sum(len(ticket.group) for ticket in batch))
            for ticket, answer in zip(batch, answers, strict=True):
                if isinstance(answer, Exception):
                    ticket.answer.set_exception(answer)
                else:
                    ticket.answer.set_result(answer)

    def _next_batch(self) -> list[_Ticket]:
        """Everything that queued up during the last commit, up to a limit; empty when closed and done."""
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
            batch: list[_Ticket] = []
            size = 0
            while self._queue and (not batch or size + len(self._queue[0].group) <= BATCH_STATEMENTS):
                batch.append(self._queue.popleft())
                size += len(batch[-1].group)
            self._waiting -= size
            return batch

    def _append(self, batch: Sequence[_Ticket]) -> list[list[Placed] | Exception]:
        """One answer a ticket.

        When the store fails, the batch is tried once more. If the commit did happen and only the news of it was lost,
        the second try finds the entries; `attempted` remembers that they are ours.
        """
        attempted: dict[bytes, int] = {}
        try:
            return self._transaction(batch, attempted)
        except (StoreError, LogConflict):
            self._frontier = None
            return self._transaction(batch, attempted)

    def _transaction(self, batch: Sequence[_Ticket], attempted: dict[bytes, int]) -> list[list[Placed] | Exception]:
        self._meter.begin()
        if self._lease is not None:
            self._lease.check()
        frontier, self._frontier = self._frontier, None
        with self._database.write() as connection:
            head = store.read_head(connection, lock=True)
            if frontier is None or (frontier.size, frontier.root()) != (head.size, head.root):
                frontier = _read_frontier(connection, head)
            admission = Admission(
                connection, head.size, self._registered, [item for ticket in batch for item in ticket.group]
            )
            answers = [_admit(admission, ticket.group, attempted) for ticket in batch]
            attempted.update((row.leaf_hash, row.leaf_index) for row, _ in admission.added)
            self._meter.end("preparing")
            if admission.added:
                # A crash before the commit leaves the old log. A crash after it leaves the new one, and submitters who
                # do not know: the same statement again finds its entry.
                _write(connection, admission, frontier)
                self._meter.end("writing")
                signed = self._sign(frontier)
                self._meter.end("signing")
                store.replace_head(connection, head, signed)
        self._meter.end("committing")
        self._frontier = frontier
        return answers

    def _sign(self, frontier: Frontier) -> Head:
        """The last act before the commit, with the row locked: the note leaves this transaction only if it commits."""
        signed = Checkpoint(self._origin, frontier.size, frontier.root())
        return Head(signed.size, signed.root, checkpoint.sign(signed, self._keys))


def _admit(admission: Admission, group: Sequence[Submission], attempted: dict[bytes, int]) -> list[Placed] | Exception:
    try:
        placed = admission.admit(group)
    except LedgerError as error:
        return error
    if not attempted:
        return placed
    return [Placed(item.row, item.new or attempted.get(item.row.leaf_hash) == item.row.leaf_index) for item in placed]


def _write(connection: Connection, admission: Admission, frontier: Frontier) -> None:
    """The rows of all that was admitted; moves the frontier over them."""
    nodes = []
    for row, _ in admission.added:
        for height, value in enumerate(frontier.append(row.leaf_hash)):
            level, within = divmod(height, TILE_BITS)
            if level and not within:
                nodes.append({"level": level, "position": row.leaf_index >> height, "hash": value})
    store.insert_entries(connection, [row for row, _ in admission.added])
    store.insert_nodes(connection, nodes)
    for operator, index in admission.operators.items():
        registry_store.insert_operator(connection, operator, index)
    for operator_index, index in admission.ends.items():
        registry_store.insert_operator_end(connection, operator_index, index)
    for model_root, index in admission.models.items():
        registry_store.insert_model(connection, model_root, index)
    bodies = [
        ContentRow(row.leaf_index, submission.visibility, submission.body)
        for row, submission in admission.added
        if submission.visibility is not None and submission.body is not None
    ]
    content_store.insert_contents(connection, bodies)
    for _, submission in admission.added:
        if isinstance(submission.signed.payload, ErasureStatement):
            content_store.delete_content(connection, submission.signed.payload.entry_index)


def _read_frontier(connection: Connection, head: Head) -> Frontier:
    """The right edge from the stored hashes. They must lead to the signed root: a damaged log is never extended."""
    indexes = frontier_indexes(head.size)
    hashes = TileHashes(connection).read_hashes(indexes) if indexes else []
    frontier = Frontier(head.size, hashes)
    if frontier.root() != head.root:
        raise StoreError(
            "root_mismatch", f"the hashes of the log do not lead to its root at size {head.size}; run fsck"
        )
    return frontier
