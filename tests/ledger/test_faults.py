"""Faults at every step of an append: the process killed, a write or commit failed, or persisted but reported failed.

A step is a moment before or after one of the SQL statements of an append, or its commit. After each fault the log must
be whole: nothing acknowledged is lost, a group is there as a whole or not at all, one root a size, each tree extends
the one before, and the same group again is appended once. RAIL_FAULTS=long runs every scenario at every step, five
times over, on both databases: some thousands of faults.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from log_samples import LOG_KEY, ORIGIN, Item, Run
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import OperationalError

from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.database import WRITE
from ledger.errors import StoreError
from ledger.log import Entry, Log
from ledger.merkle import check_consistency, leaf_hash
from ledger.statement import ErasureStatement
from ledger.tiles import TILE_WIDTH

LONG = os.environ.get("RAIL_FAULTS") == "long"
ROUNDS = 5 if LONG else 1

Strike = Callable[[str], None]  # takes the name of the step


def generations(log: Log, run: Run) -> list[Item]:
    return run.generations(3)


def registrations(log: Log, run: Run) -> list[Item]:
    """An operator of its own, its model, and a generation that needs both."""
    new = Run(f"operator{run.counter}.example")
    run.counter += 1
    return [*new.registrations(), *new.generations(1)]


def erasure(log: Log, run: Run) -> list[Item]:
    entry = log.submit(*run.one())
    fields = {"entry_index": entry.index, "entry_leaf_hash": entry.leaf_hash, "reason": "test"}
    run.counter += 1
    return [(run.sign(ErasureStatement(time=run.time, counter=run.counter - 1, **fields)), None)]


def tile(log: Log, run: Run) -> list[Item]:
    """A group that ends in the first leaf after a full tile."""
    return [(statement, None) for statement, _ in run.generations(TILE_WIDTH - log.size() % TILE_WIDTH + 1)]


SCENARIOS = {"generations": generations, "registrations": registrations, "erasure": erasure, "tile": tile}
KILLED = SCENARIOS if LONG else {"erasure": erasure}  # the one with the most kinds of statements


@dataclass
class Steps:
    """The steps of all writing transactions, by name, as they came, and those at which a strike fell."""

    names: list[str] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)


@contextmanager
def at_step(engine: Engine, step: int | None, strike: Strike, times: int = 1) -> Iterator[Steps]:
    """Inside, `strike` runs at the step with this number, in the first `times` writing transactions that have it.

    Step None only counts.
    """
    steps = Steps()
    number = [0]
    commit = engine.dialect.do_commit

    def reach(name: str) -> None:
        steps.names.append(name)
        number[0] += 1
        if number[0] - 1 == step and len(steps.struck) < times:
            steps.struck.append(name)
            strike(name)

    def before(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if connection.get_execution_options().get(WRITE):
            if statement == "BEGIN IMMEDIATE" or statement.endswith("FOR UPDATE"):
                number[0] = 0  # the first statement of an append, in SQLite and in PostgreSQL
            reach(f"before {statement[:30]}")

    def after(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if connection.get_execution_options().get(WRITE):
            reach(f"after {statement[:30]}")

    def do_commit(connection: object) -> None:
        reach("before COMMIT")
        commit(connection)
        reach("after COMMIT")

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    engine.dialect.do_commit = do_commit  # type: ignore[method-assign]
    try:
        yield steps
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)
        del engine.dialect.do_commit


def fail(_step: str) -> None:
    raise OperationalError("a step", None, OSError("the disk or the connection went away"))


@dataclass
class Witness:
    """What a careful outsider remembers of a log while faults happen to it."""

    log: Log
    roots: dict[int, bytes] = field(default_factory=dict)
    acknowledged: dict[int, bytes] = field(default_factory=dict)  # leaf hash by index

    def look(self) -> Checkpoint:
        """The published checkpoint: signed, one root a size, and an extension of the last one seen."""
        seen = open_checkpoint(self.log.checkpoint(), self.log.key)
        assert self.roots.setdefault(seen.size, seen.root) == seen.root
        old = max(size for size in self.roots if size <= seen.size)
        assert old == max(self.roots), "the log went back"
        before = sorted(self.roots)[-2:][0]
        proof = self.log.prove_consistency(before, seen.size)
        check_consistency(before, self.roots[before], seen.size, seen.root, proof)
        return seen

    def hold(self, entries: list[Entry]) -> None:
        self.acknowledged |= {entry.index: entry.leaf_hash for entry in entries}

    def check_group(self, items: list[Item]) -> int:
        """How many of a group are there: all of it, or nothing."""
        found = [entry for statement, _ in items if (entry := self.log.find(leaf_hash(statement))) is not None]
        assert len(found) in (0, len(items))
        return len(found)

    def finish(self) -> None:
        stored = {entry.index: entry.leaf_hash for entry in self.log.entries(0, self.log.size())}
        assert self.acknowledged.items() <= stored.items()
        report = self.log.fsck()
        assert report.ok, report.faults


@pytest.fixture
def run(database_url: str) -> Run:
    run = Run()
    with Log.create(database_url, ORIGIN, LOG_KEY) as log:
        log.submit_many(run.registrations() + run.generations(1))
    return run


def steps_of(log: Log, items: list[Item]) -> list[str]:
    with at_step(log.engine, None, fail) as steps:
        log.submit_many(items)
    assert steps.names[-1] == "after COMMIT" and len(steps.names) >= 10
    return steps.names


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("times", [1, 2], ids=["once", "for good"])
def test_a_step_that_fails(database_url: str, run: Run, scenario: str, times: int) -> None:
    if scenario == "tile" and times == 2 and not LONG:
        pytest.skip("256 statements a step: in the long form")
    make = SCENARIOS[scenario]
    with Log.open(database_url, LOG_KEY) as log:
        outside = Witness(log)
        steps_of(log, make(log, run))  # after it, nothing is looked up for the first time
        names = steps_of(log, make(log, run))
        outside.look()
        for step in range(0 if LONG or scenario != "tile" else len(names) - 6, len(names)):
            for _ in range(ROUNDS):
                items = make(log, run)
                with at_step(log.engine, step, fail, times) as steps:
                    try:
                        outside.hold(log.submit_many(items))
                        acknowledged = True
                    except StoreError as error:
                        assert error.retryable
                        acknowledged = False
                outside.look()
                there = outside.check_group(items)
                # The second try makes it good; after two failures only a commit that happened has left a group.
                assert acknowledged == (len(steps.struck) == 1), steps.struck
                assert (there > 0) == (acknowledged or "after COMMIT" in steps.struck), steps.struck
                again = log.submit_many(items)
                outside.hold(again)
                assert {entry.new for entry in again} == {there == 0}
        outside.finish()


@pytest.mark.parametrize("scenario", KILLED)
def test_a_process_killed_at_a_step(database_url: str, run: Run, scenario: str) -> None:
    make = KILLED[scenario]
    with Log.open(database_url, LOG_KEY) as log:
        items = make(log, run)
    with Log.open(database_url, LOG_KEY) as log:  # opened anew, as the child will
        names = steps_of(log, items)
    with Log.open(database_url, None) as reading:
        outside = Witness(reading)
        outside.look()
        for step in range(len(names)):
            for _ in range(ROUNDS):
                with Log.open(database_url, LOG_KEY) as log:
                    items = make(log, run)
                struck = killed_at(database_url, step, items)
                outside.look()
                there = outside.check_group(items)
                assert (there > 0) == (struck == "after COMMIT"), struck
                with Log.open(database_url, LOG_KEY) as log:
                    again = log.submit_many(items)
                outside.hold(again)
                assert {entry.new for entry in again} == {there == 0}
        outside.finish()


def killed_at(url: str, step: int, items: list[Item]) -> str:
    """Submits in a forked process that is killed by SIGKILL at a step, whose name is returned."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:

        def kill(name: str) -> None:
            os.write(writing, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)

        try:
            with Log.open(url, LOG_KEY) as log, at_step(log.engine, step, kill):
                log.submit_many(items)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        name = pipe.read().decode()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    return name


def test_a_disk_that_is_full_at_any_page(sqlite_url: str) -> None:
    """The real error: SQLite may not grow its file by more than so many pages, from none to enough."""
    run = Run()
    with Log.create(sqlite_url, ORIGIN, LOG_KEY) as log:
        log.submit_many(run.registrations())
        outside = Witness(log)
        outside.look()
        limit = [1_000_000]
        event.listen(
            log.engine, "checkout", lambda connection, *_: connection.execute(f"PRAGMA max_page_count = {limit[0]}")
        )
        full, room = 0, 0
        while room < 40:
            items = run.generations(20)
            with log.engine.connect() as connection:
                pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            limit[0] = pages + room
            try:
                outside.hold(log.submit_many(items))
                room = 40 if not LONG else room + 1
            except StoreError as error:
                assert (error.code, error.retryable) == ("disk_full", True)
                assert outside.check_group(items) == 0
                full, room = full + 1, room + 1
            limit[0] = 1_000_000
            outside.look()
            outside.hold(log.submit_many(items))
        assert full > 3
        outside.finish()
