"""The queries on who and what is registered: the operators, the ends of their keys, their counters, and the models."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Select, bindparam, func, insert, select

from ledger.rows import Among
from ledger.store import PAGE_ROWS, pages
from ledger.tables import entries, models, operator_ends, operators

K = TypeVar("K", bytes, int)

_OPERATORS = select(operators).where(Among(operators.c.operator_id))
_OPERATOR_ENDS = select(operator_ends).where(Among(operator_ends.c.operator_index))
_MODELS = select(models).where(Among(models.c.model_root))
_REGISTRANTS = select(entries.c.leaf_index, entries.c.operator_index).where(Among(entries.c.leaf_index))
_USED_COUNTERS = select(entries.c.counter).where(
    entries.c.operator_index == bindparam("operator_index"),
    Among(entries.c.counter),
)
_LAST_COUNTER = select(func.max(entries.c.counter)).where(entries.c.operator_index == bindparam("operator_index"))
_COUNT_COUNTERS = select(func.count(), func.max(entries.c.counter)).where(
    entries.c.operator_index == bindparam("operator_index")
)
_NEIGHBOURS = (
    select(
        func.coalesce(func.lag(entries.c.counter).over(order_by=entries.c.counter), -1).label("before"),
        entries.c.counter,
    )
    .where(entries.c.operator_index == bindparam("operator_index"))
    .subquery()
)
_GAPS = (
    select(_NEIGHBOURS.c.before, _NEIGHBOURS.c.counter)
    .where(_NEIGHBOURS.c.counter > _NEIGHBOURS.c.before + 1)
    .order_by(_NEIGHBOURS.c.counter)
    .limit(bindparam("count"))
)


def insert_operator(connection: Connection, operator_id: bytes, leaf_index: int) -> None:
    connection.execute(insert(operators).values(operator_id=operator_id, leaf_index=leaf_index))


def insert_model(connection: Connection, model_root: bytes, leaf_index: int) -> None:
    connection.execute(insert(models).values(model_root=model_root, leaf_index=leaf_index))


def insert_operator_end(connection: Connection, operator_index: int, leaf_index: int) -> None:
    connection.execute(insert(operator_ends).values(operator_index=operator_index, leaf_index=leaf_index))


def operator_end_indexes(connection: Connection, operator_indexes: Sequence[int]) -> dict[int, int]:
    """Leaf index of the statement that ended each of the keys that was ended, by the leaf of its registration."""
    rows = (row for page in pages(operator_indexes) for row in connection.execute(_OPERATOR_ENDS, {"values": page}))
    return {row.operator_index: row.leaf_index for row in rows}


def operator_indexes(connection: Connection, operator_ids: Sequence[bytes]) -> dict[bytes, int]:
    """Leaf index of each of the operators that is registered."""
    return _indexes(connection, _OPERATORS, operator_ids)


def model_indexes(connection: Connection, model_roots: Sequence[bytes]) -> dict[bytes, int]:
    """Leaf index of the first registration of each of the models that has one."""
    return _indexes(connection, _MODELS, model_roots)


def _indexes(connection: Connection, query: Select[Any], wanted: Sequence[bytes]) -> dict[bytes, int]:
    rows = (row for page in pages(wanted) for row in connection.execute(query, {"values": page}))
    return {bytes(name): index for name, index in rows}


def all_operators(connection: Connection) -> Iterator[tuple[bytes, int]]:
    """(operator id, leaf index) of every row."""
    return _pairs(connection, operators.c.operator_id, operators.c.leaf_index, b"")


def all_models(connection: Connection) -> Iterator[tuple[bytes, int]]:
    """(model root, leaf index) of every row."""
    return _pairs(connection, models.c.model_root, models.c.leaf_index, b"")


def all_operator_ends(connection: Connection) -> Iterator[tuple[int, int]]:
    """(leaf that registered a key, leaf that ended it) of every row."""
    return _pairs(connection, operator_ends.c.operator_index, operator_ends.c.leaf_index, -1)


def _pairs(connection: Connection, key: Column[K], value: Column[int], last: K) -> Iterator[tuple[K, int]]:
    """Those with a key after `last`, page by page, so that nothing stays open between them."""
    while page := connection.execute(select(key, value).where(key > last).order_by(key).limit(PAGE_ROWS)).all():
        yield from ((found, index) for found, index in page)
        last = page[-1][0]


def registrants_of(connection: Connection, leaf_indexes: Sequence[int]) -> dict[int, int]:
    """The leaf index of the operator's registration, by entry."""
    rows = (row for page in pages(leaf_indexes) for row in connection.execute(_REGISTRANTS, {"values": page}))
    return {row.leaf_index: row.operator_index for row in rows}


def used_counters(connection: Connection, operator_index: int, counters: Sequence[int]) -> set[int]:
    """Those of the counters that an entry of the operator has."""
    used: set[int] = set()
    for page in pages(counters):
        used.update(connection.scalars(_USED_COUNTERS, {"operator_index": operator_index, "values": page}))
    return used


def count_counters(connection: Connection, operator_index: int) -> tuple[int, int]:
    """(statements of an operator, its largest counter; -1 for none). Reads an index as long as the operator's part."""
    count, last = connection.execute(_COUNT_COUNTERS, {"operator_index": operator_index}).one()
    return count, -1 if last is None else last


def counter_gaps(connection: Connection, operator_index: int, limit: int) -> list[tuple[int, int]]:
    """The first `limit` ranges (first, last) of counters that no entry of the operator has, below its largest one."""
    rows = connection.execute(_GAPS, {"operator_index": operator_index, "count": limit})
    return [(before + 1, counter - 1) for before, counter in rows]


def last_counter(connection: Connection, operator_index: int) -> int | None:
    return connection.scalar(_LAST_COUNTER, {"operator_index": operator_index})
