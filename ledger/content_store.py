"""The queries on stored content, the one table from which rows can be deleted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select

from ledger.rows import Among
from ledger.store import is_leaf_index, pages
from ledger.tables import contents

_CONTENT = select(contents).where(contents.c.leaf_index == bindparam("leaf_index"))
_CONTENTS_AFTER = (
    select(contents)
    .where(contents.c.leaf_index > bindparam("leaf_index"))
    .order_by(contents.c.leaf_index)
    .limit(bindparam("count"))
)
_CONTENTS = select(contents).where(Among(contents.c.leaf_index))
_PUBLIC_AMONG = select(contents.c.leaf_index).where(Among(contents.c.leaf_index), contents.c.visibility == "public")
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
    return _content(row) if row is not None else None


def contents_at(connection: Connection, leaf_indexes: Collection[int]) -> list[ContentRow]:
    """Those of the contents that exist, in order."""
    wanted = pages(sorted(filter(is_leaf_index, leaf_indexes)))
    return [_content(row) for page in wanted for row in connection.execute(_CONTENTS, {"values": page})]


def contents_after(connection: Connection, leaf_index: int, limit: int) -> list[ContentRow]:
    """The next contents, in order."""
    return [_content(row) for row in connection.execute(_CONTENTS_AFTER, {"leaf_index": leaf_index, "count": limit})]


def public_among(connection: Connection, leaf_indexes: Collection[int]) -> set[int]:
    found: set[int] = set()
    for page in pages(sorted(leaf_indexes)):
        found.update(connection.scalars(_PUBLIC_AMONG, {"values": page}))
    return found


def delete_content(connection: Connection, leaf_index: int) -> None:
    connection.execute(_DELETE_CONTENT, {"erased_index": leaf_index})


def count_by_visibility(connection: Connection) -> dict[str, int]:
    return {row.visibility: row.number for row in connection.execute(_COUNT_BY_VISIBILITY)}


def _content(row: Row[Any]) -> ContentRow:
    return ContentRow(row.leaf_index, row.visibility, bytes(row.body))
