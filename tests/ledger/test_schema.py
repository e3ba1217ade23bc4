"""Tables of every version that was released become today's, with all that they hold; nothing else is opened."""

import re
import sqlite3
from pathlib import Path

import pytest
from log_samples import LOG_KEY, ORIGIN, Run
from sqlalchemy import Connection, inspect, text

from ledger.database import Database, writing
from ledger.errors import StoreError
from ledger.log import Log
from ledger.tables import SCHEMA_VERSION

SCHEMAS = Path(__file__).with_name("schemas")  # dumps of logs that the program of each version made
RELEASED = sorted({int(path.name.split(".")[0]) for path in SCHEMAS.glob("*.sql")})


def load(url: str, version: int) -> None:
    """Puts the log of a version into an empty database."""
    dialect = url.partition(":")[0].partition("+")[0]
    dump = (SCHEMAS / f"{version}.{dialect}.sql").read_text(encoding="utf-8")
    if dialect == "sqlite":
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.executescript(dump)
        connection.close()
    else:
        database = Database(url)
        with database.write() as opened:
            opened.exec_driver_sql("SET LOCAL session_replication_role = replica")  # rows in any order
            opened.connection.driver_connection.execute(dump.encode())
        database.close()


def shape(connection: Connection) -> dict[str, object]:
    """Every table's columns, keys, constraints and indexes, and the triggers."""
    seen = inspect(connection)
    tables = {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in seen.get_columns(name)],
            seen.get_pk_constraint(name),
            sorted(map(str, seen.get_foreign_keys(name))),
            sorted(map(str, seen.get_unique_constraints(name))),
            sorted((index["name"], index["column_names"], index["unique"]) for index in seen.get_indexes(name)),
        )
        for name in seen.get_table_names()
    }
    query = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        if connection.dialect.name == "sqlite"
        else "SELECT tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid "
        "WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace"
    )
    triggers = {name: re.sub(r"rail_test_\w+\.", "", body) for name, body in connection.execute(text(query))}
    return {"tables": tables, "triggers": triggers}


def test_every_version_before_this_one_is_kept() -> None:
    assert list(range(1, SCHEMA_VERSION)) == RELEASED


@pytest.mark.parametrize("version", RELEASED)
def test_an_old_log_is_refused_then_migrated(database_url: str, version: int) -> None:
    load(database_url, version)
    with pytest.raises(StoreError) as caught:
        Log.open(database_url, LOG_KEY)
    assert caught.value.code == "schema_old" and "rail log migrate" in str(caught.value)
    assert Log.migrate(database_url) == (version, SCHEMA_VERSION)
    assert Log.migrate(database_url) == (SCHEMA_VERSION, SCHEMA_VERSION)
    with Log.open(database_url, LOG_KEY) as log:
        before = log.size()
        assert log.fsck().ok
        run = Run()
        log.submit_many(run.registrations() + run.generations(2))
        assert log.size() == before + 4 and log.fsck().ok
        with log.engine.connect() as connection:
            migrated = shape(connection)
        with writing(log.engine).begin() as connection:  # and the same tables as a new log's
            for table in ("checkpoint", "contents", "operator_ends", "models", "operators", "nodes", "entries", "log"):
                connection.execute(
                    text(f"DROP TABLE {table} CASCADE" if "postgres" in database_url else f"DROP TABLE {table}")
                )
            connection.execute(text("DROP TABLE alembic_version"))
            if "postgres" in database_url:
                connection.execute(text("DROP FUNCTION rail_refuse"))
    with Log.create(database_url, ORIGIN, LOG_KEY) as log, log.engine.connect() as connection:
        assert shape(connection) == migrated


def test_a_newer_or_unknown_version_is_refused(log: Log, database_url: str) -> None:
    for version, code in ((f"{SCHEMA_VERSION + 1:04d}", "schema_new"), ("ae10", "schema_unknown")):
        with writing(log.engine).begin() as connection:
            connection.execute(text(f"UPDATE alembic_version SET version_num = '{version}'"))
        for use in (lambda: Log.open(database_url, None), lambda: Log.migrate(database_url)):
            with pytest.raises(StoreError) as caught:
                use()
            assert caught.value.code == code
