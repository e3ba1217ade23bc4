"""The queries on log and tree, each on a connection that the caller opened: SQLite and PostgreSQL, one text for both.

No rules here: what may be appended is admission.py, how is sequencer.py. Content has content_store.py, the
registries have registry_store.py. Queries are built once, when the module is imported: building one anew costs
SQLAlchemy more than SQLite needs to answer it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Row, bindparam, func, insert, inspect, select, update

from ledger import schema
from ledger.database import BINARY
from ledger.errors import LogConflict, NotFound, StoreError
from ledger.merkle import SIZE_MAX
from ledger.rows import Among, insert_rows
from ledger.tables import SCHEMA_VERSION, checkpoint, entries, log, metadata, nodes

PAGE_ROWS = 500  # rows or values handled at a time: bounds memory and the length of a query

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Head:
    """The checkpoint row: the signed state of the log. `note` is the published checkpoint, byte for byte."""

    size: int
    root: bytes
    note: bytes


class EntryRow(NamedTuple):
    """A row of `entries`, its columns in their order. A tuple: the driver takes it as it is."""

    leaf_index: int
    leaf_hash: bytes
    kind: str
    operator_index: int
    counter: int
    time: int  # as the operator states it
    logged: int  # by the log's clock; not in the tree
    subject_index: int | None  # None: the statement is not about an entry
    statement: bytes


@dataclass(frozen=True, slots=True)
class Identity:
    """The row of `log`: what the log calls itself and the key that signs it. Never changes."""

    origin: str
    vkey: str


def is_leaf_index(number: int) -> bool:
    """Whether a database can be asked for it: neither knows integers of more than 64 bits."""
    return 0 <= number <= SIZE_MAX


def pages(values: Sequence[T]) -> Iterator[list[T]]:
    return (list(values[start : start + PAGE_ROWS]) for start in range(0, len(values), PAGE_ROWS))


# The log as a whole

_IDENTITY = select(log.c.schema_version, log.c.origin, log.c.vkey)
_HEAD = select(checkpoint.c.size, checkpoint.c.root, checkpoint.c.note)
_LOCKED_HEAD = _HEAD.with_for_update()
_SWAP_HEAD = (
    update(checkpoint)
    .where(checkpoint.c.id == 1, checkpoint.c.size == bindparam("old_size"), checkpoint.c.root == bindparam("old_root"))
    .values(size=bindparam("new_size"), root=bindparam("new_root"), note=bindparam("new_note"))
)


def create_schema(connection: Connection, identity: Identity, head: Head) -> None:
    """Makes all tables and triggers, and the log of size 0. LogConflict `log_exists` if there is one."""
    if inspect(connection).has_table(log.name):
        raise LogConflict("log_exists", "the database already holds a log; open it instead")
    create_tables(connection)
    connection.execute(
        insert(log).values(id=1, schema_version=SCHEMA_VERSION, origin=identity.origin, vkey=identity.vkey)
    )
    connection.execute(insert(checkpoint).values(id=1, size=head.size, root=head.root, note=head.note))
    schema.mark_current(connection)


def create_tables(connection: Connection) -> None:
    """All tables and triggers, without a row."""
    metadata.create_all(connection, checkfirst=False)


def check_log_exists(connection: Connection) -> None:
    """NotFound `log_missing`."""
    if not inspect(connection).has_table(log.name):
        raise NotFound("log_missing", "the database holds no log; create it first")


def read_identity(connection: Connection) -> Identity:
    """NotFound `log_missing`, StoreError `log_missing`, `schema_old` or `schema_new`."""
    check_log_exists(connection)
    row = connection.execute(_IDENTITY).one_or_none()
    if row is None:
        raise StoreError("log_missing", "the database holds the tables of a log, but not its row; it is damaged")
    schema.check_current(connection)
    return Identity(row.origin, row.vkey)


def read_head(connection: Connection, lock: bool = False) -> Head:
    """The checkpoint row; with `lock`, held against other writers until the transaction ends."""
    row = connection.execute(_LOCKED_HEAD if lock else _HEAD).one_or_none()
    if row is None:
        raise StoreError("checkpoint_missing", "the checkpoint row is missing; the database is damaged")
    return Head(row.size, bytes(row.root), bytes(row.note))


def replace_head(connection: Connection, old: Head, new: Head) -> None:
    """Compare-and-swap: LogConflict `checkpoint_moved` unless the row still holds `old`."""
    values = {
        "old_size": old.size,
        "old_root": old.root,
        "new_size": new.size,
        "new_root": new.root,
        "new_note": new.note,
    }
    if connection.execute(_SWAP_HEAD, values).rowcount != 1:
        raise LogConflict("checkpoint_moved", f"the log is no longer at size {old.size}: another writer moved it")


# Entries

_ENTRY = select(entries).where(entries.c.leaf_index == bindparam("leaf_index"))
_ENTRIES = select(entries).where(Among(entries.c.leaf_index))
_ENTRIES_BY_HASH = select(entries).where(Among(entries.c.leaf_hash))
_IN_RANGE = (entries.c.leaf_index >= bindparam("start"), entries.c.leaf_index < bindparam("stop"))
_ENTRY_RANGE = select(entries).where(*_IN_RANGE).order_by(entries.c.leaf_index)
_LEAF_RANGE = (
    select(entries.c.leaf_hash, entries.c.statement)
    .where(*_IN_RANGE)
    .order_by(entries.c.leaf_index)
    .execution_options(**{BINARY: True})
)
_STATEMENT_RANGE = select(entries.c.statement).where(*_IN_RANGE).order_by(entries.c.leaf_index)
_ENTRIES_OF_KIND = (
    select(entries)
    .where(entries.c.kind == bindparam("kind"), entries.c.kind != "generation")  # the condition of the partial index
    .order_by(entries.c.leaf_index)
    .limit(bindparam("count"))
)
_LATEST_OF_KIND = (
    select(entries)
    .where(entries.c.kind == bindparam("kind"), entries.c.kind != "generation")
    .order_by(entries.c.leaf_index.desc())
    .limit(bindparam("count"))
)
_ENTRIES_ABOUT = (
    select(entries)
    .where(entries.c.subject_index == bindparam("subject_index"), entries.c.kind == bindparam("kind"))
    .order_by(entries.c.leaf_index)
    .limit(bindparam("count"))
)
_COUNT_BY_KIND = (
    select(entries.c.kind, func.count().label("number")).where(entries.c.kind != "generation").group_by(entries.c.kind)
)
_ERASURES = select(entries.c.subject_index, entries.c.leaf_index).where(
    Among(entries.c.subject_index), entries.c.kind == "erasure"
)


def insert_entries(connection: Connection, rows: Sequence[EntryRow]) -> None:
    insert_rows(connection, entries, rows)


def entry_at(connection: Connection, leaf_index: int) -> EntryRow | None:
    if not is_leaf_index(leaf_index):
        return None
    row = connection.execute(_ENTRY, {"leaf_index": leaf_index}).one_or_none()
    return _entry(row) if row is not None else None


def entries_at(connection: Connection, leaf_indexes: Sequence[int]) -> dict[int, EntryRow]:
    """Those of the entries that exist, by leaf index."""
    rows = (row for page in pages(leaf_indexes) for row in connection.execute(_ENTRIES, {"values": page}))
    return {row.leaf_index: _entry(row) for row in rows}


def entries_by_hash(connection: Connection, leaf_hashes: Sequence[bytes]) -> dict[bytes, EntryRow]:
    """Those of the entries that exist, by leaf hash."""
    rows = (row for page in pages(leaf_hashes) for row in connection.execute(_ENTRIES_BY_HASH, {"values": page}))
    return {bytes(row.leaf_hash): _entry(row) for row in rows}


def entries_between(connection: Connection, start: int, stop: int) -> list[EntryRow]:
    """Entries start <= leaf_index < stop that exist, in order. The caller bounds the range."""
    return [_entry(row) for row in connection.execute(_ENTRY_RANGE, {"start": start, "stop": stop})]


def leaves_between(connection: Connection, start: int, stop: int) -> tuple[list[bytes], list[bytes]]:
    """(statements, leaf hashes) of such a range: no more than the tree needs."""
    cursor = connection.execute(_LEAF_RANGE, {"start": start, "stop": stop}).cursor
    assert cursor is not None
    rows = cursor.fetchall()  # the driver's tuples: SQLAlchemy's rows cost as much again
    return [row[1] for row in rows], [row[0] for row in rows]


def statements_between(connection: Connection, start: int, stop: int) -> list[bytes]:
    """The statements of such a range."""
    return [bytes(value) for value in connection.scalars(_STATEMENT_RANGE, {"start": start, "stop": stop})]


def entries_of_kind(connection: Connection, kind: str, limit: int) -> list[EntryRow]:
    """The first `limit` entries of a kind other than `generation`."""
    return [_entry(row) for row in connection.execute(_ENTRIES_OF_KIND, {"kind": kind, "count": limit})]


def latest_of_kind(connection: Connection, kind: str, limit: int) -> list[EntryRow]:
    """The last `limit` entries of a kind other than `generation`, newest first."""
    return [_entry(row) for row in connection.execute(_LATEST_OF_KIND, {"kind": kind, "count": limit})]


def entries_about(connection: Connection, subject_index: int, kind: str, limit: int) -> list[EntryRow]:
    """The first `limit` statements of a kind about one entry, in order."""
    if not is_leaf_index(subject_index):
        return []
    values = {"subject_index": subject_index, "kind": kind, "count": limit}
    return [_entry(row) for row in connection.execute(_ENTRIES_ABOUT, values)]


def erasures_among(connection: Connection, subject_indexes: Sequence[int]) -> list[tuple[int, int]]:
    """(erased entry, leaf index of the erasure) of those of the entries that have one."""
    rows = (row for page in pages(subject_indexes) for row in connection.execute(_ERASURES, {"values": page}))
    return [(row.subject_index, row.leaf_index) for row in rows]


def count_by_kind(connection: Connection) -> dict[str, int]:
    """Entries of each kind other than `generation` (an index answers; generations are the rest of the size)."""
    return {row.kind: row.number for row in connection.execute(_COUNT_BY_KIND)}


def _entry(row: Row[Any]) -> EntryRow:
    leaf_index, leaf_hash, kind, operator_index, counter, time, logged, subject_index, statement = tuple(row)
    return EntryRow(
        leaf_index, bytes(leaf_hash), kind, operator_index, counter, time, logged, subject_index, bytes(statement)
    )


# Hashes of the tree

_LEAF_HASHES = select(entries.c.leaf_hash).where(*_IN_RANGE).order_by(entries.c.leaf_index)
_NODE_HASHES = (
    select(nodes.c.hash)
    .where(
        nodes.c.level == bindparam("level"),
        nodes.c.position >= bindparam("start"),
        nodes.c.position < bindparam("stop"),
    )
    .order_by(nodes.c.position)
)
_SIZE = select(checkpoint.c.size).scalar_subquery()
_LATE_ENTRIES = select(func.count()).where(entries.c.leaf_index >= _SIZE)
_LATE_NODES = select(func.count()).where(nodes.c.position >= _SIZE.bitwise_rshift(nodes.c.level * 8))
_BEYOND_CHECKPOINT = select(_LATE_ENTRIES.scalar_subquery(), _LATE_NODES.scalar_subquery())


def insert_nodes(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of level, position and hash."""
    if rows:
        connection.execute(insert(nodes), rows)


def level_hashes(connection: Connection, level: int, start: int, stop: int) -> list[bytes]:
    """Hashes start <= position < stop of one tile level; StoreError `hash_missing` unless all exist."""
    values = {"start": start, "stop": stop}
    query, values = (_LEAF_HASHES, values) if level == 0 else (_NODE_HASHES, {"level": level, **values})
    found = [bytes(value) for value in connection.scalars(query, values)]
    if len(found) != stop - start:
        raise StoreError(
            "hash_missing", f"level {level} has {len(found)} of the hashes {start} to {stop - 1}; run fsck"
        )
    return found


def count_beyond_checkpoint(connection: Connection) -> tuple[int, int]:
    """(entries, hashes) that the checkpoint does not cover, as one statement sees them."""
    entries_count, hashes_count = connection.execute(_BEYOND_CHECKPOINT).one()
    return entries_count, hashes_count
