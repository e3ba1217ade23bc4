"""Versions of the tables: which one a database has, and the way to the one that this program knows.

The steps are Alembic's, in migrations/versions, one file a version. The table `alembic_version` says where a database
stands; a log of version 1 has none, because it was made before there was a second version. SPEC.md, section 12.
"""

from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select

from ledger.errors import StoreError
from ledger.tables import SCHEMA_VERSION, alembic_version

FIRST = 1


def version_of(connection: Connection) -> int:
    """The version of the log's tables in this database. StoreError `schema_unknown`."""
    if not inspect(connection).has_table(alembic_version.name):
        return FIRST
    found = connection.scalar(select(alembic_version.c.version_num))
    if found is None or not found.isdecimal():
        raise StoreError("schema_unknown", f"the log's tables have the unknown version {found!r}; is this a RAIL log?")
    return int(found)


def check_current(connection: Connection) -> None:
    """StoreError `schema_old` or `schema_new` unless the tables are of this program's version."""
    found = version_of(connection)
    if found < SCHEMA_VERSION:
        raise StoreError(
            "schema_old",
            f"the log's tables have version {found}, this program needs {SCHEMA_VERSION}; "
            "make a backup, then run: rail log migrate",
        )
    if found > SCHEMA_VERSION:
        raise StoreError(
            "schema_new", f"the log's tables have version {found}, this program knows {SCHEMA_VERSION}; use a newer one"
        )


def mark_current(connection: Connection) -> None:
    """Note in a database whose tables were just made that they are of this program's version."""
    connection.execute(insert(alembic_version).values(version_num=_revision(SCHEMA_VERSION)))


def migrate(connection: Connection) -> tuple[int, int]:
    """Bring the tables to this program's version inside the connection's transaction; (version before, after)."""
    from alembic import command  # here, because nothing but this rare step needs it
    from alembic.config import Config

    before = version_of(connection)
    if before >= SCHEMA_VERSION:
        check_current(connection)
        return before, before
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    if not inspect(connection).has_table(alembic_version.name):
        command.stamp(config, _revision(FIRST))
    command.upgrade(config, _revision(SCHEMA_VERSION))
    return before, SCHEMA_VERSION


def _revision(version: int) -> str:
    return f"{version:04d}"
