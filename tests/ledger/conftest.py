"""Databases for the tests of the store: each test body runs on SQLite and on PostgreSQL."""

import os
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

import pytest
from log_samples import LOG_KEY, ORIGIN, Run
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from ledger.log import Log

POSTGRESQL = "postgresql+psycopg://postgres@127.0.0.1:5432/test"


@pytest.fixture(scope="session")
def postgresql_server() -> str:
    """URL of a server that answers. RAIL_REQUIRE_POSTGRES=1 makes its absence a failure instead of a skip."""
    engine = create_engine(POSTGRESQL, connect_args={"connect_timeout": 5})
    try:
        engine.connect().close()
    except OperationalError as error:
        reason = f"no PostgreSQL at {POSTGRESQL}: {str(error.orig).strip()}"
        if os.environ.get("RAIL_REQUIRE_POSTGRES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    finally:
        engine.dispose()
    return POSTGRESQL


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """An empty schema of its own, dropped afterwards."""
    schema = f"rail_test_{token_hex(8)}"
    engine = create_engine(postgresql_server)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield f"{postgresql_server}?options={quote(f'-csearch_path={schema}')}"
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/log.db"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database without a log, on each kind of database in turn."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def log(database_url: str) -> Iterator[Log]:
    """A new log of size 0."""
    with Log.create(database_url, ORIGIN, LOG_KEY) as log:
        yield log


@pytest.fixture
def run(log: Log) -> Run:
    """A log with an operator (entry 0) and a model (entry 1), and a maker of more."""
    run = Run()
    log.submit_many(run.registrations())
    return run
