"""Queries of the content index, for SQLite and PostgreSQL. No rule of matching is known here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Engine, Select, Table, bindparam, func, insert, inspect, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of
from sqlalchemy.exc import SQLAlchemyError

from ledger.database import store_error, writing
from ledger.index.segments import erase
from ledger.index.tables import metadata, postings, records, segments, state, terms, vocabulary
from ledger.rows import insert_rows, rows_with_keys

_IDS_MAX: Final = 5_000  # of one statement
_SCHEMA_LOCK: Final = 0x7261696C696478  # PostgreSQL advisory lock: "railidx"


@dataclass(frozen=True, slots=True)
class State:
    """The one row of `index_state`."""

    rules: str
    cursor: int
    epoch: int
    complete: bool


class RecordRow(NamedTuple):
    """A row of `index_records`."""

    record_id: int
    raw_digest: int
    normal_digest: int
    echo_permille: int
    places: bytes
    term_places: bytes


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for SELECTs that all see one moment of the database; errors as StoreError."""
    level = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    try:
        with engine.execution_options(**level).connect() as connection:
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
    """Whether there is an index of this version's tables, be it empty."""
    return not _other_tables(connection) and connection.execute(select(state.c.id)).first() is not None


def create_tables(connection: Connection, rules: str) -> None:
    """Makes the tables and an empty index unless they exist. Safe for several processes at once.

    Tables with other columns are of an older version and are dropped: what they held is derived, and is indexed again.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
    others = _other_tables(connection)
    metadata.drop_all(connection, tables=[table for table in others if inspect(connection).has_table(table.name)])
    metadata.create_all(connection)
    if connection.execute(select(state.c.id)).first() is None:
        connection.execute(insert(state).values(id=1, rules=rules, cursor=-1, epoch=0, complete=False))
    elif others:
        connection.execute(update_of(state).values(rules="", complete=False))  # the next catch_up begins anew


def _other_tables(connection: Connection) -> list[Table]:
    """The tables that are not there, or have other columns."""
    found = inspect(connection)
    return [
        table
        for table in metadata.sorted_tables
        if not found.has_table(table.name)
        or {column["name"] for column in found.get_columns(table.name)} != set(table.c.keys())
    ]


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


def lock(connection: Connection) -> None:
    """Takes the lock that orders writers of the index. First in its transaction; in SQLite every writer has it."""
    connection.execute(select(state.c.id).with_for_update())


def clear(connection: Connection) -> None:
    """Deletes the rows of all records."""
    for table in (postings, terms, segments, vocabulary, records):
        connection.execute(delete_from(table))


# Rows of records


def insert_records(connection: Connection, batch: Sequence[RecordRow]) -> None:
    insert_rows(connection, records, batch)


def count_terms(connection: Connection, texts: Mapping[int, int]) -> None:
    """Adds to the number of texts of each term, in the order of the key."""
    suffix = "ON CONFLICT (term) DO UPDATE SET texts = index_vocabulary.texts + excluded.texts"
    insert_rows(connection, vocabulary, sorted(texts.items()), suffix)


def texts_of(connection: Connection, wanted: Iterable[int]) -> dict[int, int]:
    """In how many texts each of these terms is; terms that are in none are left out."""
    return dict(map(tuple, rows_with_keys(connection, vocabulary, sorted(wanted))))


def delete_record(connection: Connection, record_id: int) -> None:
    """Deletes all rows of a record, if there are any. The numbers of texts of its terms stay, until a rebuild."""
    query = select(records.c.places, records.c.term_places).where(records.c.record_id == record_id)
    row = connection.execute(query).first()
    if row is None:
        return
    erase(connection, "postings", record_id, _unpacked(row.places))
    erase(connection, "terms", record_id, _unpacked(row.term_places))
    connection.execute(delete_from(records).where(records.c.record_id == record_id))


def _unpacked(places: bytes) -> list[int]:
    return [int.from_bytes(places[i : i + 2], "big") for i in range(0, len(places), 2)]


# Lookups


def records_with_text(connection: Connection, raw_digest: int, normal_digest: int, limit: int) -> list[int]:
    """Earliest records of each of the two digests, up to the limit each: raw ones first."""
    raw = connection.scalars(_SAME_RAW, {"digest": raw_digest, "most": limit}).all()
    normal = connection.scalars(_SAME_NORMAL, {"digest": normal_digest, "most": limit}).all()
    return list(dict.fromkeys([*raw, *normal]))


def echoes_of(connection: Connection, record_ids: Sequence[int]) -> dict[int, int]:
    """echo_permille of those of a few records that are indexed."""
    if not record_ids:
        return {}
    query = select(records.c.record_id, records.c.echo_permille).where(records.c.record_id.in_(record_ids))
    return {row.record_id: row.echo_permille for row in connection.execute(query)}


def digests_of(connection: Connection, record_ids: Sequence[int]) -> dict[int, int]:
    """normal_digest of those of these records that are indexed."""
    found: dict[int, int] = {}
    for start in range(0, len(record_ids), _IDS_MAX):
        some = record_ids[start : start + _IDS_MAX]
        query = select(records.c.record_id, records.c.normal_digest).where(records.c.record_id.in_(some))
        found |= {row.record_id: row.normal_digest for row in connection.execute(query)}
    return found


def _same(digest: Column[int]) -> Select[int]:
    query = select(records.c.record_id).where(digest == bindparam("digest"))
    return query.order_by(records.c.record_id).limit(bindparam("most", type_=BigInteger))


_SAME_RAW: Final = _same(records.c.raw_digest)
_SAME_NORMAL: Final = _same(records.c.normal_digest)
