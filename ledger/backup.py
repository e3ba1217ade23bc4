"""Backup and restore: the whole log as one SQLite file, whichever database it lives in.

A backup is itself a log that any command can open and check. It is made from one snapshot while the log goes on, and
checked before it gets its name. What can be made again (the text index, cosignatures) is left out. SPEC.md, section 21.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, Table, delete, insert, inspect, select

from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.database import Database
from ledger.errors import LedgerError, LogConflict, NotFound, ProofInvalid, StoreError
from ledger.fsck import FsckReport, check_log
from ledger.keys import VerifyKey
from ledger.merkle import check_consistency, prove_consistency
from ledger.store import create_tables, read_head, read_identity
from ledger.tables import alembic_version, checkpoint, contents, entries, log, models, nodes, operator_ends, operators
from ledger.tile_hashes import TileHashes

PAGE_ROWS = 200  # of at most 16 MiB, where contents are as large as they may be; most have a few kilobytes
TABLES = (alembic_version, log, checkpoint, entries, nodes, operators, operator_ends, models, contents)

Progress = Callable[[int, int], None]  # entries copied, entries in all


def backup(database_url: str, path: Path, progress: Progress | None = None) -> FsckReport:
    """Write the log at `database_url` to the new file `path` (0600), durable and checked; the check's report.

    LogConflict `backup_exists`, StoreError `backup_damaged` if what was written, and so the log, is not sound.
    """
    if path.exists():
        raise LogConflict("backup_exists", f"{path} exists and is not overwritten; choose another name")
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        report = _copy_checked(database_url, f"sqlite:///{draft}", progress)
        os.link(draft, path)  # unlike a rename, this fails if the file exists
        return report
    except FileExistsError:
        raise LogConflict("backup_exists", f"{path} exists and is not overwritten; choose another name") from None
    except OSError as error:
        raise StoreError("database_io", f"cannot write {path}: {error.strerror}") from error
    finally:
        for left in (draft, Path(f"{draft}-wal"), Path(f"{draft}-shm")):
            with suppress(OSError):
                left.unlink()


def restore(path: Path, database_url: str, published: bytes | None, progress: Progress | None = None) -> FsckReport:
    """Bring the log in the backup `path` into an empty database, and check it; the check's report.

    `published`: a checkpoint that the log signed, the newest one known from outside (a mirror, a witness, a receipt).
    The backup must go at least as far, or the log would sign a second tree of a size: ProofInvalid `restore_behind`;
    and it must hold the same tree: ProofInvalid `consistency_*`. LogConflict `log_exists`, StoreError `backup_damaged`.
    """
    if published is not None:
        _check_reaches(path, published)
    return _copy_checked(f"sqlite:///{path}", database_url, progress)


def erase_in_backup(path: Path, leaf_index: int, vkey: str) -> bool:
    """Drop the content of an erased entry from a backup of the log with this key; whether it was there.

    The backup says nothing of the erasure, which came later; its content is gone all the same.
    """
    database = Database(f"sqlite:///{path}")
    try:
        with database.read() as connection:
            if read_identity(connection).vkey != vkey:
                return False
        with database.write() as connection:
            gone = connection.execute(delete(contents).where(contents.c.leaf_index == leaf_index)).rowcount > 0
        if gone:
            database.scrub()
        return gone
    finally:
        database.close()


def _copy_checked(source_url: str, target_url: str, progress: Progress | None) -> FsckReport:
    source = Database(source_url)
    try:
        target = Database(target_url, create=True)
        try:
            with source.snapshot() as reading, target.write() as writing:
                identity = read_identity(reading)
                if inspect(writing).has_table(log.name):
                    raise LogConflict("log_exists", "the target already holds a log; restore into an empty database")
                create_tables(writing)
                _copy(reading, writing, progress)
            report = check_log(target, identity)
            if not report.ok:
                first = report.faults[0]
                raise StoreError(
                    "backup_damaged",
                    f"{report.fault_count} faults, the first: [{first.code}] {first.message}; run fsck",
                )
            if target.dialect == "sqlite":
                target.scrub()  # all of it into the one file
            return report
        finally:
            target.close()
    finally:
        source.close()


def _copy(reading: Connection, writing: Connection, progress: Progress | None) -> None:
    size = read_head(reading).size
    for table in TABLES:
        done = 0
        for rows in _pages(reading, table):
            writing.execute(insert(table), rows)
            done += len(rows)
            if progress is not None and table is entries:
                progress(done, size)


def _pages(connection: Connection, table: Table) -> Iterator[list[dict[str, object]]]:
    """All rows in the order of the primary key, some at a time."""
    key = list(table.primary_key.columns)
    result = connection.execution_options(stream_results=True, max_row_buffer=PAGE_ROWS).execute(
        select(table).order_by(*key)
    )
    for page in result.mappings().partitions(PAGE_ROWS):
        yield [dict(row) for row in page]


def _check_reaches(path: Path, published: bytes) -> None:
    if not path.is_file():
        raise NotFound("backup_missing", f"there is no backup {path}")
    database = Database(f"sqlite:///{path}")
    try:
        with database.read() as connection:
            key = VerifyKey.parse(read_identity(connection).vkey)
            known = open_checkpoint(published, key, key.name)
            head = read_head(connection)
            if known.size > head.size:
                raise ProofInvalid(
                    "restore_behind",
                    f"the log has published {known.size} entries, this backup has {head.size}: going on from it would "
                    "sign a second tree; restore a newer backup, or import a mirror that has them",
                )
            _check_same(known, Checkpoint(key.name, head.size, head.root), TileHashes(connection))
    finally:
        database.close()


def _check_same(old: Checkpoint, new: Checkpoint, hashes: TileHashes) -> None:
    try:
        check_consistency(old.size, old.root, new.size, new.root, prove_consistency(old.size, new.size, hashes))
    except LedgerError as error:
        raise ProofInvalid(error.code, f"the backup is another tree than the published checkpoint: {error}") from error
