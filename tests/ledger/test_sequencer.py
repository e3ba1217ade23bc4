"""Appending under faults: nothing acknowledged is lost, nothing refused stays, one root a size, and the log goes on."""

import resource
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from log_samples import LOG_KEY, ORIGIN, Item, Run, tamper
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from ledger import sequencer
from ledger.checkpoint import open_checkpoint
from ledger.errors import LedgerError, StoreError
from ledger.log import Entry, Log
from ledger.merkle import leaf_hash

Commit = Callable[[object], None]


@contextmanager
def commits_by(log: Log, commit: Callable[[Commit, object], None]) -> Iterator[None]:
    """Inside, each of the log's COMMITs is done by `commit(real_commit, connection)`."""
    dialect = log.engine.dialect
    real = dialect.do_commit
    dialect.do_commit = lambda connection: commit(real, connection)
    try:
        yield
    finally:
        del dialect.do_commit


def broken(times: int, persist: bool) -> Callable[[Commit, object], None]:
    """A commit that reports failure `times` times, having really committed or really rolled back; then it works."""
    left = [times]

    def commit(real: Commit, connection: object) -> None:
        if left[0] == 0:
            real(connection)
            return
        left[0] -= 1
        real(connection) if persist else connection.rollback()
        raise OperationalError("COMMIT", None, OSError("the connection broke"))

    return commit


def test_a_commit_that_fails_once_is_made_good(log: Log, run: Run) -> None:
    with commits_by(log, broken(1, persist=False)):
        entry = log.submit(*run.one())
    assert (entry.index, entry.new, log.size()) == (2, True, 3)
    assert log.fsck().ok


def test_a_commit_that_fails_for_good_leaves_the_old_log(log: Log, run: Run) -> None:
    item, before = run.one(), log.checkpoint()
    with commits_by(log, broken(2, persist=False)), pytest.raises(StoreError) as caught:
        log.submit(*item)
    assert caught.value.code == "database_unavailable" and caught.value.retryable
    assert log.checkpoint() == before and log.find(leaf_hash(item[0])) is None
    assert log.fsck().ok
    assert log.submit(*item).new
    assert log.submit(*run.one()).index == 3
    assert log.fsck().ok


def test_a_commit_that_happened_but_was_reported_failed(log: Log, run: Run) -> None:
    item = run.one()
    with commits_by(log, broken(1, persist=True)):
        entry = log.submit(*item)
    assert (entry.index, entry.new, log.size()) == (2, True, 3)
    assert not log.submit(*item).new
    assert log.submit(*run.one()).index == 3
    assert log.fsck().ok


def test_a_commit_that_happened_but_whose_news_never_came(log: Log, run: Run) -> None:
    item = run.one()
    with commits_by(log, broken(2, persist=True)), pytest.raises(StoreError):
        log.submit(*item)
    again = log.submit(*item)
    assert (again.index, again.new, log.size()) == (2, False, 3)
    assert log.fsck().ok


@pytest.mark.parametrize("table", ["entries", "nodes", "contents", "checkpoint"])
def test_a_write_that_fails_at_any_step_leaves_the_old_log(log: Log, run: Run, table: str) -> None:
    log.submit_many([(statement, None) for statement, _ in run.generations(253)])
    before = log.checkpoint()
    items = run.generations(3)  # the first of them completes a tile

    def fail(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith((f"INSERT INTO {table}", f"UPDATE {table}")):
            raise OperationalError(statement, None, OSError("the disk went away"))

    event.listen(log.engine, "before_cursor_execute", fail)
    with pytest.raises(StoreError) as caught:
        log.submit_many(items)
    event.remove(log.engine, "before_cursor_execute", fail)
    assert caught.value.retryable
    assert log.checkpoint() == before
    assert log.fsck().ok
    assert [entry.new for entry in log.submit_many(items)] == [True] * 3
    assert log.fsck().ok


def test_a_fault_of_ours_reaches_the_submitter(log: Log, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(sequencer, "_write", fail)
        with pytest.raises(ZeroDivisionError):
            log.submit(*run.one())
    assert log.submit(*run.one()).new
    assert log.fsck().ok


def test_a_full_disk(sqlite_url: str) -> None:
    run = Run()
    with Log.create(sqlite_url, ORIGIN, LOG_KEY) as log:
        log.submit_many(run.registrations())
        with log.engine.connect() as connection:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        limit = f"PRAGMA max_page_count = {pages + 20}"
        event.listen(log.engine, "checkout", lambda connection, *_: connection.execute(limit))
        acknowledged: list[Item] = []
        with pytest.raises(StoreError) as caught:
            for item in run.generations(200):
                log.submit(*item)
                acknowledged.append(item)
        assert caught.value.code == "disk_full" and caught.value.retryable
        assert 5 < len(acknowledged) < 100
        assert log.size() == 2 + len(acknowledged)
        assert [log.find(leaf_hash(statement)).index for statement, _ in acknowledged] == list(range(2, log.size()))
        assert log.fsck().ok
        limit = "PRAGMA max_page_count = 1000000"
        assert [entry.new for entry in log.submit_many([*acknowledged, item])] == [False] * len(acknowledged) + [True]
        assert log.fsck().ok


def test_a_file_that_cannot_grow(sqlite_url: str) -> None:
    """The operating system refuses the writes themselves, wherever SQLite is at the moment."""
    run = Run()
    with Log.create(sqlite_url, ORIGIN, LOG_KEY) as log:
        log.submit_many(run.registrations())
        journal = Path(sqlite_url.removeprefix("sqlite:///") + "-wal")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        items, acknowledged = run.generations(60), []
        resource.setrlimit(resource.RLIMIT_FSIZE, (journal.stat().st_size + 100_000, hard))
        try:
            for item in items:
                log.submit(*item)
                acknowledged.append(item)
        except StoreError as error:
            assert error.code in ("disk_full", "database_io") and error.retryable
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert 0 < len(acknowledged) < len(items)
        assert log.size() == 2 + len(acknowledged)
        assert log.fsck().ok
        assert [entry.index for entry in log.submit_many(items)] == list(range(2, 62))
        assert log.fsck().ok


def test_a_database_that_is_gone(sqlite_url: str) -> None:
    run = Run()
    with Log.create(sqlite_url, ORIGIN, LOG_KEY) as log:
        log.submit_many(run.registrations())
        log.engine.dispose()
        path = Path(sqlite_url.removeprefix("sqlite:///"))
        path.rename(path.with_suffix(".away"))
        with pytest.raises(StoreError) as caught:
            log.submit(*run.one())
        assert caught.value.code == "database_unavailable"
        assert not path.exists()


def test_a_damaged_log_is_never_extended(log: Log, run: Run, database_url: str) -> None:
    log.submit_many(run.generations(5))
    tamper(log, "UPDATE entries SET leaf_hash = (SELECT root FROM checkpoint) WHERE leaf_index = 3")
    before = log.checkpoint()
    with Log.open(database_url, LOG_KEY) as again:
        with pytest.raises(StoreError) as caught:
            again.submit(*run.one())
        assert caught.value.code == "root_mismatch"
        assert again.checkpoint() == before


def test_never_two_roots_of_one_size_are_published(log: Log, run: Run) -> None:
    """Commits fail, or fail to be reported, in every pattern of three; readers collect each checkpoint they see."""
    roots: dict[int, bytes] = {}

    def look() -> None:
        head = open_checkpoint(log.checkpoint(), log.key)
        assert roots.setdefault(head.size, head.root) == head.root

    for pattern in range(27):
        faults = [pattern // 3**step % 3 for step in range(3)]

        def commit(real: Commit, connection: object, faults: list[int] = faults) -> None:
            fault = faults.pop() if faults else 0
            if fault == 1:
                connection.rollback()
            else:
                real(connection)
            look()
            if fault:
                raise OperationalError("COMMIT", None, OSError("the connection broke"))

        with commits_by(log, commit):
            for _ in range(2):
                with pytest.raises(StoreError) if len(faults) > 1 and all(faults[-2:]) else nullcontext():
                    log.submit(*run.one())
                look()
    assert log.fsck().ok


# Batches


@contextmanager
def first_commit_held(log: Log, run: Run) -> Iterator[None]:
    """Inside, the log's sequencer is busy with the commit of one entry; on leaving it goes on."""
    entered, release = threading.Event(), threading.Event()

    def commit(real: Commit, connection: object) -> None:
        entered.set()
        release.wait(20)
        real(connection)

    with commits_by(log, commit):
        first = threading.Thread(target=log.submit, args=run.one())
        first.start()
        assert entered.wait(20)
        try:
            yield
        finally:
            release.set()
            first.join()


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("waited for 20 s")


class Submitters:
    """One thread an item; what became of each is in `outcomes`."""

    def __init__(self, log: Log, items: Sequence[Item]) -> None:
        self.outcomes: dict[bytes, Entry | LedgerError] = {}
        self.threads = [threading.Thread(target=self._submit, args=(log, item)) for item in items]
        for thread in self.threads:
            thread.start()

    def _submit(self, log: Log, item: Item) -> None:
        try:
            self.outcomes[item[0]] = log.submit(*item)
        except LedgerError as error:
            self.outcomes[item[0]] = error

    def join(self) -> None:
        for thread in self.threads:
            thread.join()


def test_a_refusal_in_a_batch_harms_nobody_else(log: Log, run: Run) -> None:
    good, bad = run.generations(8), []
    for number in range(8):
        run.counter = 1
        bad.append((run.sign(run.model(name=f"counter used {number}")), None))
    run.counter = 100
    with first_commit_held(log, run):
        submitters = Submitters(log, [*good, *bad])
        wait_until(lambda: len(log._sequencer._queue) == 16)
    submitters.join()
    assert sorted(submitters.outcomes[item[0]].index for item in good) == list(range(3, 11))
    assert {submitters.outcomes[item[0]].code for item in bad} == {"counter_used"}
    assert log.fsck().ok


def test_a_batch_is_one_commit(log: Log, run: Run) -> None:
    with first_commit_held(log, run):
        submitters = Submitters(log, run.generations(10))
        wait_until(lambda: len(log._sequencer._queue) == 10)
        swaps: list[str] = []
        event.listen(log.engine, "before_cursor_execute", lambda *args: swaps.append(args[2]))
    submitters.join()
    assert len([swap for swap in swaps if swap.startswith("UPDATE checkpoint")]) == 1
    assert log.size() == 13


def test_submitters_are_turned_away_when_too_many_wait(log: Log, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "QUEUE_STATEMENTS", 3)
    with first_commit_held(log, run):
        submitters = Submitters(log, run.generations(8))
        wait_until(lambda: len(submitters.outcomes) == 5)
    submitters.join()
    refused = [outcome for outcome in submitters.outcomes.values() if isinstance(outcome, StoreError)]
    assert [(error.code, error.retryable) for error in refused] == [("overloaded", True)] * 5
    assert log.size() == 2 + 1 + 3
    assert log.fsck().ok


def test_close_finishes_what_was_submitted(log: Log, run: Run, database_url: str) -> None:
    with first_commit_held(log, run):
        submitters = Submitters(log, run.generations(5))
        wait_until(lambda: len(log._sequencer._queue) == 5)
        closer = threading.Thread(target=log.close)
        closer.start()
        wait_until(lambda: log._sequencer._closed)
    closer.join()
    submitters.join()
    assert all(isinstance(outcome, Entry) for outcome in submitters.outcomes.values())
    with Log.open(database_url, None) as again:
        assert again.size() == 8
        assert again.fsck().ok
