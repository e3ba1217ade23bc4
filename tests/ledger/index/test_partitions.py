"""The index's largest table in PostgreSQL partitions: the same rows, the same verdicts."""

import re

import pytest
from index_rows import rows
from index_samples import Record, Source, prose
from sqlalchemy import text
from sqlalchemy.schema import CreateTable

from ledger.database import Database
from ledger.index import ContentIndex
from ledger.index.tables import postings

pytestmark = pytest.mark.postgres

PARTITIONS = 8


@pytest.fixture
def partitioned(postgresql_url: str):
    """A database in which an operator has made the table before the service first ran, as SCALE.md says."""
    database = Database(postgresql_url, create=True)
    with database.engine.begin() as connection:
        whole = str(CreateTable(postings).compile(dialect=connection.dialect))
        connection.execute(text(f"{whole} PARTITION BY HASH (block)"))
        for number in range(PARTITIONS):
            values = f"FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})"
            connection.execute(text(f"CREATE TABLE index_postings_{number} PARTITION OF index_postings {values}"))
    yield database
    database.close()


def test_a_partitioned_index_is_the_same_index(partitioned: Database, indexed) -> None:
    source = Source({i: Record(prose(i, 120)) for i in range(60)})
    index, plain = ContentIndex(partitioned.engine), indexed(source)
    index.catch_up(source)
    with partitioned.engine.connect() as connection:
        counts = [
            connection.scalar(text(f"SELECT count(*) FROM index_postings_{number}")) for number in range(PARTITIONS)
        ]
    assert min(counts) > 0
    pasted = f"{prose(900, 40)} {' '.join(prose(7, 120).split()[30:80])} {prose(901, 40)}"
    for question in (pasted, prose(12, 120), prose(902, 100)):
        assert index.verify(question, source) == plain.verify(question, source)
    before = rows(partitioned)["postings"]
    index.remove(7)
    del source.records[7]
    assert index.verify(pasted, source).verdict == "none"
    assert rows(partitioned)["postings"] == [row for row in before if row[1] != 7]
    index.rebuild(source)
    assert rows(partitioned)["postings"] == [row for row in before if row[1] != 7]


def test_a_lookup_reads_one_partition(partitioned: Database) -> None:
    ContentIndex(partitioned.engine)
    with partitioned.engine.connect() as connection:
        plan = connection.execute(text("EXPLAIN SELECT * FROM index_postings WHERE block = 5")).scalars().all()
    assert len(set(re.findall(r"index_postings_\d+", "\n".join(plan)))) == 1
