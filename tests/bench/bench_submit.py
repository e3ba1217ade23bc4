"""Statements acknowledged a second over HTTP by `rail serve`, singly and in batches, and leaves that fsck checks.

    .venv/bin/python tests/bench/bench_submit.py [--count N] [--rounds N] [--postgresql URL] [--folder DIR]

The service is a process of its own; `rail log hammer`'s writers drive it and verify everything. Each row is the median
of some rounds. "server us" is processor time of the service and, with PostgreSQL, of the database's processes for each
statement: on a machine that others use too, it says more than the clock does.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "ledger"), str(Path(__file__).parents[2])]


from ledger.keys import SigningKey  # noqa: E402 - the folders must be on the path first
from ledger.log import Log  # noqa: E402
from tests.bench.bench_append import POSTGRESQL, postgresql_url  # noqa: E402
from tests.bench.this_run import print_run  # noqa: E402
from web.hammer.run import Blow, Load, strike  # noqa: E402

PORT = 8397
TICKS = os.sysconf("SC_CLK_TCK")
SINGLE, BATCH = (64, 1), (4, 500)  # writers, statements in a request


@contextmanager
def serving(home: Path, database: str | None, port: int) -> Iterator[int]:
    """Process id of the worker of a service."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAIL_")}
    if database is not None:
        environment["RAIL_DATABASE"] = database
    command = [sys.executable, "-m", "web.cli", "serve", "--home", str(home), "--port", str(port), "--threads", "1"]
    process = subprocess.Popen([*command, "--json"], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while (line := process.stdout.readline()) != "}\n":
        if not line:
            sys.exit("the service did not start")
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
        yield int(children.split()[0])
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def processor_seconds(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def database_pids() -> list[int]:
    """The processes of PostgreSQL on this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith((b"postgres", b"/usr/lib/postgresql")):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def measure(name: str, database: str | None, arguments: argparse.Namespace) -> None:
    home = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        with serving(home, database, PORT) as worker:
            for mode, (writers, batch) in (("single", SINGLE), (f"batches of {BATCH[1]}", BATCH)):
                count = arguments.count if batch == 1 else 5 * arguments.count
                rounds = [blow_of(Load(count, writers, 0, batch), worker, database) for _ in range(arguments.rounds)]
                report(name, mode, count, rounds)
        with Log.open(database or f"sqlite:///{home}/rail.db", None) as log:
            for mode, hashes_only in (("fsck --hashes-only", True), ("fsck", False)):
                seconds = []
                for _ in range(arguments.rounds):
                    started = time.perf_counter()
                    assert log.fsck(hashes_only=hashes_only).ok
                    seconds.append(time.perf_counter() - started)
                size, median = log.size(), statistics.median(seconds)
                print(f"{name:12}{mode:20}{size:9}{size / median:10.0f}")
    finally:
        shutil.rmtree(home)


def blow_of(load: Load, worker: int, database: str | None) -> tuple[Blow, float]:
    """What happened, and microseconds of processor time for each statement."""
    pids = [worker, *(database_pids() if database is not None else [])]

    started = [0.0]

    def signing(done: int, total: int) -> None:
        if done == total:  # what is measured begins
            started[0] = processor_seconds(pids)

    url = f"http://127.0.0.1:{PORT}"
    blow = strike(url, SigningKey.generate("bench"), None, load, None, signing, lambda *_: None)
    if blow.faults or blow.given_up:
        sys.exit(f"the log broke a promise: {json.dumps(blow.to_json())}")
    return blow, (processor_seconds(pids) - started[0]) / load.statements * 1e6


def report(name: str, mode: str, count: int, rounds: list[tuple[Blow, float]]) -> None:
    def median(values: list[float]) -> float:
        return statistics.median(values)

    rate, used = median([blow.per_second for blow, _ in rounds]), median([cost for _, cost in rounds])
    p50, p99 = median([blow.p50_ms for blow, _ in rounds]), median([blow.p99_ms for blow, _ in rounds])
    print(f"{name:12}{mode:20}{count:9}{rate:10.0f}{p50:9.0f}{p99:9.0f}{used:11.0f}", flush=True)


def syncs_a_second(folder: str | None) -> float:
    """How often one block can be written and synced to the disk on which SQLite is measured."""
    with tempfile.TemporaryFile(dir=folder) as file:
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < 0.5:
            os.pwrite(file.fileno(), bytes(4096), 4096 * count)
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=2000, help="statements a round (five times as many in batches)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--postgresql", default=POSTGRESQL, metavar="URL", help="a server; empty: leave it out")
    parser.add_argument("--folder", metavar="DIR", help="where the SQLite file goes; default: the temporary folder")
    arguments = parser.parse_args()
    print_run()
    print(f"disk: {syncs_a_second(arguments.folder):.0f} syncs a second\n")
    print(f"{'database':12}{'mode':20}{'count':>9}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}{'server us':>11}")
    measure("SQLite", None, arguments)
    if arguments.postgresql:
        with postgresql_url(arguments.postgresql) as url:
            measure("PostgreSQL", url, arguments)


if __name__ == "__main__":
    main()
