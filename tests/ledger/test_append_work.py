"""What a sequencer says of its work: batches, statements, the queue, and the seconds of each step."""

import threading
import time

import pytest
from log_samples import Run
from sqlalchemy import event

from ledger.append_work import STEPS
from ledger.errors import StatementRefused, StoreError
from ledger.log import Log


def test_nothing_was_done_yet(log: Log) -> None:
    work = log.append_work()
    assert (work.waiting, work.batches, work.statements) == (0, 0, 0)
    assert work.seconds == dict.fromkeys(STEPS, 0.0)


def test_batches_and_their_statements_are_counted_whatever_the_answer(log: Log, run: Run) -> None:
    before = log.append_work()
    items = run.generations(5)
    log.submit_many(items)
    log.submit(*items[0])  # known
    run.counter -= 1
    with pytest.raises(StatementRefused):
        log.submit(run.sign(run.model(name="another")))  # with a counter that was used
    after = log.append_work()
    assert (after.waiting, after.batches - before.batches, after.statements - before.statements) == (0, 3, 7)


def test_each_step_takes_some_of_the_time(log: Log, run: Run) -> None:
    before, started = log.append_work().seconds, time.perf_counter()
    log.submit_many(run.generations(20))
    passed, after = time.perf_counter() - started, log.append_work().seconds
    spent = {step: after[step] - before[step] for step in STEPS}
    assert all(seconds > 0 for seconds in spent.values()) and sum(spent.values()) <= passed


def test_a_slow_commit_shows_and_others_wait_meanwhile(log: Log, run: Run) -> None:
    first, *others = run.generations(4)
    held, go_on = threading.Event(), threading.Event()

    def hold(_connection: object) -> None:
        held.set()
        assert go_on.wait(30)

    before = log.append_work()
    event.listen(log.engine, "commit", hold, once=True)
    threads = [threading.Thread(target=log.submit, args=first)]
    threads[0].start()
    assert held.wait(30)
    started = time.perf_counter()
    threads.append(threading.Thread(target=log.submit_many, args=(others,)))
    threads[1].start()
    while (during := log.append_work()).waiting == 0 and time.perf_counter() - started < 30:
        time.sleep(0.01)
    kept = time.perf_counter() - started
    go_on.set()
    for thread in threads:
        thread.join()
    after = log.append_work()
    assert (during.waiting, during.batches, after.waiting) == (3, before.batches, 0)
    assert (after.batches - before.batches, after.statements - before.statements) == (2, 4)
    assert after.seconds["committing"] - before.seconds["committing"] >= kept


def test_a_batch_that_is_tried_twice_counts_once(log: Log, run: Run) -> None:
    before = log.append_work()

    def break_down(_connection: object) -> None:
        raise StoreError("database_io", "the disk went away", retryable=True)

    event.listen(log.engine, "commit", break_down, once=True)
    assert log.submit(*run.one()).new
    after = log.append_work()
    assert (after.batches - before.batches, after.statements - before.statements) == (1, 1)
