"""Connections: one engine for SQLite or PostgreSQL, short read and write transactions, and the driver's errors as ours.

SQLite runs in WAL mode with synchronous=FULL: a commit returns after the log file is on disk. Writers say
BEGIN IMMEDIATE, so that a transaction never starts as a reader and then finds that it cannot write.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, ExecutionContext, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ledger.errors import NotFound, StoreError

BUSY_SECONDS = 30  # how long to wait for another writer, or for a free connection
POOL_KEPT, POOL_MORE = 8, 24  # connections of one process; a PostgreSQL server has 100 for all by default
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
    "cache_size=-16384",  # KiB: a batch touches a page of the index of leaf hashes for each statement
    "wal_autocheckpoint=4096",  # pages, 16 MiB: those that many batches touch are copied once
)
WRITE = "rail_write"  # execution option: this connection's transactions will write
# Execution option of a query of many bytes: they come as they are. As text, PostgreSQL's default, they come in
# hexadecimal, which costs both sides more than all the rest. Not for all queries: some catalog types come only as text.
BINARY = "rail_binary"


class Database:
    """An engine and its two kinds of transaction. Safe for threads; not to be used across a fork."""

    def __init__(self, url: str, create: bool = False) -> None:
        """Makes the engine; connects at the first use.

        Only `create` may bring a SQLite file into being, readable by its owner alone. StoreError `bad_database_url`,
        NotFound `database_missing`.
        """
        parsed = _parse_url(url)
        self.dialect = parsed.get_backend_name()
        self.engine = _sqlite_engine(parsed, create) if self.dialect == "sqlite" else _postgresql_engine(parsed)
        self._writer = writing(self.engine)
        # A read needs no snapshot: rows of the tree never change. In PostgreSQL this saves two round trips.
        plain = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._reader = plain if self.dialect == "postgresql" else self.engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for SELECTs. What it sees of append-only rows is final."""
        with _as_store_errors(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it is left by an exception."""
        with _as_store_errors(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection for SELECTs that all see the database as of one moment, while others write."""
        engine = self.engine
        if self.dialect == "postgresql":
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with _as_store_errors(), engine.connect() as connection:
            yield connection

    def scrub(self) -> None:
        """Removes deleted content from the files, as far as the database allows while others use it.

        SQLite has overwritten the rows already (secure_delete); this empties the WAL, where older pages may linger.
        PostgreSQL drops dead rows by VACUUM. Neither reaches replicas or snapshots: SPEC.md, section 15.
        """
        with _as_store_errors(), self._reader.connect() as connection:
            if self.dialect == "sqlite":
                # Past SQLAlchemy, which would begin a transaction first.
                connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
            else:
                connection.execute(text("VACUUM contents"))

    def damage(self) -> list[str]:
        """What the database finds wrong with its own files; PostgreSQL has no check to offer without extensions."""
        if self.dialect != "sqlite":
            return []
        try:
            with self.read() as connection:
                found = [str(line) for line in connection.execute(text("PRAGMA integrity_check(100)")).scalars()]
        except StoreError as error:
            if error.code != "database_damaged":
                raise
            found = [str(error)]
        return [line for line in found if line != "ok"]

    def size_bytes(self) -> int:
        """What the database takes on disk: all of it, be it shared with others; in SQLite with its write-ahead log."""
        if self.dialect == "sqlite":
            paths = [Path(f"{self.engine.url.database}{suffix}") for suffix in ("", "-wal")]
            return sum(path.stat().st_size for path in paths if path.exists())
        with self.read() as connection:
            return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)

    def close(self) -> None:
        self.engine.dispose()


def writing(engine: Engine) -> Engine:
    """The same pool, for code with tables of its own beside the log: its transactions begin as writers."""
    return engine.execution_options(**{WRITE: True})


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError(
            "bad_database_url", "not a database URL; use sqlite:///PATH or postgresql+psycopg://..."
        ) from None
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise StoreError("bad_database_url", f"a log lives in sqlite or postgresql, not in {backend!r}")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreError("bad_database_url", "a log needs a file to be durable: sqlite:///PATH")
    if backend == "sqlite" and "?" in url:
        raise StoreError("bad_database_url", "a SQLite URL takes no options; a path must not contain '?'")
    return parsed


def _sqlite_engine(url: URL, create: bool) -> Engine:
    path = Path(str(url.database)).absolute()
    if create:
        _create_private_file(path)
    elif not path.is_file():
        raise NotFound("database_missing", f"no database at {path}; create the log first, it is never made by accident")

    def connect() -> sqlite3.Connection:
        # mode=rw: a file that disappeared is an error, not a new and empty log.
        return sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw", uri=True, timeout=BUSY_SECONDS, check_same_thread=False
        )

    # The connection that wrote last has the pages that are written next: it is the first to be used again.
    engine = create_engine(url, creator=connect, pool_size=POOL_KEPT, max_overflow=POOL_MORE, pool_use_lifo=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_private_file(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        pass  # an empty file or another program's tables: Log.create refuses only an existing log
    except OSError as error:
        raise StoreError("database_io", f"cannot create {path}: {error.strerror}") from None


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql_engine(url: URL) -> Engine:
    # READ COMMITTED is enough: every writer locks the checkpoint row first, and sees all that was committed before.
    engine = create_engine(
        url, pool_size=POOL_KEPT, max_overflow=POOL_MORE, pool_pre_ping=True, isolation_level="READ COMMITTED"
    )
    event.listen(engine, "connect", _prepare_postgresql)
    event.listen(engine, "before_cursor_execute", _ask_for_binary)
    return engine


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    from psycopg.types.array import ListBinaryDumper  # the driver is installed where it is used

    connection.adapters.register_dumper(list, ListBinaryDumper)  # a sixth of the time that text takes
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
    connection.commit()


def _ask_for_binary(
    _connection: Connection, cursor: Any, _statement: str, _values: Any, context: ExecutionContext | None, _many: bool
) -> None:
    if context is not None and context.execution_options.get(BINARY, False):
        cursor.format = 1  # psycopg.pq.Format.BINARY; the driver is not installed where all logs are in SQLite


@contextmanager
def _as_store_errors() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise store_error(error) from error


def store_error(error: Exception) -> StoreError:
    """The driver's error as ours: the same code for the same cause on both databases; `retryable` if time may help."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    name = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""
    detail = str(cause).strip().partition("\n")[0]
    if name == "SQLITE_FULL" or name == "53100":
        return StoreError(
            "disk_full", f"no space left for the database ({detail}); free some and retry", retryable=True
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or name in ("55P03", "40P01", "40001"):
        return StoreError("database_busy", f"another writer held the database too long ({detail})", retryable=True)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or name in ("XX001", "XX002"):
        return StoreError("database_damaged", f"the database is damaged ({detail}); run fsck", retryable=False)
    if name.startswith("SQLITE_IOERR") or name == "58030":
        return StoreError("database_io", f"reading or writing the database failed ({detail})", retryable=True)
    if isinstance(error, PoolTimeout):
        return StoreError("database_busy", "no free database connection", retryable=True)
    if isinstance(error, OperationalError | InterfaceError):
        return StoreError("database_unavailable", f"the database did not answer ({detail})", retryable=True)
    return StoreError("database_error", f"the database refused ({detail})", retryable=False)
