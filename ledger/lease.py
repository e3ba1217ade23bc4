"""The sequencer's lease: the one service that appends to a log holds it for as long as it runs.

    SQLite       a lock (flock) on the file "<database>.sequencer", which names the holder
    PostgreSQL   a session's advisory lock on (LEASE_CLASS, number of the table "log")

Both end with the process, however it ends. The lease guards against a mistake, two services over one database; what
keeps the log whole even then is the locked row and the compare-and-swap of each append. SPEC.md, section 14.
"""

import fcntl
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, text

from ledger.database import Database, store_error
from ledger.errors import LogConflict, StoreError

LEASE_CLASS = 0x5241494C  # "RAIL"
HOLDER_BYTES_MAX = 200

_TABLE = "('log'::regclass::oid::bigint % 2147483647)"  # an oid has 32 bits without sign, the key 32 with
_TRY_LOCK = text(f"SELECT pg_try_advisory_lock(:class, {_TABLE}::int)")
_HOLDER = text(
    "SELECT a.pid, coalesce(a.client_addr::text, 'a local socket') AS address, a.backend_start FROM pg_locks l "
    "JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted AND l.classid = :class "
    f"AND l.objid::bigint = {_TABLE} AND a.datname = current_database()"
)
_ALIVE = text("SELECT 1")


class Lease:
    """Held from `Lease(database)` to `close`. LogConflict `sequencer_running` if somebody else holds it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._file: int | None = None  # SQLite
        self._session: Connection | None = None  # PostgreSQL
        self._take()

    def check(self) -> None:
        """Raise LogConflict if the lease was lost, with the connection that held it, and somebody else has it now."""
        with self._lock:
            if self._file is not None:
                return
            if self._session is not None:
                try:
                    self._session.execute(_ALIVE)
                    return
                except Exception:  # of whatever kind: a session that does not answer is not relied on
                    self._drop()
            self._take()

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _take(self) -> None:
        if self._database.dialect == "sqlite":
            self._take_file(Path(f"{self._database.engine.url.database}.sequencer"))
        else:
            self._take_session()

    def _take_file(self, path: Path) -> None:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError("database_io", f"cannot open {path}: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, HOLDER_BYTES_MAX, 0).decode("utf-8", errors="replace").strip()
            os.close(handle)
            raise _running(holder or "another process") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()}, since {_now()}\n".encode(), 0)
        self._file = handle

    def _take_session(self) -> None:
        try:
            session = self._database.engine.execution_options(isolation_level="AUTOCOMMIT").connect()
        except Exception as error:
            raise store_error(error) from error
        try:
            if session.scalar(_TRY_LOCK, {"class": LEASE_CLASS}):
                self._session = session
                return
            found = session.execute(_HOLDER, {"class": LEASE_CLASS}).first()
        except Exception as error:
            session.invalidate()
            session.close()
            raise store_error(error) from error
        session.close()
        holder = f"database session {found.pid} from {found.address}, since {found.backend_start}" if found else ""
        raise _running(holder or "another session")

    def _drop(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._session is not None:
            with suppress(Exception):  # a session that is gone holds no lock
                self._session.invalidate()  # not back into the pool: the lock is the session's
            with suppress(Exception):
                self._session.close()
            self._session = None


def _running(holder: str) -> LogConflict:
    return LogConflict(
        "sequencer_running",
        f"another service appends to this log ({holder}); a log has one sequencer: stop that one, or submit to it",
    )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
