"""Verify latency, index size and ingest rate over 10,000 records of 240 words, in a real log on SQLite or PostgreSQL.

    .venv/bin/python tests/bench/bench_verify.py [--records N] [--database URL]

Outputs are windows of the shared corpora, half TinyStories, half children's books. Five kinds of pasted text: a whole
output, a 100-word excerpt, a 25-word excerpt inside somebody else's paragraph, a text of the same kind as the outputs
that is not among them, and a page of another book. The database is a fresh temporary file unless a URL of an empty
database is given. Prints machine, versions, command and one table.
"""

import argparse
import os
import platform
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "ledger")]

import sqlalchemy  # noqa: E402
from log_samples import LOG_KEY, ORIGIN, Run  # noqa: E402

from ledger.index import ContentIndex  # noqa: E402
from ledger.log import Log  # noqa: E402
from ledger.statement import Sampling  # noqa: E402

WORDS = 240
QUERIES = 120  # of each kind
GROUP = 200  # records appended in one call
OUTPUT_TOKENS = 320
SAMPLING = Sampling(temperature_micro=0, top_k=0, top_p_micro=1_000_000, seed=7, max_tokens=OUTPUT_TOKENS)


def main() -> int:
    """Exit code 0; 2 if the corpora are not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--database", help="URL of an empty database (default: SQLite in a temporary folder)")
    options = parser.parse_args()
    corpora = Path(os.environ.get("RAIL_SHARED_DATA", REPOSITORY.parent / "shared" / "data")) / "corpora"
    if not corpora.is_dir():
        print(f"skipped: no corpora at {corpora} (set RAIL_SHARED_DATA)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        url = options.database or f"sqlite:///{folder}/bench.db"
        _print_machine(url)
        _measure(url, options.records, corpora)
    return 0


def _print_machine(url: str) -> None:
    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?")
    print(f"machine   {cpu}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {platform.platform()}")
    print(f"versions  Python {platform.python_version()}, SQLAlchemy {sqlalchemy.__version__}, ", end="")
    print(f"SQLite {sqlite3.sqlite_version}" if url.startswith("sqlite") else "PostgreSQL")
    print(f"command   {' '.join(['python', *sys.argv])}")


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _measure(url: str, count: int, corpora: Path) -> None:
    stories, books = _words(corpora / "tinystories_train_en.txt"), _words(corpora / "gutenberg_children_en.txt")
    outputs = [text for pair in zip(_windows(stories), _windows(books), strict=False) for text in pair][:count]
    with Log.create(url, ORIGIN, LOG_KEY) as log:
        _append(log, outputs)
        before = _size(log)
        index = ContentIndex(log.engine)
        started = time.perf_counter()
        added = index.catch_up(log)
        seconds = time.perf_counter() - started
        print(f"index     {added} records in {seconds:.1f} s: {added / seconds:.0f} records/s; ", end="")
        print(f"{(_size(log) - before) / added:.0f} bytes a record")
        _verify_all(index, log, outputs, corpora)


def _append(log: Log, outputs: list[str]) -> None:
    run = Run()
    log.submit_many(run.registrations())
    for start in range(0, len(outputs), GROUP):
        items = []
        for text in outputs[start : start + GROUP]:
            content = run.content(
                run.counter,
                output_bytes=text.encode(),
                output_ids=tuple(range(OUTPUT_TOKENS)),
                prompt_ids=tuple(range(20)),
            )
            items.append((run.sign(run.generation(content, sampling=SAMPLING)), content))
        log.submit_many(items)


def _size(log: Log) -> int:
    """Bytes of the database."""
    with log.engine.connect() as connection:
        if log.engine.dialect.name == "postgresql":
            return connection.scalar(sqlalchemy.text("SELECT pg_database_size(current_database())"))
        pages = connection.scalar(sqlalchemy.text("SELECT page_count FROM pragma_page_count()"))
        return pages * connection.scalar(sqlalchemy.text("SELECT page_size FROM pragma_page_size()"))


def _verify_all(index: ContentIndex, log: Log, outputs: list[str], corpora: Path) -> None:
    rng = random.Random(2)
    held_out, other = _words(corpora / "tinystories_heldout_en.txt"), _words(corpora / "heldout_books_en.txt")
    frames = list(_windows(other))
    kinds = {
        "whole output": [(rng.choice(outputs), "exact") for _ in range(QUERIES)],
        "100-word excerpt": [(_excerpt(rng, outputs, 100), "excerpt") for _ in range(QUERIES)],
        "25 words in a paragraph": [
            (_insert(rng, rng.choice(frames), _excerpt(rng, outputs, 25)), "excerpt") for _ in range(QUERIES)
        ],
        "same kind, unregistered": [(text, "none") for text in list(_windows(held_out))[:QUERIES]],
        "another book": [(text, "none") for text in frames[:QUERIES]],
    }
    index.verify(outputs[0], log)
    print(f"\n{'pasted text':26}{'checks':>8}{'as hoped':>10}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    everything: list[float] = []
    for name, queries in kinds.items():
        times = []
        hoped = 0
        for text, wanted in queries:
            started = time.perf_counter()
            verdict = index.verify(text, log)
            times.append((time.perf_counter() - started) * 1000)
            hoped += verdict.verdict == wanted
        everything += times
        _print_row(name, times, f"{hoped * 100 / len(times):.0f} %")
    _print_row("all", everything, "")


def _print_row(name: str, times: list[float], hoped: str) -> None:
    ordered = sorted(times)
    p50, p99 = (ordered[len(ordered) * share // 100] for share in (50, 99))
    print(f"{name:26}{len(ordered):8}{hoped:>10}{p50:9.1f}{p99:9.1f}{ordered[-1]:9.1f}")


def _words(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").replace("<|endoftext|>", " ").split()


def _windows(words: list[str]) -> Iterator[str]:
    for start in range(0, len(words) - WORDS, WORDS):
        yield " ".join(words[start : start + WORDS])


def _excerpt(rng: random.Random, outputs: list[str], count: int) -> str:
    words = rng.choice(outputs).split()
    start = rng.randrange(len(words) - count)
    return " ".join(words[start : start + count])


def _insert(rng: random.Random, frame: str, excerpt: str) -> str:
    words = frame.split()
    place = rng.randrange(len(words))
    return " ".join([*words[:place], excerpt, *words[place:]])


if __name__ == "__main__":
    sys.exit(main())
