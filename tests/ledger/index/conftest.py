"""Content indexes on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator

import pytest
from index_samples import Source

from ledger.database import Database
from ledger.index import ContentIndex


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database of each kind."""
    database = Database(database_url, create=True)
    yield database
    database.close()


@pytest.fixture
def index(database: Database) -> ContentIndex:
    """An empty index on each kind of database."""
    return ContentIndex(database.engine)


@pytest.fixture
def indexed(sqlite_url: str) -> Iterator[Callable[[Source], ContentIndex]]:
    """Makes an index of a source, on SQLite: for tests of matching itself."""
    databases: list[Database] = []

    def make(source: Source) -> ContentIndex:
        databases.append(Database(sqlite_url.replace("log.db", f"{len(databases)}.db"), create=True))
        index = ContentIndex(databases[-1].engine)
        index.catch_up(source)
        return index

    yield make
    for database in databases:
        database.close()
