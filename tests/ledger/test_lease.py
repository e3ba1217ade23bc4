"""Two services by mistake over one database: one works, the other says why it does not."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from log_samples import LOG_KEY, ORIGIN, Run
from sqlalchemy import text

from ledger.errors import LogConflict
from ledger.log import Log

HOLDER = """
import sys, time
sys.path[:0] = {path!r}
from log_samples import LOG_KEY
from ledger.log import Log
log = Log.open({url!r}, LOG_KEY)
log.hold_lease()
print("held", flush=True)
time.sleep(60)
"""


def hold_elsewhere(url: str) -> subprocess.Popen[bytes]:
    path = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    child = subprocess.Popen([sys.executable, "-c", HOLDER.format(path=path, url=url)], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"held\n"
    return child


def test_the_second_service_is_told_who_holds_the_log(log: Log, run: Run, database_url: str) -> None:
    child = hold_elsewhere(database_url)
    try:
        with pytest.raises(LogConflict) as caught:
            log.hold_lease()
        assert caught.value.code == "sequencer_running"
        named = f"process {child.pid}" if log.engine.dialect.name == "sqlite" else "database session "
        assert named in str(caught.value)
        assert log.submit(*run.one()).new  # a command still takes its turn
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    for _ in range(200):  # a killed process holds nothing; PostgreSQL notices the end of its session in a moment
        try:
            log.hold_lease()
            break
        except LogConflict:
            time.sleep(0.02)
    assert log.submit(*run.one()).new
    assert log.fsck().ok


def test_the_lease_ends_with_the_log(database_url: str) -> None:
    with Log.create(database_url, ORIGIN, LOG_KEY) as first, Log.open(database_url, LOG_KEY) as second:
        first.hold_lease()
        first.hold_lease()  # it has it
        with pytest.raises(LogConflict):
            second.hold_lease()
        first.close()
        second.hold_lease()


@pytest.mark.postgres
def test_a_lost_session_is_replaced_or_the_append_refused(postgresql_url: str) -> None:
    run = Run()
    with Log.create(postgresql_url, ORIGIN, LOG_KEY) as log, Log.open(postgresql_url, LOG_KEY) as other:
        log.hold_lease()
        log.submit_many(run.registrations())
        terminate_holder(other)
        assert log.submit(*run.one()).new  # nobody else had taken it
        terminate_holder(other)
        other.hold_lease()
        item = run.one()
        with pytest.raises(LogConflict) as caught:
            log.submit(*item)
        assert caught.value.code == "sequencer_running"
        assert other.submit(*item).new
        assert other.fsck().ok


def terminate_holder(log: Log) -> None:
    with log.engine.begin() as connection:
        ended = connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1380010316"
                " AND objid::bigint = 'log'::regclass::oid::bigint % 2147483647"
            )
        )
        assert ended.scalar_one()
