"""Processes: killed in the middle of appends, and several at once on one database."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import append_worker
import pytest
from append_worker import worker_run
from log_samples import LOG_KEY, ORIGIN

from ledger.checkpoint import open_checkpoint
from ledger.errors import StoreError
from ledger.log import Log
from ledger.merkle import check_consistency

KILLS = {"sqlite": 30, "postgresql": 18}  # a process that opens a PostgreSQL log takes longer to start


class Worker:
    """The other side of append_worker.py."""

    def __init__(self, url: str, name: str, threads: int) -> None:
        arguments = [sys.executable, Path(append_worker.__file__), url, name, str(threads)]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.acknowledged: dict[int, bytes] = {}  # leaf hash by index
        self.pid = 0  # of the child

    def start(self, first_counter: int, count: int) -> None:
        """Returns when a child is about to append its first entry."""
        self.process.stdin.write(f"{first_counter} {count}\n".encode())
        self.process.stdin.flush()
        word, pid = self.process.stdout.readline().split()
        assert word == b"ready"
        self.pid = int(pid)

    def read(self) -> int | None:
        """Takes one acknowledgement; the child's exit status if it has ended."""
        first, second = self.process.stdout.readline().split()
        if first == b"ended":
            return int(second)
        self.acknowledged[int(first)] = bytes.fromhex(second.decode())
        return None

    def finish(self) -> int:
        while (status := self.read()) is None:
            pass
        return status


@contextmanager
def worker(url: str, name: str, threads: int = 4) -> Iterator[Worker]:
    made = Worker(url, name, threads)
    try:
        yield made
    finally:
        made.process.stdin.close()
        made.process.wait(60)
        made.process.stdout.close()


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(database_url: str) -> None:
    chance = random.Random(1)
    with Log.create(database_url, ORIGIN, LOG_KEY) as log, worker(database_url, "killed.example") as victim:
        log.submit_many(worker_run("killed.example", 0).registrations())
        head = open_checkpoint(log.checkpoint(), log.key)
        kills = KILLS[log.engine.dialect.name]
        for kill in range(kills):
            first_counter = 1000 * (kill + 1)
            victim.start(first_counter, 900)
            for _ in range(chance.randrange(5)):
                victim.read()
            time.sleep(chance.uniform(0.0, 0.02))
            os.kill(victim.pid, signal.SIGKILL)
            assert victim.finish() == -signal.SIGKILL
            old, head = head, open_checkpoint(log.checkpoint(), log.key)
            check_consistency(old.size, old.root, head.size, head.root, log.prove_consistency(old.size, head.size))
            # What was in flight is submitted again, by us. Some of it is there already, some is not.
            again = worker_run("killed.example", first_counter).generations(4)
            assert len({entry.index for entry in log.submit_many(again)}) == 4
        stored = {entry.index: entry.leaf_hash for entry in log.entries(0, log.size())}
        assert len(victim.acknowledged) > kills
        assert victim.acknowledged.items() <= stored.items()
        report = log.fsck()
        assert report.ok, report.faults


def test_two_processes_and_ourselves_on_one_database(database_url: str) -> None:
    with (
        Log.create(database_url, ORIGIN, LOG_KEY) as log,
        worker(database_url, "one.example") as one,
        worker(database_url, "two.example") as two,
    ):
        own = worker_run("own.example", 0)
        for name in ("one.example", "two.example", "own.example"):
            log.submit_many(worker_run(name, 0).registrations())
        one.start(100, 40)
        two.start(100, 40)
        own.counter = 100
        mine = {entry.index: entry.leaf_hash for entry in (log.submit(*item) for item in own.generations(20))}
        assert (one.finish(), two.finish()) == (0, 0)
        stored = {entry.index: entry.leaf_hash for entry in log.entries(0, log.size())}
        assert stored.items() >= one.acknowledged.items() | two.acknowledged.items() | mine.items()
        assert len(stored) == 6 + 40 + 40 + 20
        report = log.fsck()
        assert report.ok, report.faults


def test_the_same_statements_from_two_processes(database_url: str) -> None:
    with (
        Log.create(database_url, ORIGIN, LOG_KEY) as log,
        worker(database_url, "same.example") as one,
        worker(database_url, "same.example") as two,
    ):
        log.submit_many(worker_run("same.example", 0).registrations())
        one.start(100, 40)
        two.start(100, 40)
        assert (one.finish(), two.finish()) == (0, 0)
        assert one.acknowledged == two.acknowledged and len(one.acknowledged) == 40
        assert log.size() == 42
        assert log.fsck().ok


def test_a_log_is_not_used_across_a_fork(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = worker_run("fork.example", 0)
    with Log.create(sqlite_url, ORIGIN, LOG_KEY) as log:
        log.submit_many(run.registrations())
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: 1)
            with pytest.raises(StoreError) as caught:
                log.submit(*run.one())
        assert caught.value.code == "log_forked"
        assert log.submit(*run.one()).new
