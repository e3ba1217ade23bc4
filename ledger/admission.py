"""Which submissions a log admits, decided inside the sequencer's transaction, where nothing else moves.

Idempotence, registrations, counters, and the entries that statements are about. SPEC.md, section 13, lists the rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from ledger import content_store, registry_store, store
from ledger.errors import StatementRefused, at_position
from ledger.keys import operator_id
from ledger.statement import (
    ErasureStatement,
    GenerationStatement,
    ModelStatement,
    OperatorStatement,
    ReplayStatement,
    is_registration,
)
from ledger.store import EntryRow
from ledger.submission import Submission, unknown_operator

REMEMBERED_MAX = 20_000  # registrations, of each kind


class Placed(NamedTuple):
    """Where a submission is in the log; `new` is False if it was there before."""

    row: EntryRow
    new: bool


IndexLookup = Callable[[Connection, Sequence[bytes]], dict[bytes, int]]


class _Remembered:
    """A lookup of committed registrations that asks the database for each only once: they never change."""

    def __init__(self, lookup: IndexLookup) -> None:
        self._lookup = lookup
        self._known: dict[bytes, int] = {}

    def find(self, connection: Connection, wanted: set[bytes]) -> dict[bytes, int]:
        """Leaf index of each of those that are registered."""
        if missing := sorted(wanted - self._known.keys()):
            if len(self._known) + len(missing) > REMEMBERED_MAX:
                self._known.clear()
                missing = sorted(wanted)
            self._known |= self._lookup(connection, missing)
        return {name: self._known[name] for name in wanted if name in self._known}


class Registered:
    """What a sequencer remembers of the two registries from batch to batch."""

    def __init__(self) -> None:
        self.operators = _Remembered(registry_store.operator_indexes)
        self.models = _Remembered(registry_store.model_indexes)


@dataclass(slots=True)
class _State:
    """What a transaction knows of the log: loaded rows, or the additions of one group."""

    entries: dict[bytes, EntryRow] = field(default_factory=dict)  # by leaf hash
    by_index: dict[int, EntryRow] = field(default_factory=dict)
    operators: dict[bytes, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)  # leaf that ended a key, by the leaf that registered it
    models: dict[bytes, int] = field(default_factory=dict)
    counters: set[tuple[int, int]] = field(default_factory=set)
    erased: set[int] = field(default_factory=set)

    def merge(self, other: "_State") -> None:
        self.entries |= other.entries
        self.by_index |= other.by_index
        self.operators |= other.operators
        self.ends |= other.ends
        self.models |= other.models
        self.counters |= other.counters
        self.erased |= other.erased


class Admission:
    """The decisions of one transaction, on a connection that holds the checkpoint row's lock.

    A group of submissions is admitted as a whole or not at all. What was admitted is in `added`, in leaf order.
    """

    def __init__(
        self, connection: Connection, size: int, registered: Registered, submissions: Sequence[Submission]
    ) -> None:
        self._connection = connection
        self._size = size
        self._state = _load(connection, registered, submissions)
        self.added: list[tuple[EntryRow, Submission]] = []
        self.operators: dict[bytes, int] = {}  # newly registered: operator id -> leaf index
        self.ends: dict[int, int] = {}  # newly ended: registration -> leaf index
        self.models: dict[bytes, int] = {}  # newly registered: model root -> leaf index

    def admit(self, group: Sequence[Submission]) -> list[Placed]:
        """Places a group, or raises StatementRefused and leaves everything as it was."""
        staged = _State()
        added: list[tuple[EntryRow, Submission]] = []
        placed = []
        for position, submission in enumerate(group):
            known = self._state.entries.get(submission.leaf_hash) or staged.entries.get(submission.leaf_hash)
            if known is not None:
                placed.append(Placed(known, new=False))
                continue
            with at_position(position):
                row = self._row(submission, self._size + len(self.added) + len(added), staged)
            staged.entries[row.leaf_hash] = row
            staged.by_index[row.leaf_index] = row
            staged.counters.add((row.operator_index, row.counter))
            added.append((row, submission))
            placed.append(Placed(row, new=True))
        self._state.merge(staged)
        self.added += added
        self.operators |= staged.operators
        self.ends |= staged.ends
        self.models |= staged.models
        return placed

    def _row(self, submission: Submission, index: int, staged: _State) -> EntryRow:
        payload = submission.signed.payload
        operator_index = self._operator_index(submission, index, staged)
        subject_index = None
        if isinstance(payload, ModelStatement):
            if payload.model_root not in self._state.models:
                staged.models.setdefault(payload.model_root, index)
        elif isinstance(payload, GenerationStatement):
            if payload.model_root not in self._state.models and payload.model_root not in staged.models:
                raise StatementRefused(
                    "unknown_model", f"no model {payload.model_root.hex()} is registered in this log; register it first"
                )
        elif isinstance(payload, ReplayStatement | ErasureStatement):
            subject_index = self._subject(payload, operator_index, submission, staged)
        self._check_counter(operator_index, payload.counter, staged)
        return EntryRow(
            index,
            submission.leaf_hash,
            payload.type,
            operator_index,
            payload.counter,
            payload.time,
            submission.received,
            subject_index,
            submission.statement,
        )

    def _operator_index(self, submission: Submission, index: int, staged: _State) -> int:
        """Leaf of the signer's registration, which is valid at this place of the log."""
        identifier, payload = submission.signed.operator, submission.signed.payload
        known = self._registered(identifier, staged)
        if is_registration(payload):
            if known is not None:
                raise StatementRefused("operator_registered", f"this key is registered already, by entry {known}")
            staged.operators[identifier] = index
            return index
        if known is None:
            raise unknown_operator(identifier)
        ended = self._state.ends.get(known, staged.ends.get(known))
        if ended is not None:
            raise StatementRefused(
                "operator_ended", f"this operator's key was rotated or revoked by entry {ended}; sign with its next key"
            )
        if isinstance(payload, OperatorStatement):
            if payload.action == "rotate":
                self._check_next_key(payload, staged)
            staged.ends[known] = index
        return known

    def _registered(self, identifier: bytes, staged: _State) -> int | None:
        return self._state.operators.get(identifier, staged.operators.get(identifier))

    def _check_next_key(self, payload: OperatorStatement, staged: _State) -> None:
        """The key that follows has registered itself, which shows that somebody holds it, and was not ended."""
        successor = self._registered(operator_id(payload.public), staged)
        if successor is None:
            raise StatementRefused(
                "rotation_unregistered", "the key that follows is not registered; submit its own registration first"
            )
        if successor in self._state.ends or successor in staged.ends:
            raise StatementRefused("rotation_ended", f"the key that follows, of entry {successor}, was ended itself")

    def _check_counter(self, operator_index: int, counter: int, staged: _State) -> None:
        pair = (operator_index, counter)
        if pair in self._state.counters or pair in staged.counters:
            raise StatementRefused(
                "counter_used", f"the operator has an entry with counter {counter}; sign again with its next counter"
            )

    def _subject(
        self, payload: ReplayStatement | ErasureStatement, operator_index: int, submission: Submission, staged: _State
    ) -> int:
        """Index of the entry that the statement is about, checked."""
        index = payload.entry_index
        subject = staged.by_index.get(index) or self._state.by_index.get(index)
        if subject is None:
            subject = store.entry_at(self._connection, index) if index < self._size else None
        if subject is None:
            raise StatementRefused("subject_missing", f"the statement is about entry {index}, which does not exist")
        if subject.leaf_hash != payload.entry_leaf_hash:
            raise StatementRefused("subject_leaf_hash", f"entry {index} has another leaf hash than the statement says")
        if subject.kind != "generation":
            raise StatementRefused(
                "subject_kind", f"entry {index} is a statement of type {subject.kind}, no generation"
            )
        if isinstance(payload, ErasureStatement):
            if subject.operator_index != operator_index and not submission.erase_any:
                raise StatementRefused("erasure_operator", f"entry {index} belongs to another operator")
            if index in self._state.erased or index in staged.erased or not self._has_content(index):
                raise StatementRefused("erasure_nothing", f"this log holds no content of entry {index} to erase")
            staged.erased.add(index)
        return index

    def _has_content(self, index: int) -> bool:
        """Whether a committed entry has content; one of this very transaction cannot be erased in it."""
        return index < self._size and content_store.content_at(self._connection, index) is not None


def _load(connection: Connection, registered: Registered, submissions: Sequence[Submission]) -> _State:
    """The rows that these submissions may meet: a few queries for any number of them."""
    state = _State()
    state.entries = store.entries_by_hash(connection, [item.leaf_hash for item in submissions])
    state.by_index = {row.leaf_index: row for row in state.entries.values()}
    signers = {item.signed.operator for item in submissions}
    successors = {
        operator_id(item.signed.payload.public)
        for item in submissions
        if isinstance(item.signed.payload, OperatorStatement) and item.signed.payload.action == "rotate"
    }
    state.operators = registered.operators.find(connection, signers | successors)
    state.ends = registry_store.operator_end_indexes(connection, sorted(state.operators.values()))
    payloads = [item.signed.payload for item in submissions]
    used = {item.model_root for item in payloads if isinstance(item, ModelStatement | GenerationStatement)}
    state.models = registered.models.find(connection, used)
    counters: dict[int, list[int]] = {}
    for item in submissions:
        if item.signed.operator in state.operators:
            counters.setdefault(state.operators[item.signed.operator], []).append(item.signed.payload.counter)
    for operator_index, wanted in counters.items():
        used_here = registry_store.used_counters(connection, operator_index, wanted)
        state.counters.update((operator_index, counter) for counter in used_here)
    return state
