"""The content index at scale: ingest rate, size, latency of verdicts warm, cold and while records come in.

    .venv/bin/python tests/bench/bench_verify.py [--records N] [--checks N] [--database URL]

Records are made from the shared corpora (`index_source.py`), three of four English, 240 words each; the log and its
contents are not part of the measurement. Seven kinds of pasted text: a whole output, a 100-word excerpt, 25 words
inside somebody else's paragraph, 60 characters of a Chinese output, an output with every tenth word replaced, a text of
the same kind that is not registered, and a page of another book. Times are in milliseconds: of the clock, and of the
processor, which other programs disturb less. Cold: after the operating system was told to forget the database file
(SQLite only). The database is a fresh temporary file unless a URL of an empty database is given; a million records take
about 2.4 GB of disk.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "bench")]

import sqlalchemy  # noqa: E402
from index_source import MadeRecords, Record  # noqa: E402
from this_run import print_run  # noqa: E402

from ledger.database import Database  # noqa: E402
from ledger.index import ContentIndex  # noqa: E402

WORDS = 240
COLD = 20  # checks of each kind with nothing in memory
SHOWN_EVERY = 50_000  # records
MEANWHILE = 50  # one in so many records comes in while checks are measured
Check = tuple[str, str]  # a text, and the verdict that is hoped for


class _Counted(MadeRecords):
    """Records that are counted on their way into the index, and the processor time of making them."""

    making = 0.0  # seconds
    begun = 0.0  # when the first was asked for

    def contents(self, after_index: int) -> Iterator[tuple[int, Record]]:
        self.begun = self.begun or time.perf_counter()
        for number in range(after_index + 1, self.count):
            started = time.thread_time()
            record = Record(self.text(number))
            self.making += time.thread_time() - started
            yield number, record
            if number % SHOWN_EVERY == SHOWN_EVERY - 1:
                print(f"          {number + 1} read after {time.perf_counter() - self.begun:.0f} s", flush=True)


def main() -> int:
    """Exit code 0; 2 if the corpora are not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--checks", type=int, default=100, help="of each kind of text")
    parser.add_argument("--database", help="URL of an empty database (default: SQLite in a temporary folder)")
    options = parser.parse_args()
    corpora = Path(os.environ.get("RAIL_SHARED_DATA", REPOSITORY.parent / "shared" / "data")) / "corpora"
    if not corpora.is_dir():
        print(f"skipped: no corpora at {corpora} (set RAIL_SHARED_DATA)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        url = options.database or f"sqlite:///{folder}/bench.db"
        print_run()
        database = Database(url, create=True)
        try:
            _measure(database, _Counted(corpora, options.records), corpora, options.checks)
        finally:
            database.close()
    return 0


def _measure(database: Database, source: _Counted, corpora: Path, checks: int) -> None:
    before = size_of(database)
    index = ContentIndex(database.engine)
    _ingest(index, source)
    print(f"size      {(size_of(database) - before) / source.count:.0f} bytes a record", flush=True)
    kinds = _kinds(source, corpora, checks)
    index.verify(source.text(0), source)
    print_titles("pasted text")
    everything: list[tuple[float, float]] = []
    for name, queries in kinds.items():
        times, hoped = _check_all(index, source, queries)
        everything += times
        print_row(name, times, f"{hoped * 100 / len(queries):.0f} %")
    print_row("all", everything, "")
    if database.dialect == "sqlite":
        everything = []
        for name, queries in kinds.items():
            times = []
            for query in queries[:COLD]:
                forget(database)
                times += _check_all(index, source, [query])[0]
            everything += times
            print_row(f"{name}, cold", times, "")
        print_row("all, cold", everything, "")
    mixed = random.Random(3).sample([query for queries in kinds.values() for query in queries], checks)
    source.count += max(1, source.count // MEANWHILE)
    ingest = threading.Thread(target=_ingest, args=(index, source))
    ingest.start()
    times = []
    while ingest.is_alive():
        times += _check_all(index, source, [mixed[len(times) % len(mixed)]])[0]
    ingest.join()
    print_row("all, while records come in", times, "")


def _ingest(index: ContentIndex, source: _Counted) -> None:
    """Catches up. The processor time is of all threads, less what making the texts took; so are checks meanwhile."""
    source.making = 0.0
    clock, started = time.perf_counter(), time.process_time()
    added = index.catch_up(source)
    cpu, seconds = time.process_time() - started - source.making, time.perf_counter() - clock
    print(f"ingest    {added} records in {seconds:.1f} s: {added / seconds:.0f} a second, ", end="")
    print(f"{cpu * 1000 / added:.3f} ms of processor time each", flush=True)


def size_of(database: Database) -> int:
    """Bytes of the database."""
    with database.read() as connection:
        if database.dialect == "postgresql":
            return connection.scalar(sqlalchemy.text("SELECT pg_database_size(current_database())"))
        pages = connection.scalar(sqlalchemy.text("SELECT page_count FROM pragma_page_count()"))
        return pages * connection.scalar(sqlalchemy.text("SELECT page_size FROM pragma_page_size()"))


def _kinds(source: MadeRecords, corpora: Path, checks: int) -> dict[str, list[Check]]:
    rng = random.Random(2)
    frames = list(_windows((corpora / "heldout_books_en.txt").read_text(encoding="utf-8").split()))

    def english() -> list[str]:
        return source.text(rng.randrange(source.count) & ~3).split()

    def excerpt(words: int) -> str:
        output = english()
        start = rng.randrange(len(output) - words)
        return " ".join(output[start : start + words])

    kinds: dict[str, list[Check]] = {}
    kinds["whole output"] = [(source.text(rng.randrange(source.count)), "exact") for _ in range(checks)]
    kinds["100-word excerpt"] = [(excerpt(100), "excerpt") for _ in range(checks)]
    kinds["25 words in a paragraph"] = [
        (_insert(rng, rng.choice(frames), excerpt(25)), "excerpt") for _ in range(checks)
    ]
    kinds["60 Chinese characters"] = [
        (source.text(rng.randrange(source.count) | 3)[100:160], "excerpt") for _ in range(checks)
    ]
    kinds["every tenth word replaced"] = [(_edited(english()), "edited") for _ in range(checks)]
    kinds["same kind, unregistered"] = [(source.text(10**9 + number), "none") for number in range(checks)]
    kinds["another book"] = [(frames[number % len(frames)], "none") for number in range(checks)]
    return kinds


def _check_all(index: ContentIndex, source: MadeRecords, queries: list[Check]) -> tuple[list[tuple[float, float]], int]:
    """(clock, processor) milliseconds of each check, and how many verdicts were the hoped ones."""
    times, hoped = [], 0
    for text, wanted in queries:
        clock, cpu = time.perf_counter(), time.thread_time()
        verdict = index.verify(text, source)
        times.append(((time.perf_counter() - clock) * 1000, (time.thread_time() - cpu) * 1000))
        hoped += verdict.verdict == wanted
    return times, hoped


def forget(database: Database) -> None:
    """Nothing of a SQLite database is in memory: neither ours nor, as far as it heeds advice, the system's."""
    database.engine.dispose()
    path = str(database.engine.url.database)
    for name in (path, f"{path}-wal"):
        if Path(name).exists():
            descriptor = os.open(name, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def print_titles(first: str) -> None:
    titles = "".join(f"{title:>9}" for title in ("p50 ms", "p99 ms", "max ms", "cpu p50", "cpu p99"))
    print(f"\n{first:26}{'checks':>8}{'as hoped':>10}{titles}")


def print_row(name: str, times: list[tuple[float, float]], hoped: str) -> None:
    clock, cpu = (sorted(column) for column in zip(*times, strict=True))
    p50, p99 = (len(times) * share // 100 for share in (50, 99))
    print(f"{name:26}{len(times):8}{hoped:>10}{clock[p50]:9.1f}{clock[p99]:9.1f}{clock[-1]:9.1f}", end="")
    print(f"{cpu[p50]:9.1f}{cpu[p99]:9.1f}", flush=True)


def _windows(words: list[str]) -> Iterator[str]:
    for start in range(0, len(words) - WORDS, WORDS):
        yield " ".join(words[start : start + WORDS])


def _insert(rng: random.Random, frame: str, excerpt: str) -> str:
    words = frame.split()
    place = rng.randrange(len(words))
    return " ".join([*words[:place], excerpt, *words[place:]])


def _edited(words: list[str]) -> str:
    return " ".join("another" if place % 10 == 5 else word for place, word in enumerate(words))


if __name__ == "__main__":
    sys.exit(main())
