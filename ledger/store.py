"""The queries, each on a connection that the caller opened: SQLite and PostgreSQL, one text for both.

No rules here: what may be appended is policy.py, how is sequencer.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Row, delete, func, insert, inspect, select, update

from ledger.errors import LogConflict, NotFound, StoreError
from ledger.merkle import SIZE_MAX, node_hash
from ledger.stored_hashes import stored_hash_position
from ledger.tables import SCHEMA_VERSION, checkpoint, contents, entries, log, metadata, models, nodes, operators

TILE_BITS = 8
PAGE_ROWS = 500  # rows fetched at a time by the iterators: bounds memory


@dataclass(frozen=True, slots=True)
class Head:
    """The checkpoint row: the signed state of the log. `note` is the published checkpoint, byte for byte."""

    size: int
    root: bytes
    note: bytes


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A row of `entries`."""

    leaf_index: int
    leaf_hash: bytes
    kind: str
    operator_index: int
    counter: int
    time: int
    subject_index: int | None  # None: the statement is not about an entry
    statement: bytes


@dataclass(frozen=True, slots=True)
class Identity:
    """The row of `log`: what the log calls itself and the key that signs it. Never changes."""

    origin: str
    vkey: str


def is_leaf_index(number: int) -> bool:
    """Whether a database can hold it as a leaf index: neither does with larger numbers than 64 bits."""
    return 0 <= number <= SIZE_MAX


# The log as a whole


def create_schema(connection: Connection, identity: Identity, head: Head) -> None:
    """Makes all tables and triggers, and the log of size 0. LogConflict `log_exists` if there is one."""
    if inspect(connection).has_table(log.name):
        raise LogConflict("log_exists", "the database already holds a log; open it instead")
    metadata.create_all(connection, checkfirst=False)
    connection.execute(
        insert(log).values(id=1, schema_version=SCHEMA_VERSION, origin=identity.origin, vkey=identity.vkey)
    )
    connection.execute(insert(checkpoint).values(id=1, size=head.size, root=head.root, note=head.note))


def read_identity(connection: Connection) -> Identity:
    """NotFound `log_missing`, StoreError `schema_version`."""
    if not inspect(connection).has_table(log.name):
        raise NotFound("log_missing", "the database holds no log; create it first")
    row = connection.execute(select(log.c.schema_version, log.c.origin, log.c.vkey)).one_or_none()
    if row is None:
        raise StoreError("log_missing", "the database holds the tables of a log, but not its row; it is damaged")
    if row.schema_version != SCHEMA_VERSION:
        raise StoreError(
            "schema_version", f"the log's tables have version {row.schema_version}, this program knows {SCHEMA_VERSION}"
        )
    return Identity(row.origin, row.vkey)


def read_head(connection: Connection, lock: bool = False) -> Head:
    """The checkpoint row; with `lock`, held against other writers until the transaction ends."""
    query = select(checkpoint.c.size, checkpoint.c.root, checkpoint.c.note)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise StoreError("checkpoint_missing", "the checkpoint row is missing; the database is damaged")
    return Head(row.size, bytes(row.root), bytes(row.note))


def replace_head(connection: Connection, old: Head, new: Head) -> None:
    """Compare-and-swap: LogConflict `checkpoint_moved` unless the row still holds `old`."""
    swap = (
        update(checkpoint)
        .where(checkpoint.c.id == 1, checkpoint.c.size == old.size, checkpoint.c.root == old.root)
        .values(size=new.size, root=new.root, note=new.note)
    )
    if connection.execute(swap).rowcount != 1:
        raise LogConflict("checkpoint_moved", f"the log is no longer at size {old.size}: another writer moved it")


# Entries


def insert_entries(connection: Connection, rows: Sequence[EntryRow]) -> None:
    values = [{name: getattr(row, name) for name in EntryRow.__slots__} for row in rows]
    connection.execute(insert(entries), values)


def entry_at(connection: Connection, leaf_index: int) -> EntryRow | None:
    if not is_leaf_index(leaf_index):
        return None
    row = connection.execute(select(entries).where(entries.c.leaf_index == leaf_index)).one_or_none()
    return _entry(row) if row is not None else None


def entries_between(connection: Connection, start: int, stop: int) -> list[EntryRow]:
    """Entries start <= leaf_index < stop that exist, in order. The caller bounds the range."""
    query = select(entries).where(entries.c.leaf_index >= start, entries.c.leaf_index < stop)
    return [_entry(row) for row in connection.execute(query.order_by(entries.c.leaf_index))]


def statements_between(connection: Connection, start: int, stop: int) -> list[bytes]:
    query = select(entries.c.statement).where(entries.c.leaf_index >= start, entries.c.leaf_index < stop)
    return [bytes(value) for value in connection.scalars(query.order_by(entries.c.leaf_index))]


def entries_by_hash(connection: Connection, leaf_hashes: Sequence[bytes]) -> dict[bytes, EntryRow]:
    """Those of the entries that exist, by leaf hash."""
    found: dict[bytes, EntryRow] = {}
    for start in range(0, len(leaf_hashes), PAGE_ROWS):
        query = select(entries).where(entries.c.leaf_hash.in_(leaf_hashes[start : start + PAGE_ROWS]))
        found.update((bytes(row.leaf_hash), _entry(row)) for row in connection.execute(query))
    return found


def entries_of_kind(connection: Connection, kind: str, limit: int, start: int = 0) -> list[EntryRow]:
    """The first `limit` entries of a kind other than `generation`, from leaf `start` on."""
    query = select(entries).where(entries.c.kind == kind, entries.c.leaf_index >= start)
    return [_entry(row) for row in connection.execute(query.order_by(entries.c.leaf_index).limit(limit))]


def latest_of_kind(connection: Connection, kind: str, limit: int) -> list[EntryRow]:
    """The last `limit` entries of a kind other than `generation`, newest first."""
    query = select(entries).where(entries.c.kind == kind).order_by(entries.c.leaf_index.desc())
    return [_entry(row) for row in connection.execute(query.limit(limit))]


def entries_about(connection: Connection, subject_index: int, kind: str, limit: int) -> list[EntryRow]:
    """The first `limit` statements of a kind about one entry, in order."""
    if not is_leaf_index(subject_index):
        return []
    query = select(entries).where(entries.c.subject_index == subject_index, entries.c.kind == kind)
    return [_entry(row) for row in connection.execute(query.order_by(entries.c.leaf_index).limit(limit))]


def used_counters(connection: Connection, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of the (operator_index, counter) pairs that an entry has."""
    used: set[tuple[int, int]] = set()
    by_operator: dict[int, list[int]] = {}
    for operator_index, counter in pairs:
        by_operator.setdefault(operator_index, []).append(counter)
    for operator_index, counters in by_operator.items():
        for start in range(0, len(counters), PAGE_ROWS):
            query = select(entries.c.counter).where(
                entries.c.operator_index == operator_index, entries.c.counter.in_(counters[start : start + PAGE_ROWS])
            )
            used.update((operator_index, counter) for counter in connection.scalars(query))
    return used


def last_counter(connection: Connection, operator_index: int) -> int | None:
    return connection.scalar(select(func.max(entries.c.counter)).where(entries.c.operator_index == operator_index))


def count_by_kind(connection: Connection) -> dict[str, int]:
    """Entries of each kind other than `generation` (an index answers; generations are the rest of the size)."""
    query = (
        select(entries.c.kind, func.count().label("entries"))
        .where(entries.c.kind != "generation")
        .group_by(entries.c.kind)
    )
    return {row.kind: row.entries for row in connection.execute(query)}


def _entry(row: Row[Any]) -> EntryRow:
    return EntryRow(
        row.leaf_index,
        bytes(row.leaf_hash),
        row.kind,
        row.operator_index,
        row.counter,
        row.time,
        row.subject_index,
        bytes(row.statement),
    )


# The registry: which entry registered an operator or a model first


def insert_operator(connection: Connection, operator_id: bytes, leaf_index: int) -> None:
    connection.execute(insert(operators).values(operator_id=operator_id, leaf_index=leaf_index))


def insert_model(connection: Connection, model_root: bytes, leaf_index: int) -> None:
    connection.execute(insert(models).values(model_root=model_root, leaf_index=leaf_index))


def operator_indexes(connection: Connection, operator_ids: Sequence[bytes]) -> dict[bytes, int]:
    return _indexes(connection, operators.c.operator_id, operators.c.leaf_index, operator_ids)


def model_indexes(connection: Connection, model_roots: Sequence[bytes]) -> dict[bytes, int]:
    return _indexes(connection, models.c.model_root, models.c.leaf_index, model_roots)


def _indexes(
    connection: Connection, key: Column[bytes], value: Column[int], wanted: Sequence[bytes]
) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for start in range(0, len(wanted), PAGE_ROWS):
        query = select(key, value).where(key.in_(wanted[start : start + PAGE_ROWS]))
        found.update((bytes(name), index) for name, index in connection.execute(query))
    return found


# Hashes of the tree


def insert_nodes(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of level, position and hash."""
    if rows:
        connection.execute(insert(nodes), rows)


def level_hashes(connection: Connection, level: int, start: int, stop: int) -> list[bytes]:
    """Hashes start <= position < stop of one tile level; StoreError `hash_missing` unless all exist."""
    if level == 0:
        column, position = entries.c.leaf_hash, entries.c.leaf_index
        query = select(column).where(position >= start, position < stop).order_by(position)
    else:
        column, position = nodes.c.hash, nodes.c.position
        query = select(column).where(nodes.c.level == level, position >= start, position < stop).order_by(position)
    found = [bytes(value) for value in connection.scalars(query)]
    if len(found) != stop - start:
        raise StoreError(
            "hash_missing", f"level {level} has {len(found)} of the hashes {start} to {stop - 1}; run fsck"
        )
    return found


class StoredHashes:
    """`stored_hashes.HashReader` over the tables: reads one range for each tile that the indexes touch."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read_hashes(self, indexes: Sequence[int]) -> list[bytes]:
        """The subtree of height 8 level + h is folded from 2**h neighbouring hashes of its tile: at most 128."""
        spans = [_tile_span(index) for index in indexes]
        ranges: dict[tuple[int, int], tuple[int, int]] = {}
        for level, start, stop in spans:
            low, high = ranges.get((level, start >> TILE_BITS), (start, stop))
            ranges[level, start >> TILE_BITS] = min(low, start), max(high, stop)
        tiles = {key: (low, level_hashes(self._connection, key[0], low, high)) for key, (low, high) in ranges.items()}
        result = []
        for level, start, stop in spans:
            low, hashes = tiles[level, start >> TILE_BITS]
            result.append(_fold(hashes[start - low : stop - low]))
        return result


def _tile_span(stored_index: int) -> tuple[int, int, int]:
    """(tile level, start, stop): the hashes of that level under a complete subtree. They lie in one tile."""
    height, number = stored_hash_position(stored_index)
    level, within = divmod(height, TILE_BITS)
    return level, number << within, (number + 1) << within


def _fold(hashes: list[bytes]) -> bytes:
    """Root of a complete subtree from a power of two of its hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


# Content


def insert_contents(connection: Connection, rows: Sequence[tuple[int, str | None, bytes]]) -> None:
    """(leaf index, visibility, body) each."""
    if rows:
        values = [{"leaf_index": index, "visibility": visibility, "body": body} for index, visibility, body in rows]
        connection.execute(insert(contents), values)


def content_at(connection: Connection, leaf_index: int) -> tuple[str, bytes] | None:
    """(visibility, body)."""
    if not is_leaf_index(leaf_index):
        return None
    query = select(contents.c.visibility, contents.c.body).where(contents.c.leaf_index == leaf_index)
    row = connection.execute(query).one_or_none()
    return (row.visibility, bytes(row.body)) if row is not None else None


def contents_after(connection: Connection, leaf_index: int, limit: int) -> list[tuple[int, str, bytes]]:
    """(leaf index, visibility, body) of the next contents, in order."""
    query = select(contents).where(contents.c.leaf_index > leaf_index).order_by(contents.c.leaf_index).limit(limit)
    return [(row.leaf_index, row.visibility, bytes(row.body)) for row in connection.execute(query)]


def delete_content(connection: Connection, leaf_index: int) -> bool:
    """Whether there was content to delete."""
    return connection.execute(delete(contents).where(contents.c.leaf_index == leaf_index)).rowcount == 1


def count_by_visibility(connection: Connection) -> dict[str, int]:
    query = select(contents.c.visibility, func.count().label("contents")).group_by(contents.c.visibility)
    return {row.visibility: row.contents for row in connection.execute(query)}


# For the whole-log check


def entries_at(connection: Connection, leaf_indexes: Sequence[int]) -> dict[int, EntryRow]:
    """Those of the entries that exist, by leaf index. The caller bounds the number."""
    query = select(entries).where(entries.c.leaf_index.in_(leaf_indexes))
    return {row.leaf_index: _entry(row) for row in connection.execute(query)}


def erasures_among(connection: Connection, subject_indexes: Sequence[int]) -> list[tuple[int, int]]:
    """(erased entry, leaf index of the erasure) of those of the entries that have one."""
    query = select(entries.c.subject_index, entries.c.leaf_index).where(
        entries.c.subject_index.in_(subject_indexes), entries.c.kind == "erasure"
    )
    return [(row.subject_index, row.leaf_index) for row in connection.execute(query)]


def all_operators(connection: Connection) -> Iterator[tuple[bytes, int]]:
    """(operator id, leaf index) of every row."""
    return _pairs(connection, operators.c.operator_id, operators.c.leaf_index)


def all_models(connection: Connection) -> Iterator[tuple[bytes, int]]:
    """(model root, leaf index) of every row."""
    return _pairs(connection, models.c.model_root, models.c.leaf_index)


def _pairs(connection: Connection, key: Column[bytes], value: Column[int]) -> Iterator[tuple[bytes, int]]:
    """Page by page, so that nothing stays open between them."""
    last = b""
    while page := connection.execute(select(key, value).where(key > last).order_by(key).limit(PAGE_ROWS)).all():
        yield from ((bytes(name), index) for name, index in page)
        last = bytes(page[-1][0])


def count_beyond_checkpoint(connection: Connection) -> tuple[int, int]:
    """(entries, hashes) that the checkpoint does not cover, as one statement sees them."""
    size = select(checkpoint.c.size).scalar_subquery()
    late_entries = select(func.count()).where(entries.c.leaf_index >= size)
    late_nodes = select(func.count()).where(nodes.c.position >= size.bitwise_rshift(nodes.c.level * TILE_BITS))
    query = select(late_entries.scalar_subquery(), late_nodes.scalar_subquery())
    found = connection.execute(query).one()
    return found[0], found[1]
