"""The queries on stored content, the one table from which rows can be deleted, and on who registered it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from ledger.store import is_leaf_index
from ledger.tables import contents, entries

_CONTENT = select(contents).where(contents.c.leaf_index == bindparam("leaf_index"))
_CONTENTS_AFTER = (
    select(contents)
    .where(contents.c.leaf_index > bindparam("leaf_index"))
    .order_by(contents.c.leaf_index)
    .limit(bindparam("count"))
)
_PUBLIC_AMONG = select(contents.c.leaf_index).where(
    contents.c.leaf_index.in_(bindparam("leaf_indexes", expanding=True)), contents.c.visibility == "public"
)
_REGISTRANTS_OF = select(entries.c.leaf_index, entries.c.operator_index).where(
    entries.c.leaf_index.in_(bindparam("leaf_indexes", expanding=True))
)
_IDS_MAX = 500  # of one query
_COUNT_BY_VISIBILITY = select(contents.c.visibility, func.count().label("number")).group_by(contents.c.visibility)
_INSERT_CONTENT = insert(contents)
_DELETE_CONTENT = delete(contents).where(contents.c.leaf_index == bindparam("erased_index"))


@dataclass(frozen=True, slots=True)
class ContentRow:
    """A row of `contents`; content.py makes and reads the body."""

    leaf_index: int
    visibility: str
    body: bytes


def insert_contents(connection: Connection, rows: Sequence[ContentRow]) -> None:
    if rows:
        values = [{name: getattr(row, name) for name in ContentRow.__slots__} for row in rows]
        connection.execute(_INSERT_CONTENT, values)


def content_at(connection: Connection, leaf_index: int) -> ContentRow | None:
    if not is_leaf_index(leaf_index):
        return None
    row = connection.execute(_CONTENT, {"leaf_index": leaf_index}).one_or_none()
    return ContentRow(row.leaf_index, row.visibility, bytes(row.body)) if row is not None else None


def contents_after(connection: Connection, leaf_index: int, limit: int) -> list[ContentRow]:
    """The next contents, in order."""
    rows = connection.execute(_CONTENTS_AFTER, {"leaf_index": leaf_index, "count": limit})
    return [ContentRow(row.leaf_index, row.visibility, bytes(row.body)) for row in rows]


def public_among(connection: Connection, leaf_indexes: Collection[int]) -> set[int]:
    wanted = sorted(leaf_indexes)
    found: set[int] = set()
    for start in range(0, len(wanted), _IDS_MAX):
        found.update(connection.scalars(_PUBLIC_AMONG, {"leaf_indexes": wanted[start : start + _IDS_MAX]}))
    return found


def registrants_of(connection: Connection, leaf_indexes: Collection[int]) -> dict[int, int]:
    """The leaf index of the operator's registration, by entry."""
    wanted = sorted(leaf_indexes)
    found: dict[int, int] = {}
    for start in range(0, len(wanted), _IDS_MAX):
        rows = connection.execute(_REGISTRANTS_OF, {"leaf_indexes": wanted[start : start + _IDS_MAX]})
        found |= {row.leaf_index: row.operator_index for row in rows}
    return found


def delete_content(connection: Connection, leaf_index: int) -> None:
    connection.execute(_DELETE_CONTENT, {"erased_index": leaf_index})


def count_by_visibility(connection: Connection) -> dict[str, int]:
    return {row.visibility: row.number for row in connection.execute(_COUNT_BY_VISIBILITY)}
