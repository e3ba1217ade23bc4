"""Queries of the content index, for SQLite and PostgreSQL. No rule of matching is known here."""

import json
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Select,
    Text,
    bindparam,
    cast,
    func,
    insert,
    inspect,
    select,
    tuple_,
)
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.functions import FunctionElement

from ledger.database import store_error, writing
from ledger.index.tables import metadata, postings, records, state

RECORD_ID_MAX: Final = (1 << 63) - 1
_EDGES_BIAS: Final = 1 << 15  # edges are 16 bits without sign, the column has one
_SCHEMA_LOCK: Final = 0x7261696C696478  # PostgreSQL advisory lock: "railidx"


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


def has_tables(connection: Connection) -> bool:
    """Whether there is an index, be it empty."""
    return inspect(connection).has_table(state.name) and connection.execute(select(state.c.id)).first() is not None


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
        # Straight to the driver: a dictionary for each of 100 rows a record would cost more than the insertion.
        connection.exec_driver_sql(str(insert(postings).compile(dialect=connection.dialect)), rows)


def delete_record(connection: Connection, record_id: int) -> None:
    """Deletes all rows of a record, if there are any."""
    prefixes = connection.scalar(select(records.c.prefixes).where(records.c.record_id == record_id))
    if prefixes is None:
        return
    lows = [prefix << 32 for (prefix,) in struct.iter_unpack(">i", prefixes)]
    doomed = delete_from(postings).where(
        postings.c.hash >= bindparam("low"),
        postings.c.hash <= bindparam("high"),
        postings.c.record_id == bindparam("record"),
    )
    connection.execute(doomed, [{"low": low, "high": low + 0xFFFFFFFF, "record": record_id} for low in lows])
    connection.execute(delete_from(records).where(records.c.record_id == record_id))


# Lookups


def records_with_text(connection: Connection, raw_digest: int, normal_digest: int, limit: int) -> list[int]:
    """Earliest records of each of the two digests, up to the limit each: raw ones first."""
    raw = connection.scalars(_SAME_RAW, {"digest": raw_digest, "most": limit}).all()
    normal = connection.scalars(_SAME_NORMAL, {"digest": normal_digest, "most": limit}).all()
    return list(dict.fromkeys([*raw, *normal]))


def postings_of(connection: Connection, hashes: Sequence[int], limit: int) -> list[Posting]:
    """Postings of the hashes: those of the earliest records, about `limit` for each hash, however many it has."""
    dialect = connection.dialect.name
    wanted: object = list(hashes) if dialect == "postgresql" else json.dumps(list(hashes))
    rows = connection.execute(_postings_query(dialect), {"wanted": wanted, "skip": limit - 1})
    return [Posting(value, record_id, edges + _EDGES_BIAS) for value, record_id, edges in rows]


def entries_between(connection: Connection, low: int, high: int, per_hash: int, most: int) -> list[tuple[int, int]]:
    """(hash, record) of the hashes low to high in order, once each: of each hash those of its earliest records.

    At most `most`. A hash that very many records have costs no more than its first ones.
    """
    found: list[tuple[int, int]] = []
    counts: Counter[int] = Counter()
    after = (low, -1)
    while len(found) < most:
        where = {"hash": after[0], "record": after[1], "high": high, "most": per_hash}
        page = [(row.hash, row.record_id) for row in connection.execute(_ENTRIES_AFTER, where)]
        for entry in page:
            if counts[entry[0]] < per_hash:
                counts[entry[0]] += 1
                found.append(entry)
        if len(page) < per_hash:
            break
        last = page[-1][0]
        after = page[-1] if counts[last] < per_hash else (last, RECORD_ID_MAX)
    return found[:most]


def echoes_of(connection: Connection, record_ids: Sequence[int]) -> dict[int, int]:
    """echo_permille of those of a few records that are indexed."""
    if not record_ids:
        return {}
    query = select(records.c.record_id, records.c.echo_permille).where(records.c.record_id.in_(record_ids))
    return {row.record_id: row.echo_permille for row in connection.execute(query)}


def _same(digest: Column[int]) -> Select[int]:
    query = select(records.c.record_id).where(digest == bindparam("digest"))
    return query.order_by(records.c.record_id).limit(bindparam("most", type_=BigInteger))


_SAME_RAW: Final = _same(records.c.raw_digest)
_SAME_NORMAL: Final = _same(records.c.normal_digest)


_ENTRIES_AFTER: Final = (
    select(postings.c.hash, postings.c.record_id)
    .where(tuple_(postings.c.hash, postings.c.record_id) > tuple_(bindparam("hash"), bindparam("record")))
    .where(postings.c.hash <= bindparam("high"))
    .distinct()
    .order_by(postings.c.hash, postings.c.record_id)
    .limit(bindparam("most", type_=BigInteger))
)


@cache
def _postings_query(dialect: str) -> Select[int, int, int]:
    """The hashes come as one parameter, an array, so that the statement is the same for any number of them."""
    values: FunctionElement[int]
    if dialect == "postgresql":
        values = func.unnest(bindparam("wanted", type_=postgresql.ARRAY(BigInteger)))
        wanted = values.table_valued(Column("value", BigInteger), name="wanted").render_derived()
    else:
        values = func.json_each(bindparam("wanted", type_=Text))
        wanted = values.table_valued(Column("value", BigInteger), name="wanted")
    other = postings.alias("other")
    # The record of posting number `skip` ends the range that is read; to find it costs `skip` steps along the index.
    bound = (
        select(other.c.record_id)
        .where(other.c.hash == wanted.c.value)
        .order_by(other.c.record_id, other.c.edges)
        .limit(1)
        .offset(bindparam("skip", type_=BigInteger))
        .correlate(wanted)
        .scalar_subquery()
    )
    within = postings.c.record_id <= func.coalesce(bound, RECORD_ID_MAX)
    joined = wanted.join(postings, (postings.c.hash == wanted.c.value) & within)
    return select(postings.c.hash, postings.c.record_id, postings.c.edges).select_from(joined)
