"""Processes that append to a log, for tests that kill them.

    python append_worker.py DATABASE_URL OPERATOR_NAME THREADS

For each line "FIRST_COUNTER COUNT" on its input it forks a child, which opens the log and appends COUNT generations.
The child writes "ready PID", one line "INDEX LEAF_HASH" for each acknowledged entry, and when it has ended, killed or
not, the parent writes "ended STATUS". Statements are a function of operator name and counter, so that whoever started
this knows them too.
"""

import os
import sys
import threading
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from log_samples import LOG_KEY, Run  # noqa: E402 - the two folders must be on the path first

from ledger.log import Log  # noqa: E402

START = 1_700_000_000  # registration time of all operators here


def worker_run(name: str, first_counter: int) -> Run:
    run = Run(name, START)
    run.counter = first_counter
    return run


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # one short write: a line appears whole or not at all


def append(url: str, name: str, first_counter: int, count: int, threads: int) -> None:
    log = Log.open(url, LOG_KEY)
    counters = iter(range(first_counter, first_counter + count))
    say(f"ready {os.getpid()}")

    def submit() -> None:
        for counter in counters:
            entry = log.submit(*worker_run(name, counter).one())
            say(f"{entry.index} {entry.leaf_hash.hex()}")

    workers = [threading.Thread(target=submit) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    log.close()


def main() -> None:
    url, name, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    for line in sys.stdin:
        first_counter, count = map(int, line.split())
        child = os.fork()
        if child == 0:
            append(url, name, first_counter, count, threads)
            os._exit(0)
        say(f"ended {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")


if __name__ == "__main__":
    main()
