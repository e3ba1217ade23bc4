"""The index's storage alone, over made-up keys: what writing, merging, looking up and erasing cost at any size.

    .venv/bin/python tests/bench/bench_index_store.py [--records N] [--database URL]

Each record has 96 fingerprints and 32 terms, as one of 240 words has; keys are random, and every tenth term is one of a
thousand that many have. A lookup asks for 96 fingerprints, half of them of one record, as a check does; a search asks
for 40 terms. Times are in milliseconds, of the clock and of the processor. Cold: after the operating system was told to
forget the database file (SQLite only). The database is a fresh temporary file unless a URL of an empty one is given.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "bench")]

import numpy as np  # noqa: E402
from bench_verify import forget, print_row, print_titles, size_of  # noqa: E402
from this_run import print_run  # noqa: E402

from ledger.database import Database  # noqa: E402
from ledger.index import ContentIndex, store  # noqa: E402
from ledger.index.batch import places_of  # noqa: E402
from ledger.index.blocks import Columns  # noqa: E402
from ledger.index.index import BATCH_RECORDS, MERGED_PER_POSTING  # noqa: E402
from ledger.index.merging import merge_step  # noqa: E402
from ledger.index.rules import POSTINGS_PER_HASH_MAX  # noqa: E402
from ledger.index.segments import Snapshot, add_segment, read_segments  # noqa: E402

FINGERPRINTS, TERMS = 96, 32
LOOKUPS, COLD = 300, 30
Question = tuple[int, list[int], list[int]]  # a record, its fingerprints and terms


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--database", help="URL of an empty database (default: SQLite in a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.database or f"sqlite:///{folder}/bench.db"
        print_run()
        database = Database(url, create=True)
        try:
            _measure(database, options.records)
        finally:
            database.close()
    return 0


def _keys(first: int, records: int) -> tuple[np.ndarray, np.ndarray]:
    """Fingerprints and terms of records from `first` on, a row for each."""
    draw = np.random.default_rng(first)
    hashes = draw.integers(0, 1 << 64, (records, FINGERPRINTS), dtype=np.uint64)
    terms = draw.integers(0, 1 << 31, (records, TERMS), dtype=np.uint64)
    common = draw.random((records, TERMS)) < 0.1
    terms[common] = draw.integers(0, 1000, int(common.sum()), dtype=np.uint64) << np.uint64(21)
    return hashes, terms


def _measure(database: Database, count: int) -> None:
    index = ContentIndex(database.engine)
    before = size_of(database)
    clock, cpu = time.perf_counter(), time.process_time()
    for first in range(0, count, BATCH_RECORDS):
        _add(database, first, min(BATCH_RECORDS, count - first))
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    print(f"written   {count} records in {clock:.0f} s, {cpu * 1000 / count:.2f} ms of processor time each, merges too")
    with database.read() as connection:
        segments = len(read_segments(connection))
    print(f"size      {(size_of(database) - before) / count:.0f} bytes a record, {segments} segments", flush=True)
    numbers = np.random.default_rng(1).integers(0, count, LOOKUPS).tolist()
    questions = [(number, *_record(number, count)) for number in numbers]
    print_titles("operation")
    _time("96 fingerprints", database, questions, _look_up)
    _time("40 terms", database, questions, _search)
    if database.dialect == "sqlite":
        _time("96 fingerprints, cold", database, questions[:COLD], _look_up, cold=True)
        _time("40 terms, cold", database, questions[:COLD], _search, cold=True)
    _time("erasure", database, questions[:COLD], lambda _, number, *__: index.remove(number))


def _time(
    name: str, database: Database, questions: list[Question], ask: Callable[..., None], cold: bool = False
) -> None:
    times = []
    for question in questions:
        if cold:
            forget(database)
        clock, cpu = time.perf_counter(), time.thread_time()
        ask(database, *question)
        times.append(((time.perf_counter() - clock) * 1000, (time.thread_time() - cpu) * 1000))
    print_row(name, times, "")


def _add(database: Database, first: int, records: int) -> None:
    """One batch as `catch_up` writes it, and merges."""
    hashes, terms = _keys(first, records)
    ids = np.arange(first, first + records, dtype=np.uint64)
    postings = Columns(hashes.ravel(), ids.repeat(FINGERPRINTS), hashes.ravel() & np.uint64(0xFFFF)).sorted()
    rare = Columns(terms.ravel(), ids.repeat(TERMS), np.zeros(records * TERMS, np.uint64)).sorted()
    row_of = np.arange(records)
    hash_places = places_of("postings", hashes.ravel(), row_of.repeat(FINGERPRINTS), records)
    term_places = places_of("terms", terms.ravel(), row_of.repeat(TERMS), records)
    rows = [
        store.RecordRow(
            first + i,
            int(hashes[i, 0] >> np.uint64(1)),
            int(hashes[i, 1] >> np.uint64(1)),
            0,
            hash_places[i],
            term_places[i],
        )
        for i in range(records)
    ]
    with store.writing_to(database.engine) as connection:
        store.insert_records(connection, rows)
        add_segment(connection, first, first + records - 1, records, {"postings": postings, "terms": rare})
    moved = 0
    while moved < MERGED_PER_POSTING * len(postings):
        with store.writing_to(database.engine) as connection:
            step = merge_step(connection)
        moved += step
        if not step:
            break


def _record(number: int, count: int) -> tuple[list[int], list[int]]:
    """The fingerprints, signed, and the terms of one record."""
    first = number // BATCH_RECORDS * BATCH_RECORDS
    hashes, terms = _keys(first, min(BATCH_RECORDS, count - first))
    return hashes[number - first].astype(np.int64).tolist(), terms[number - first].tolist()


def _look_up(database: Database, number: int, hashes: list[int], _: list[int]) -> None:
    half = FINGERPRINTS // 2
    wanted = np.array([*hashes[:half], *(value ^ 1 << 62 for value in hashes[half:])])
    with store.reading(database.engine) as connection:
        found = Snapshot(connection).postings_of(wanted, POSTINGS_PER_HASH_MAX)
    assert (found.records == number).sum() == half


def _search(database: Database, number: int, _: list[int], terms: list[int]) -> None:
    weights = dict.fromkeys(terms, 9000) | {term ^ 1: 9_000 for term in terms[:8]}
    with store.reading(database.engine) as connection:
        assert number in Snapshot(connection).records_with_terms(weights, 16)


if __name__ == "__main__":
    sys.exit(main())
