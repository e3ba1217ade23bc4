"""The database itself refuses to change what was appended, whoever asks."""

import pytest
from log_samples import LOG_KEY, ORIGIN, Run
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ledger.database import writing
from ledger.log import Log

CHANGES = [
    "UPDATE entries SET statement = statement WHERE leaf_index = 0",
    "UPDATE entries SET leaf_index = 999 WHERE leaf_index = 2",
    "UPDATE entries SET leaf_hash = leaf_hash",
    "DELETE FROM entries WHERE leaf_index = 5",
    "DELETE FROM entries",
    "UPDATE nodes SET hash = hash",
    "DELETE FROM nodes",
    "UPDATE operators SET leaf_index = 1",
    "DELETE FROM operators",
    "UPDATE models SET leaf_index = 0",
    "DELETE FROM models",
    "UPDATE log SET origin = 'other.example'",
    "DELETE FROM log",
    "DELETE FROM checkpoint",
    "UPDATE checkpoint SET root = root",
    "UPDATE checkpoint SET size = size",
    "UPDATE checkpoint SET size = size - 1",
    "UPDATE contents SET visibility = 'public'",
    "INSERT INTO entries SELECT * FROM entries WHERE leaf_index = 3",
    "INSERT INTO nodes SELECT * FROM nodes",
    "INSERT INTO log SELECT 2, schema_version, origin, vkey FROM log",
    "INSERT INTO checkpoint SELECT 2, size, root, note FROM checkpoint",
    "INSERT INTO contents SELECT 999, visibility, body FROM contents WHERE leaf_index = 2",
    "INSERT INTO contents SELECT 0, 'hidden', body FROM contents WHERE leaf_index = 2",
]
SQLITE_CHANGES = [
    "INSERT OR REPLACE INTO entries SELECT * FROM entries WHERE leaf_index = 3",
    "REPLACE INTO nodes SELECT * FROM nodes",
    "INSERT INTO entries SELECT leaf_index + 9000, zeroblob(32), kind, operator_index, counter + 9000, time, logged,"
    " subject_index, statement FROM entries WHERE leaf_index = 3",
]
POSTGRESQL_CHANGES = [
    "TRUNCATE entries CASCADE",
    "TRUNCATE nodes",
    "TRUNCATE checkpoint",
    "INSERT INTO nodes SELECT * FROM nodes ON CONFLICT (level, position) DO UPDATE SET hash = excluded.hash",
]


def test_the_database_refuses_every_change(log: Log, run: Run) -> None:
    log.submit_many(run.generations(2) + [(item, None) for item, _ in run.generations(255)])
    before = log.checkpoint()
    sqlite = log.engine.dialect.name == "sqlite"
    for change in CHANGES + (SQLITE_CHANGES if sqlite else POSTGRESQL_CHANGES):
        with pytest.raises(DBAPIError), writing(log.engine).begin() as connection:
            connection.execute(text(change))
            pytest.fail(f"the database let this through: {change}")
    assert log.checkpoint() == before
    assert log.fsck().ok


def test_sqlite_writes_durably(sqlite_url: str) -> None:
    with Log.create(sqlite_url, ORIGIN, LOG_KEY) as log, log.engine.connect() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
