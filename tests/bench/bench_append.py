"""Appends a second: durable, acknowledged, with content, on SQLite and PostgreSQL, one at a time and in batches.

    .venv/bin/python tests/bench/bench_append.py [--count N] [--postgresql URL] [--folder DIR]

Each statement is signed beforehand; what is timed is `Log.submit`: parsing, checking the signature and the content's
commitments, sequencing, the durable commit, and the way back. The folder decides which disk SQLite is measured on.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

sys.path[:0] = [str(Path(__file__).parents[1] / "ledger"), str(Path(__file__).parents[2])]

from log_samples import LOG_KEY, ORIGIN, Item, Run  # noqa: E402 - the folders must be on the path first
from sqlalchemy import create_engine, text  # noqa: E402

from ledger.log import Log  # noqa: E402
from tests.bench.this_run import print_run  # noqa: E402

POSTGRESQL = "postgresql+psycopg://postgres@127.0.0.1:5432/test"
THREADS = (1, 8, 32)
GROUP = 500  # statements in one submit_many


@contextmanager
def sqlite_url(folder: str | None) -> Iterator[str]:
    path = Path(tempfile.mkdtemp(dir=folder))
    yield f"sqlite:///{path}/log.db"
    shutil.rmtree(path)


@contextmanager
def postgresql_url(server: str) -> Iterator[str]:
    schema, engine = f"rail_bench_{token_hex(8)}", create_engine(server)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield f"{server}?options={quote(f'-csearch_path={schema}')}"
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


def single(log: Log, items: list[Item], threads: int) -> list[float]:
    """Milliseconds of each submit."""
    waiting, times = iter(items), []

    def work() -> None:
        for item in waiting:
            started = time.perf_counter()
            log.submit(*item)
            times.append((time.perf_counter() - started) * 1000)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return times


def grouped(log: Log, items: list[Item]) -> list[float]:
    times = []
    for start in range(0, len(items), GROUP):
        started = time.perf_counter()
        log.submit_many(items[start : start + GROUP])
        times.append((time.perf_counter() - started) * 1000)
    return times


def measure(log: Log, name: str, count: int) -> None:
    run = Run()
    log.submit_many(run.registrations())
    for threads in THREADS:
        items = run.generations(count if threads > 1 else count // 4)
        started = time.perf_counter()
        times = single(log, items, threads)
        report(name, f"submit, {threads} threads", len(items), time.perf_counter() - started, times)
    items = run.generations(count)
    started = time.perf_counter()
    times = grouped(log, items)
    report(name, f"submit_many of {GROUP}", len(items), time.perf_counter() - started, times)


def report(name: str, mode: str, count: int, seconds: float, times: list[float]) -> None:
    p99 = statistics.quantiles(times, n=100)[98] if len(times) > 1 else times[0]
    print(
        f"{name:12}{mode:24}{count:8}{seconds:9.2f}{count / seconds:12.0f}{statistics.median(times):10.1f}{p99:10.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=2000, help="statements a measurement (a quarter with 1 thread)")
    parser.add_argument("--postgresql", default=POSTGRESQL, metavar="URL", help="a server; empty: leave it out")
    parser.add_argument("--folder", metavar="DIR", help="where the SQLite file goes; default: the temporary folder")
    arguments = parser.parse_args()
    print_run()
    print(f"\n{'database':12}{'mode':24}{'count':>8}{'seconds':>9}{'appends/s':>12}{'p50 ms':>10}{'p99 ms':>10}")
    with sqlite_url(arguments.folder) as url, Log.create(url, ORIGIN, LOG_KEY) as log:
        measure(log, "SQLite", arguments.count)
    if arguments.postgresql:
        with postgresql_url(arguments.postgresql) as url, Log.create(url, ORIGIN, LOG_KEY) as log:
            measure(log, "PostgreSQL", arguments.count)


if __name__ == "__main__":
    main()
