"""Rows in and out of the database by the thousand, on SQLite and PostgreSQL, in one statement."""

import json
from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Table, bindparam, text, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import NullType

SQLITE_PARAMETERS = 999  # in one statement, whatever the release of SQLite


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]], suffix: str = "") -> None:
    """Rows straight to the driver: a dictionary for each would cost more than the insertion."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        columns = ", ".join(
            f"CAST(:{column.name} AS {column.type.compile(connection.dialect)}[])" for column in table.c
        )
        values = dict(zip(table.c.keys(), map(list, zip(*rows, strict=True)), strict=True))
        connection.execute(text(f"INSERT INTO {table.name} SELECT * FROM unnest({columns}) {suffix}"), values)
    else:
        # Each step of SQLite gives up the interpreter's lock: many rows a step, or other threads take it for each.
        marks, at_once = f"({', '.join('?' * len(table.c))})", SQLITE_PARAMETERS // len(table.c)
        for start in range(0, len(rows), at_once):
            part = rows[start : start + at_once]
            query = f"INSERT INTO {table.name} VALUES {', '.join([marks] * len(part))} {suffix}"
            connection.exec_driver_sql(query, tuple(chain.from_iterable(part)))


def rows_with_keys(connection: Connection, table: Table, keys: Collection[int]) -> Sequence[Any]:
    """The rows of a table whose first column, its key, is among these. Sorted keys are read fastest.

    The keys come as one parameter, so that the statement is the same for any number of them.
    """
    given: object = list(keys)
    if connection.dialect.name == "postgresql":
        wanted = "unnest(CAST(:wanted AS bigint[])) AS w(value) JOIN"
    else:
        wanted, given = "json_each(:wanted) AS w CROSS JOIN", json.dumps(given)
    key = next(iter(table.c)).name
    query = f"SELECT t.* FROM {wanted} {table.name} AS t ON t.{key} = w.value"
    return connection.execute(text(query), {"wanted": given}).all()


class Among(ColumnElement[bool]):
    """A condition: the column has one of the parameter `values`, a list.

    PostgreSQL gets them as one array, so that neither driver nor server reads another statement for each number of
    them; SQLite has no arrays, but is quick to read a statement.
    """

    inherit_cache = True
    type = Boolean()
    _traverse_internals = [("column", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - as SQLAlchemy has it

    def __init__(self, column: Column[Any]) -> None:
        self.column = column

    def self_group(self, against: object = None) -> "Among":
        return self  # not "... = 1", which would keep SQLite from using an index


@compiles(Among)
def _among(element: Among, compiler: SQLCompiler, **options: Any) -> str:
    plain = type_coerce(element.column, NullType())  # the driver takes the values as they are
    return compiler.process(plain.in_(bindparam("values", expanding=True)), **options)


@compiles(Among, "postgresql")
def _among_array(element: Among, compiler: SQLCompiler, **options: Any) -> str:
    kind = element.column.type.compile(compiler.dialect)
    column, values = compiler.process(element.column, **options), compiler.process(bindparam("values"), **options)
    return f"{column} = ANY(CAST({values} AS {kind}[]))"
