"""Merges of segments: at every step, and whatever comes between, lookups and removals see each posting once."""

import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from index_rows import rows
from index_samples import Record, Source, prose

from ledger.database import Database
from ledger.index import ContentIndex, merging
from ledger.index import index as index_module
from ledger.index.merging import FAN_IN, merge_step
from ledger.index.segments import Snapshot, read_segments

COUNT = 40


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of one record, moved a few blocks at a time, and no step but those that a test makes."""
    monkeypatch.setattr(index_module, "BATCH_RECORDS", 1)
    monkeypatch.setattr(merging, "STEP_POSTINGS", 100)
    monkeypatch.setattr(ContentIndex, "_merge", lambda *_: None)


def log_of(count: int) -> Source:
    """Records with a phrase that all of them have."""
    return Source({i: Record(f"{prose(i, 60)} {prose(1000, 12)}", prose(i, 9)) for i in range(count)})


def bounds(database: Database) -> list[tuple[int, int]]:
    with database.read() as connection:
        return [(segment.first, segment.last) for segment in read_segments(connection)]


def step(database: Database) -> int:
    with database.write() as connection:
        return merge_step(connection)


def test_each_step_shows_every_posting_once(index: ContentIndex, database: Database, small_steps: None) -> None:
    source = log_of(COUNT)
    index.catch_up(source)
    whole = rows(database)
    assert len(bounds(database)) == COUNT
    steps = 0
    while step(database):
        steps += 1
        assert rows(database) == whole
    assert steps > 8
    assert bounds(database) == [(0, COUNT - 1)]


def test_a_record_is_removed_in_the_middle_of_a_merge(
    index: ContentIndex, database: Database, small_steps: None
) -> None:
    source = log_of(COUNT)
    index.catch_up(source)
    expected = rows(database)
    draw = random.Random(3)
    gone = set()
    while step(database):
        record = draw.randrange(COUNT)
        gone.add(record)
        index.remove(record)
        found = rows(database)
        assert found["records"] == [row for row in expected["records"] if row[0] not in gone]
        for name in ("postings", "terms"):
            assert found[name] == [row for row in expected[name] if row[1] not in gone]
    assert len(gone) > 8


def test_new_records_come_in_while_a_merge_is_unfinished(
    index: ContentIndex, database: Database, small_steps: None
) -> None:
    every = log_of(COUNT).records
    source = Source({number: every[number] for number in range(FAN_IN**2)})
    index.catch_up(source)
    for number in range(FAN_IN**2, COUNT):
        step(database)
        source.records[number] = every[number]
        assert index.catch_up(source) == 1
        for record in (0, number):
            (found,) = index.verify(every[record].output_text, source).records
            assert found.record_id == record
    while step(database):
        pass
    merged = rows(database)
    index.rebuild(source)
    assert rows(database) == merged


def test_a_removed_record_makes_room_for_one_that_no_lookup_read(index: ContentIndex, database: Database) -> None:
    index.catch_up(log_of(100))
    counts = Counter(row[0] for row in rows(database)["postings"])
    common, count = counts.most_common(1)[0]
    assert count == 100 and isinstance(common, int)
    hashes = np.array([common], np.uint64).view(np.int64)
    for removed in (0, 1):
        with database.read() as connection:
            found = Snapshot(connection).postings_of(hashes, 64).records.tolist()
        assert found == list(range(removed, removed + 64))
        index.remove(removed)


def test_segments_stay_few(index: ContentIndex, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "BATCH_RECORDS", 1)
    source = Source()
    for number in range(70):
        source.records[number] = Record(prose(number, 20))
        index.catch_up(source)
        found = bounds(database)
        assert len(found) <= (FAN_IN - 1) * 4
        assert found[0][0] == 0 and found[-1][1] == number
        assert all(one[1] + 1 == other[0] for one, other in pairwise(found))
