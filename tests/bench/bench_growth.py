"""What a log costs as it grows: appends a second, bytes a leaf, memory of the sequencer, leaves a second of fsck.

    .venv/bin/python tests/bench/bench_growth.py [--sizes N,N] [--postgresql URL] [--postgresql-sizes N,N]

Statements without content are signed beforehand, a batch of 500 at a time, and timed through `Log.submit_many`; a line
is about the growth since the line before, or with `--timed N` about the last N leaves of it: those before them are then
put into the database by the thousand, as rows like the sequencer's, whose statements are random bytes of the same size.
"us" is processor time of this process for each append. "tree B" is the leaf hash in its row and the table of the hashes
above. "MiB" is the most that this process, the sequencer's, has held while it was timed.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("bench", "ledger", "ledger/index")]
sys.path[:0] = [str(Path(__file__).parents[2])]

from bench_append import POSTGRESQL, postgresql_url, sqlite_url  # noqa: E402 - the path first
from bench_storage import sizes  # noqa: E402
from filled_log import fill  # noqa: E402
from log_samples import LOG_KEY, MODEL_ROOT, ORIGIN, Run  # noqa: E402
from this_run import print_run  # noqa: E402

from ledger.log import Log  # noqa: E402
from ledger.merkle import SIZE_MAX  # noqa: E402
from web.hammer.statements import sign_generations  # noqa: E402

BATCH = 500
FILLED = 100_000  # leaves in one transaction
STATEMENT_BYTES = 555  # of those that are timed
HASH_BYTES = 32
KIBIBYTES_PER_MEBIBYTE = 1024


def grow(log: Log, run: Run, size: int) -> tuple[list[float], float]:
    """(milliseconds of each batch, processor seconds of all) until the log has this size."""
    times, used, now = [], 0.0, log.size()
    while now < size:
        count = min(BATCH, size - now)
        signed = sign_generations(run.key, MODEL_ROOT, "rail-int/2", run.counter, count, lambda *_: None)
        run.counter += count
        started, processor_started = time.perf_counter(), time.process_time()
        log.submit_many([(statement, None) for statement in signed])
        times.append((time.perf_counter() - started) * 1000)
        used += time.process_time() - processor_started
        now += count
    return times, used


def forget_peak() -> None:
    """The kernel counts the peak of this process's memory from now on."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_mebibytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) // KIBIBYTES_PER_MEBIBYTE


def fill_up(log: Log, run: Run, size: int) -> None:
    """Rows up to this size that nobody timed."""
    while (now := log.size()) < size:
        fill(log, min(size, now + FILLED), LOG_KEY, lambda _: os.urandom(STATEMENT_BYTES))
    run.counter = log.next_counter(run.id)


def measure(name: str, url: str, wanted: list[int], timed: int) -> None:
    run = Run()
    with Log.create(url, ORIGIN, LOG_KEY) as log:
        empty = sizes(log.engine)
        log.submit_many(run.registrations())
        for size in wanted:
            fill_up(log, run, size - timed)
            before = log.size()
            forget_peak()
            times, used = grow(log, run, size)
            memory, now = peak_mebibytes(), sizes(log.engine)
            tree = HASH_BYTES + (now["nodes"] - empty["nodes"]) / size
            started = time.perf_counter()
            assert log.fsck(hashes_only=True, processes=len(os.sched_getaffinity(0))).ok
            checked = size / (time.perf_counter() - started)
            count, total = size - before, sum(now.values()) - sum(empty.values())
            p99 = statistics.quantiles(times, n=100)[98] if len(times) > 1 else times[0]
            print(
                f"{name:12}{size:10}{count / sum(times) * 1000:11.0f}{used / count * 1e6:7.0f}{p99:9.0f}"
                f"{total / size:9.0f}{tree:8.1f}{memory:6}{checked:11.0f}",
                flush=True,
            )


def numbers(text: str) -> list[int]:
    return sorted(int(part) for part in text.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=numbers, default="10000,100000,1000000", help="[default: %(default)s]")
    parser.add_argument("--postgresql", default=POSTGRESQL, metavar="URL", help="a server; empty: leave it out")
    parser.add_argument("--postgresql-sizes", type=numbers, default="10000,100000,1000000", help="likewise")
    parser.add_argument("--timed", type=int, metavar="N", default=SIZE_MAX, help="leaves before a size [default: all]")
    parser.add_argument("--folder", metavar="DIR", help="where the SQLite file goes; default: the temporary folder")
    arguments = parser.parse_args()
    print_run()
    print(
        f"\n{'database':12}{'leaves':>10}{'appends/s':>11}{'us':>7}{'p99 ms':>9}"
        f"{'leaf B':>9}{'tree B':>8}{'MiB':>6}{'fsck/s':>11}"
    )
    with sqlite_url(arguments.folder) as url:
        measure("SQLite", url, arguments.sizes, arguments.timed)
    if arguments.postgresql:
        with postgresql_url(arguments.postgresql) as url:
            measure("PostgreSQL", url, arguments.postgresql_sizes, arguments.timed)


if __name__ == "__main__":
    main()
