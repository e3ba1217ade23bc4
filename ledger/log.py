"""A log, as its users see it: submit statements, read entries and content, prove, erase, check.

    log = Log.open("sqlite:///rail.db", key)
    entry = log.submit(sign_statement(payload, operator_key), content)     # durable when this returns
    receipt = log.receipt(entry.index, opening=True)

A `Log` is safe for threads. Any number of processes may open the same database, each with its own `Log`.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine

from ledger import checkpoint, merkle, store, tiles
from ledger.checkpoint import Checkpoint
from ledger.content import Content, decode_content
from ledger.database import Database
from ledger.errors import LedgerError, LogConflict, NotFound, ParseError, StatementRefused, StoreError
from ledger.keys import SigningKey, VerifyKey, operator_id
from ledger.policy import Placed, Submission, prepare
from ledger.registry import Registry
from ledger.sequencer import Sequencer
from ledger.statement import (
    ErasureStatement,
    ModelStatement,
    OperatorStatement,
    Payload,
    ReplayStatement,
    open_statement,
    sign_statement,
)
from ledger.store import EntryRow, Head, Identity, StoredHashes
from ledger.tiles import TILE_WIDTH, Tile

SUBMIT_STATEMENTS_MAX = 10_000
SUBMIT_BYTES_MAX = 256 << 20  # of statements and content, in one call
CONTENTS_PAGE = 32
LIST_MAX = 10_000  # longest list of registrations or verdicts
SIGN_ATTEMPTS = 5  # for a counter that another process takes first

PayloadT = TypeVar("PayloadT", bound=Payload)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A leaf of the log."""

    index: int
    statement: bytes
    leaf_hash: bytes
    type: str
    time: int  # Unix seconds, by the operator's clock
    operator: bytes  # id of the signer: 32 bytes
    new: bool  # whether this very call appended it


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts for people and for monitoring."""

    size: int
    kinds: dict[str, int]  # entries of each statement type
    contents: dict[str, int]  # stored contents of each visibility


class Log:
    """An append-only log in a database. Made by `create` or `open`."""

    def __init__(self, database: Database, identity: Identity, key: SigningKey | None) -> None:
        self._database = database
        self._identity = identity
        self._registry = Registry()
        self._sequencer = Sequencer(database, identity.origin, key) if key is not None else None

    @classmethod
    def create(cls, database_url: str, origin: str, key: SigningKey) -> Self:
        """A new, empty log with a signed checkpoint of size 0. LogConflict `log_exists`, ParseError `origin`, StoreError."""
        if key.name != origin:
            raise ParseError("origin", f"the log's key is named {key.name!r}; it must bear the log's origin {origin!r}")
        empty = Checkpoint(origin, 0, merkle.EMPTY_ROOT)
        database = Database(database_url, create=True)
        identity = Identity(origin, key.vkey)
        try:
            with database.write() as connection:
                store.create_schema(connection, identity, Head(0, empty.root, checkpoint.sign(empty, [key])))
        except LedgerError:
            database.close()
            raise
        return cls(database, identity, key)

    @classmethod
    def open(cls, database_url: str, key: SigningKey | None) -> Self:
        """An existing log; with no key it can only be read.

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
        return cls(database, identity, key)

    def close(self) -> None:
        """Finishes what was submitted and closes the connections."""
        if self._sequencer is not None:
            self._sequencer.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The log as a whole

    @property
    def origin(self) -> str:
        return self._identity.origin

    @property
    def vkey(self) -> str:
        """The key that verifies its checkpoints, as text."""
        return self._identity.vkey

    @property
    def key(self) -> VerifyKey:
        """The key that verifies its checkpoints."""
        return VerifyKey.parse(self._identity.vkey)

    @property
    def engine(self) -> Engine:
        """The database's connections, for tables beside the log's. To write on them, take `database.writing(engine)`."""
        return self._database.engine

    def size(self) -> int:
        """Number of entries that the published checkpoint covers."""
        return self._head().size

    def root(self) -> bytes:
        return self._head().root

    def checkpoint(self) -> bytes:
        """The published checkpoint: a signed note."""
        return self._head().note

    def stats(self) -> Stats:
        with self._database.read() as connection:
            kinds = store.count_by_kind(connection)
            size = store.read_head(connection).size
            contents = store.count_by_visibility(connection)
        return Stats(size, kinds | {"generation": size - sum(kinds.values())}, contents)

    def _head(self) -> Head:
        with self._database.read() as connection:
            return store.read_head(connection)

    # Appending

    def submit(self, statement: bytes, content: Content | None = None) -> Entry:
        """Appends a signed statement, with the content that it commits to; returns when both are durable.

        A statement that is in the log already gives its entry, with `new` False; content given with it is not looked
        at. Raises ParseError, SignatureInvalid or StatementRefused for a statement that the log does not admit, and
        StoreError if the outcome is not known to be durable: submitting the same again is always right then.
        """
        return self.submit_many([(statement, content)])[0]

    def submit_many(self, items: Iterable[tuple[bytes, Content | None]]) -> list[Entry]:
        """Appends all, in this order and side by side, or none. Bounds: SUBMIT_STATEMENTS_MAX, SUBMIT_BYTES_MAX."""
        group: list[Submission] = []
        registering: dict[bytes, OperatorStatement] = {}
        total_bytes = 0
        for statement, content in items:
            submission = self._prepare(statement, content, registering)
            total_bytes += len(statement) + len(submission.body or b"")
            if len(group) == SUBMIT_STATEMENTS_MAX or total_bytes > SUBMIT_BYTES_MAX:
                raise StatementRefused(
                    "group_too_large",
                    f"at most {SUBMIT_STATEMENTS_MAX} statements and {SUBMIT_BYTES_MAX} bytes are appended in one call",
                )
            if isinstance(submission.signed.payload, OperatorStatement):
                registering[submission.signed.operator] = submission.signed.payload
            group.append(submission)
        return self._append(group)

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
                erasure = self._append([self._prepare(sign_statement(payload, key), None, {}, erase_any=True)])[0]
                break
            except StatementRefused as error:
                if error.code != "counter_used" or attempt == SIGN_ATTEMPTS - 1:
                    raise
        self._database.scrub()
        return erasure

    def _prepare(
        self,
        statement: bytes,
        content: Content | None,
        registering: dict[bytes, OperatorStatement],
        erase_any: bool = False,
    ) -> Submission:
        def operator_of(identifier: bytes) -> OperatorStatement | None:
            return registering.get(identifier) or self.operator(identifier)

        return prepare(statement, content, operator_of, int(time.time()), erase_any)

    def _append(self, group: list[Submission]) -> list[Entry]:
        if self._sequencer is None:
            raise StoreError("log_read_only", "the log was opened without its key; it can only be read")
        placed = self._sequencer.submit(group) if group else []
        return [_placed_entry(item, submission) for item, submission in zip(placed, group, strict=True)]

    # Entries

    def entry(self, index: int) -> Entry:
        """NotFound `entry_missing`."""
        with self._database.read() as connection:
            row = store.entry_at(connection, index) if 0 <= index <= merkle.SIZE_MAX else None
            if row is None:
                raise NotFound("entry_missing", f"the log has no entry {index}")
            return self._entry(connection, row)

    def find(self, leaf_hash: bytes) -> Entry | None:
        """The entry with this leaf hash, or None."""
        with self._database.read() as connection:
            row = store.entries_by_hash(connection, [leaf_hash]).get(leaf_hash)
            return self._entry(connection, row) if row is not None else None

    def entries(self, start: int, stop: int) -> Iterator[Entry]:
        """Entries start <= index < stop that exist, in order; holds a few at a time."""
        for low in range(max(start, 0), min(stop, self.size()), store.PAGE_ROWS):
            with self._database.read() as connection:
                rows = store.entries_between(connection, low, min(low + store.PAGE_ROWS, stop))
                page = [self._entry(connection, row) for row in rows]
            yield from page

    def _entry(self, connection: Connection, row: EntryRow) -> Entry:
        operator, _ = self._registry.at(connection, row.operator_index)
        return Entry(row.leaf_index, row.statement, row.leaf_hash, row.kind, row.time, operator, new=False)

    # Tiles and proofs

    def hash_tile(self, level: int, index: int, width: int = TILE_WIDTH) -> bytes:
        """Hash tile of C2SP tlog-tiles: `width` hashes of 32 bytes. NotFound unless the log is that large."""
        with self._database.read() as connection:
            tiles.check_tile_exists(Tile(level, index, width), store.read_head(connection).size)
            start = index * TILE_WIDTH
            return b"".join(store.level_hashes(connection, level, start, start + width))

    def entry_bundle(self, index: int, width: int = TILE_WIDTH) -> bytes:
        """Entry bundle of C2SP tlog-tiles: `width` statements, each after its length. NotFound likewise."""
        with self._database.read() as connection:
            tiles.check_tile_exists(Tile(None, index, width), store.read_head(connection).size)
            start = index * TILE_WIDTH
            return tiles.encode_bundle(store.statements_between(connection, start, start + width))

    def prove_inclusion(self, index: int, size: int) -> list[bytes]:
        """Inclusion proof of a leaf in the tree of `size`. NotFound `size_beyond_log`, ProofInvalid `inclusion_index`."""
        with self._database.read() as connection:
            _check_size(connection, size)
            return merkle.prove_inclusion(index, size, StoredHashes(connection))

    def prove_consistency(self, old: int, new: int) -> list[bytes]:
        """Consistency proof between two sizes. NotFound `size_beyond_log`, ProofInvalid `consistency_size`."""
        with self._database.read() as connection:
            _check_size(connection, new)
            return merkle.prove_consistency(old, new, StoredHashes(connection))

    # Content

    def content(self, index: int) -> Content | None:
        """What the entry's commitments open to; None if it was never given or is erased. ParseError if damaged."""
        with self._database.read() as connection:
            found = store.content_at(connection, index)
        return decode_content(found[1], found[0]) if found is not None else None

    def contents(self, after_index: int = -1) -> Iterator[tuple[int, Content]]:
        """All contents of entries after `after_index`, in order; holds a few at a time.

        A damaged one is left out, so that an index over the others can be built; `fsck` names it.
        """
        while True:
            with self._database.read() as connection:
                page = store.contents_after(connection, after_index, CONTENTS_PAGE)
            for index, visibility, body in page:
                try:
                    yield index, decode_content(body, visibility)
                except ParseError as error:
                    _logger.error("content of entry %d is left out: %s", index, error)
            if len(page) < CONTENTS_PAGE:
                return
            after_index = page[-1][0]

    def is_erased(self, index: int) -> bool:
        """Whether an erasure statement about the entry is in the log."""
        with self._database.read() as connection:
            return bool(store.entries_about(connection, index, ErasureStatement.type, 1))

    # What was registered and stated

    def operator(self, identifier: bytes) -> OperatorStatement | None:
        """The registration of an operator id, or None."""
        with self._database.read() as connection:
            found = self._registry.find(connection, identifier)
        return found[1] if found is not None else None

    def operators(self) -> list[tuple[Entry, OperatorStatement]]:
        """The first LIST_MAX registrations."""
        return self._statements_of(OperatorStatement)

    def models(self) -> list[tuple[Entry, ModelStatement]]:
        """The first LIST_MAX model registrations."""
        return self._statements_of(ModelStatement)

    def model(self, model_root: bytes) -> tuple[Entry, ModelStatement] | None:
        """The first registration of a model, or None."""
        with self._database.read() as connection:
            index = store.model_indexes(connection, [model_root]).get(model_root)
            row = store.entry_at(connection, index) if index is not None else None
            if row is None:
                return None
            return _with_payload(self._entry(connection, row), ModelStatement)

    def replays_of(self, index: int) -> list[tuple[Entry, ReplayStatement]]:
        """The first LIST_MAX verdicts about an entry."""
        with self._database.read() as connection:
            rows = store.entries_about(connection, index, ReplayStatement.type, LIST_MAX)
            return [_with_payload(self._entry(connection, row), ReplayStatement) for row in rows]

    def next_counter(self, identifier: bytes) -> int:
        """One more than the operator's largest counter in the log; 0 for an operator that is not registered."""
        with self._database.read() as connection:
            found = self._registry.find(connection, identifier)
            last = store.last_counter(connection, found[0]) if found is not None else None
        return 0 if last is None else last + 1

    def _statements_of(self, kind: type[PayloadT]) -> list[tuple[Entry, PayloadT]]:
        with self._database.read() as connection:
            rows = store.entries_of_kind(connection, kind.type, LIST_MAX)
            return [_with_payload(self._entry(connection, row), kind) for row in rows]


def _with_payload(entry: Entry, kind: type[PayloadT]) -> tuple[Entry, PayloadT]:
    payload = open_statement(entry.statement).payload
    if not isinstance(payload, kind):
        raise StoreError("kind_mismatch", f"entry {entry.index} is stored as {kind.type}, but it is not; run fsck")
    return entry, payload


def _placed_entry(placed: Placed, submission: Submission) -> Entry:
    row = placed.row
    return Entry(
        row.leaf_index, row.statement, row.leaf_hash, row.kind, row.time, submission.signed.operator, placed.new
    )


def _check_size(connection: Connection, size: int) -> None:
    available = store.read_head(connection).size
    if size > available:
        raise NotFound("size_beyond_log", f"the log has {available} entries, not {size} yet")
