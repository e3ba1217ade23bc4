"""Queries of the content index, for SQLite and PostgreSQL. No rule of matching is known here."""

import json
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Connection, Engine, bindparam, cast, func, insert, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import TableValuedAlias

from ledger.database import store_error, writing
from ledger.index.tables import metadata, postings, records, state

RECORD_ID_MAX: Final = (1 << 63) - 1
_EDGES_BIAS: Final = 1 << 15  # edges are 16 bits without sign, the column has one
_SCHEMA_LOCK: Final = 0x7261696C696478  # PostgreSQL advisory lock: "railidx"
_IDS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class State:
    """The one row of `index_state`."""

    rules: str
    cursor: int
    epoch: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Posting:
    """A fingerprint of a record."""

    hash: int
    record_id: int
    edges: int


@dataclass(frozen=True, slots=True)
class RecordRows:
    """All that the index keeps of one record; its postings as distinct (hash, edges)."""

    record_id: int
    raw_digest: int
    normal_digest: int
    echo_permille: int
    fingerprints: tuple[tuple[int, int], ...]


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for SELECTs; errors as StoreError."""
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise store_error(error) from error


@contextmanager
def writing_to(engine: Engine) -> Iterator[Connection]:
    """One transaction, rolled back by any exception; errors as StoreError."""
    try:
        with writing(engine).begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise store_error(error) from error


# State


def create_tables(connection: Connection, rules: str) -> None:
    """Makes the tables and an empty index unless they exist. Safe for several processes at once."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
    metadata.create_all(connection)
    if connection.execute(select(state.c.id)).first() is None:
        connection.execute(insert(state).values(id=1, rules=rules, cursor=-1, epoch=0, complete=False))


def read_state(connection: Connection) -> State:
    row = connection.execute(select(state.c.rules, state.c.cursor, state.c.epoch, state.c.complete)).one()
    return State(row.rules, row.cursor, row.epoch, row.complete)


def replace_state(connection: Connection, old: State, new: State) -> bool:
    """Compare-and-swap; False, and nothing done, if another process moved the index.

    First in its transaction, so that it also takes the lock that orders writers.
    """
    swap = (
        update_of(state)
        .where(state.c.rules == old.rules, state.c.cursor == old.cursor, state.c.epoch == old.epoch)
        .values(rules=new.rules, cursor=new.cursor, epoch=new.epoch, complete=new.complete)
    )
    return connection.execute(swap).rowcount == 1


def start_epoch(connection: Connection) -> None:
    """Makes every batch that was read before this moment fail its compare-and-swap."""
    connection.execute(update_of(state).values(epoch=state.c.epoch + 1))


def clear(connection: Connection) -> None:
    """Deletes the rows of all records."""
    connection.execute(delete_from(postings))
    connection.execute(delete_from(records))


# Rows of records


def insert_records(connection: Connection, batch: Sequence[RecordRows]) -> None:
    if not batch:
        return
    rows = [
        {
            "record_id": record.record_id,
            "raw_digest": record.raw_digest,
            "normal_digest": record.normal_digest,
            "echo_permille": record.echo_permille,
            "prefixes": b"".join(
                struct.pack(">i", prefix) for prefix in sorted({h >> 32 for h, _ in record.fingerprints})
            ),
        }
        for record in batch
    ]
    connection.execute(insert(records), rows)
    # In the order of the key: neighbours go to the same page.
    _insert_postings(
        connection,
        sorted((h, record.record_id, edges - _EDGES_BIAS) for record in batch for h, edges in record.fingerprints),
    )


def _insert_postings(connection: Connection, rows: list[tuple[int, int, int]]) -> None:
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        columns = [
            cast(bindparam(column.name, list(values)), postgresql.ARRAY(column.type))
            for column, values in zip(postings.c, zip(*rows, strict=True), strict=True)
        ]
        connection.execute(insert(postings).from_select(list(postings.c), select(*map(func.unnest, columns))))
    else:
        connection.execute(insert(postings), [dict(zip(postings.c.keys(), row, strict=True)) for row in rows])


def delete_record(connection: Connection, record_id: int) -> None:
    """Deletes all rows of a record, if there are any."""
    prefixes = connection.scalar(select(records.c.prefixes).where(records.c.record_id == record_id))
    if prefixes is None:
        return
    for (prefix,) in struct.iter_unpack(">i", prefixes):
        low = prefix << 32
        connection.execute(
            delete_from(postings).where(
                postings.c.hash >= low, postings.c.hash <= low + 0xFFFFFFFF, postings.c.record_id == record_id
            )
        )
    connection.execute(delete_from(records).where(records.c.record_id == record_id))


# Lookups


def records_with_text(connection: Connection, raw_digest: int, normal_digest: int, limit: int) -> list[int]:
    """Earliest records of each of the two digests, up to the limit each: raw ones first."""
    found: list[int] = []
    for column, digest in ((records.c.raw_digest, raw_digest), (records.c.normal_digest, normal_digest)):
        query = select(records.c.record_id).where(column == digest).order_by(records.c.record_id).limit(limit)
        found += connection.scalars(query)
    return list(dict.fromkeys(found))


def postings_of(connection: Connection, hashes: Sequence[int], limit: int) -> list[Posting]:
    """Postings of the hashes: those of the earliest records, about `limit` for each hash, however many it has."""
    wanted = _values(connection, hashes)
    value: ColumnElement[int] = wanted.c.value
    other = postings.alias("other")
    # The record of posting number `limit` bounds the range that is read; it costs `limit` steps along the index.
    bound = (
        select(other.c.record_id)
        .where(other.c.hash == value)
        .order_by(other.c.record_id, other.c.edges)
        .limit(1)
        .offset(bindparam("skip", limit - 1))
        .correlate(wanted)
        .scalar_subquery()
    )
    query = select(postings.c.hash, postings.c.record_id, postings.c.edges).select_from(
        wanted.join(
            postings, (postings.c.hash == value) & (postings.c.record_id <= func.coalesce(bound, RECORD_ID_MAX))
        )
    )
    return [Posting(h, record_id, edges + _EDGES_BIAS) for h, record_id, edges in connection.execute(query)]


def echoes_of(connection: Connection, record_ids: Sequence[int]) -> dict[int, int]:
    """echo_permille of the records that are indexed."""
    query = select(records.c.record_id, records.c.echo_permille)
    found: dict[int, int] = {}
    for start in range(0, len(record_ids), _IDS_MAX):
        part = query.where(records.c.record_id.in_(record_ids[start : start + _IDS_MAX]))
        found.update((record_id, echo) for record_id, echo in connection.execute(part))
    return found


def _values(connection: Connection, numbers: Sequence[int]) -> TableValuedAlias:
    """The numbers as a table of one column, passed as one parameter: the statement stays the same for any count."""
    if connection.dialect.name == "postgresql":
        array: ColumnElement[Any] = cast(bindparam("wanted", list(numbers)), postgresql.ARRAY(BigInteger))
        return func.unnest(array).table_valued(Column("value", BigInteger), name="wanted").render_derived()
    return func.json_each(bindparam("wanted", json.dumps(list(numbers)))).table_valued(
        Column("value", BigInteger), name="wanted"
    )
