"""Queries of the content index, for SQLite and PostgreSQL. No rule of matching is known here."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    Table,
    Text,
    bindparam,
    func,
    insert,
    inspect,
    select,
    text,
    tuple_,
)
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.functions import FunctionElement

from ledger.database import store_error, writing
from ledger.index.tables import metadata, postings, records, state, terms, vocabulary

RECORD_ID_MAX: Final = (1 << 63) - 1
_EDGES_BIAS: Final = 1 << 15  # edges are 16 bits without sign, the column has one
_IDS_MAX: Final = 5_000  # of one statement
_PREFIX_SHIFT: Final = 40  # of fingerprints, 64 bits
_TERM_SHIFT: Final = 16  # of terms, 31 bits
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
    terms: tuple[int, ...]  # its rarest


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


def clear(connection: Connection) -> None:
    """Deletes the rows of all records."""
    for table in (postings, terms, vocabulary, records):
        connection.execute(delete_from(table))


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
            "prefixes": _packed({h >> _PREFIX_SHIFT for h, _ in record.fingerprints}, 3),
            "term_prefixes": _packed({term >> _TERM_SHIFT for term in record.terms}, 2),
        }
        for record in batch
    ]
    connection.execute(insert(records), rows)
    # In the order of the key: neighbours go to the same page.
    found = ((h, record.record_id, edges - _EDGES_BIAS) for record in batch for h, edges in record.fingerprints)
    _insert_rows(connection, postings, sorted(found))
    _insert_rows(connection, terms, sorted((term, record.record_id) for record in batch for term in record.terms))


def _insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[int, ...]], suffix: str = "") -> None:
    """Rows straight to the driver: a dictionary for each of 100 rows a record would cost more than the insertion."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        columns = ", ".join(
            f"CAST(:{column.name} AS {column.type.compile(connection.dialect)}[])" for column in table.c
        )
        values = dict(zip(table.c.keys(), map(list, zip(*rows, strict=True)), strict=True))
        connection.execute(text(f"INSERT INTO {table.name} SELECT * FROM unnest({columns}) {suffix}"), values)
    else:
        marks = ", ".join("?" * len(table.c))
        connection.exec_driver_sql(f"INSERT INTO {table.name} VALUES ({marks}) {suffix}", list(rows))


def count_terms(connection: Connection, texts: Mapping[int, int]) -> None:
    """Adds to the number of texts of each term, in the order of the key."""
    suffix = "ON CONFLICT (term) DO UPDATE SET texts = index_vocabulary.texts + excluded.texts"
    _insert_rows(connection, vocabulary, sorted(texts.items()), suffix)


def texts_of(connection: Connection, wanted: Iterable[int]) -> dict[int, int]:
    """In how many texts each of these terms is; terms that are in none are left out."""
    values = sorted(wanted)
    if connection.dialect.name == "postgresql":
        source = "unnest(CAST(:wanted AS integer[])) AS w(value) JOIN"
    else:
        source = "json_each(:wanted) AS w CROSS JOIN"
    query = f"SELECT v.term, v.texts FROM {source} index_vocabulary AS v ON v.term = w.value"
    given = values if connection.dialect.name == "postgresql" else json.dumps(values)
    rows = connection.execute(text(query), {"wanted": given})
    return {row.term: row.texts for row in rows}


def records_with_terms(connection: Connection, weights: Mapping[int, int], limit: int) -> list[int]:
    """Records with the most weight of these terms among their rarest, of equals the earliest."""
    values = sorted(weights.items())
    if connection.dialect.name == "postgresql":
        wanted = "unnest(CAST(:terms AS integer[]), CAST(:weights AS integer[])) AS w(term, weight) JOIN"
        given: dict[str, object] = {"terms": [term for term, _ in values], "weights": [weight for _, weight in values]}
    else:
        pair = "json_extract(value, '$[0]') AS term, json_extract(value, '$[1]') AS weight"
        wanted = f"(SELECT {pair} FROM json_each(:wanted)) AS w CROSS JOIN"
        given = {"wanted": json.dumps(values)}
    query = (
        f"SELECT t.record_id FROM {wanted} index_terms AS t ON t.term = w.term GROUP BY t.record_id "
        "ORDER BY SUM(w.weight) DESC, t.record_id LIMIT :most"
    )
    return list(connection.scalars(text(query), {**given, "most": limit}))


def delete_record(connection: Connection, record_id: int) -> None:
    """Deletes all rows of a record, if there are any. The numbers of texts of its terms stay, until a rebuild."""
    row = connection.execute(
        select(records.c.prefixes, records.c.term_prefixes).where(records.c.record_id == record_id)
    ).first()
    if row is None:
        return
    _delete_ranges(connection, postings, record_id, _unpacked(row.prefixes, 3), _PREFIX_SHIFT)
    _delete_ranges(connection, terms, record_id, _unpacked(row.term_prefixes, 2), _TERM_SHIFT)
    connection.execute(delete_from(records).where(records.c.record_id == record_id))


def _delete_ranges(connection: Connection, table: Table, record_id: int, prefixes: list[int], shift: int) -> None:
    """The record's rows whose first column begins with one of these prefixes."""
    first = next(iter(table.c))
    doomed = delete_from(table).where(
        first >= bindparam("low"), first <= bindparam("high"), table.c.record_id == bindparam("record")
    )
    size = (1 << shift) - 1
    if prefixes:
        connection.execute(
            doomed, [{"low": p << shift, "high": (p << shift) + size, "record": record_id} for p in prefixes]
        )


def _packed(prefixes: Iterable[int], size: int) -> bytes:
    return b"".join(prefix.to_bytes(size, "big", signed=True) for prefix in sorted(prefixes))


def _unpacked(packed: bytes, size: int) -> list[int]:
    return [int.from_bytes(packed[i : i + size], "big", signed=True) for i in range(0, len(packed), size)]


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
