"""PostgreSQL's streaming replica under a log: what it reads, how it lags, and that it loses nothing when it takes over.

Starts two servers of its own, where PostgreSQL's programs are installed.
"""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from log_samples import LOG_KEY, ORIGIN, Run
from own_server import WAIT_SECONDS, Server, as_server, free_port, give_to_server, needs_programs

from ledger.errors import LedgerError, StoreError
from ledger.log import Entry, Log
from ledger.merkle import check_consistency, leaf_hash
from ledger.receipt import check_receipt

pytestmark = [pytest.mark.postgres, needs_programs]


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """A primary server and its replica, which streams."""
    folder = Path(tempfile.mkdtemp(prefix="rail-replica-"))
    give_to_server(folder)
    primary, replica = Server(folder / "primary", free_port()), Server(folder / "replica", free_port())
    try:
        as_server("initdb", "-D", primary.folder, "-U", "postgres", "-A", "trust", "-N")
        primary.start()
        source = f"host=127.0.0.1 port={primary.port} user=postgres application_name=standby"
        as_server("pg_basebackup", "-D", replica.folder, "-d", source, "-R", "-X", "stream", "-c", "fast")
        replica.start()
        yield primary, replica
    finally:
        for server in (primary, replica):
            if (server.folder / "postmaster.pid").exists():
                server.control("stop", "-m", "immediate")
        shutil.rmtree(folder)


def wait_for(what: str, server: Server, query: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not server.ask(query):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def caught_up(primary: Server, replica: Server) -> None:
    position = primary.ask("SELECT pg_current_wal_lsn()")
    wait_for("the replica", replica, f"SELECT pg_last_wal_replay_lsn() >= '{position}'")


def test_a_replica_reads_a_state_that_was_signed_and_says_what_it_does_not_do(servers: tuple[Server, Server]) -> None:
    primary, replica = servers
    with Log.create(primary.url, ORIGIN, LOG_KEY) as log:
        run = Run()
        log.submit_many([*run.registrations(), *run.generations(300)])
        caught_up(primary, replica)
        with Log.open(replica.url, None) as reader:
            assert reader.checkpoint() == log.checkpoint()
            check_receipt(reader.receipt(200, opening=True), LOG_KEY.verify_key)
            assert reader.fsck().ok
            replica.ask("SELECT pg_wal_replay_pause()")
            log.submit_many(run.generations(300))
            behind, ahead = reader.head(), log.head()  # the replica lags
            assert (behind.size, ahead.size) == (302, 602)
            check_consistency(behind.size, behind.root, ahead.size, ahead.root, log.prove_consistency(302, 602))
            assert reader.find(log.entry(400).leaf_hash) is None
            replica.ask("SELECT pg_wal_replay_resume()")
            caught_up(primary, replica)
            assert reader.head() == ahead
        with Log.open(replica.url, LOG_KEY) as writer, pytest.raises(StoreError) as refused:
            writer.submit(*run.one())
        assert "read-only" in str(refused.value)
        assert log.submit(*run.one()).new


def test_a_synchronous_replica_takes_over_with_all_that_was_acknowledged(servers: tuple[Server, Server]) -> None:
    primary, replica = servers
    primary.ask("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
    primary.ask("SELECT pg_reload_conf()")
    wait_for("synchrony", primary, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
    acknowledged: list[Entry] = []
    with Log.create(primary.url, ORIGIN, LOG_KEY) as log:
        run = Run()
        log.submit_many(run.registrations())

        def write() -> None:
            try:
                while True:
                    acknowledged.extend(log.submit_many(run.generations(3)))
            except LedgerError:
                return  # the server is gone

        writer = threading.Thread(target=write)
        writer.start()
        while len(acknowledged) < 100:
            time.sleep(0.01)
        before = log.head()
        primary.control("stop", "-m", "immediate")  # as after a power failure: nothing is written any more
        writer.join()
    replica.control("promote")
    with Log.open(replica.url, LOG_KEY) as log:
        for entry in acknowledged:
            assert log.entry(entry.index).statement == entry.statement
        now = log.head()
        check_consistency(before.size, before.root, now.size, now.root, log.prove_consistency(before.size, now.size))
        statement, content = run.one()
        entry = log.submit(statement, content)
        assert entry.leaf_hash == leaf_hash(statement)
        assert log.fsck().ok
