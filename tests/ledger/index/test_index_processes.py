"""Several processes on one index, and one that is killed."""

import random
import subprocess
import sys
import time
from pathlib import Path

from index_rows import rows
from index_worker import log_of

from ledger.database import Database
from ledger.index import ContentIndex

WORKER = Path(__file__).with_name("index_worker.py")
COUNT = 150


def start(url: str, action: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), url, str(COUNT), action]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_index_each_record_once(database_url: str, database: Database) -> None:
    index = ContentIndex(database.engine)
    workers = [start(database_url, "catch_up") for _ in range(2)]
    results = [worker.communicate(timeout=120) for worker in workers]
    assert [(worker.returncode, errors) for worker, (_, errors) in zip(workers, results, strict=True)] == [(0, "")] * 2
    assert sum(int(output.split()[-1]) for output, _ in results) == COUNT
    together = rows(database)
    index.rebuild(log_of(COUNT))
    assert rows(database) == together


def test_killed_process_leaves_an_index_that_goes_on(database_url: str, database: Database) -> None:
    """Killed four times in the middle of rebuilding; after each, every record is there as a whole or not at all."""
    source, rng = log_of(COUNT), random.Random(1)
    index = ContentIndex(database.engine)
    index.rebuild(source)
    whole = rows(database)
    for _ in range(4):
        worker = start(database_url, "rebuild")
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.05, 0.4))
        worker.kill()
        worker.communicate()
        found = rows(database)
        (_, cursor, complete) = found["state"][0]
        assert [row for row in whole["records"] if row[0] <= cursor] == found["records"]
        assert [row for row in whole["postings"] if row[1] <= cursor] == found["postings"]
        assert not complete or cursor == COUNT - 1
        index.catch_up(source)
        assert rows(database) == whole
