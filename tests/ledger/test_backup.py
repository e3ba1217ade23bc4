"""Backup while the log goes on, restore into either database, erasure in backups, and import from static files."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from log_samples import LOG_KEY, ORIGIN, Run, tamper

from ledger.backup import backup, erase_in_backup, restore
from ledger.checkpoint import Checkpoint, sign
from ledger.errors import LedgerError, LogConflict, ProofInvalid, StoreError
from ledger.importing import import_log
from ledger.log import Log

OTHER = {"sqlite": "postgresql_url", "postgresql": "sqlite_url"}


def code_of(call: Callable[[], object], kind: type[LedgerError]) -> str:
    with pytest.raises(kind) as caught:
        call()
    return caught.value.code


def test_backup_and_restore_into_the_other_database(
    log: Log, run: Run, database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    log.submit_many([*run.generations(300), (run.sign(run.operator(action="revoke")), None)])
    path, before = tmp_path / "backup.db", log.checkpoint()
    steps: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        if not steps:
            extra = Run("late.example")
            log.submit_many(extra.registrations())  # the log goes on; the backup is of one moment
        steps.append((done, total))

    report = backup(database_url, path, progress)
    assert (report.size, report.contents, steps[-1]) == (303, 300, (303, 303))
    assert path.stat().st_mode & 0o777 == 0o600 and sorted(tmp_path.glob(".*")) == []
    with Log.open(f"sqlite:///{path}", None) as copy:
        assert copy.checkpoint() == before and copy.fsck().ok
    target = request.getfixturevalue(OTHER[log.engine.dialect.name])
    assert restore(path, target, before).ok
    with Log.open(target, LOG_KEY) as restored:
        assert restored.checkpoint() == before and restored.content(5) == log.content(5)
        assert restored.operator_standing(run.id) == log.operator_standing(run.id)
        assert restored.submit(*Run("next.example").registrations()[0]).index == 303
        assert restored.fsck().ok
    assert code_of(lambda: restore(path, target, None), LogConflict) == "log_exists"
    assert code_of(lambda: backup(database_url, path), LogConflict) == "backup_exists"


def test_a_backup_behind_what_was_published_is_refused(log: Log, run: Run, database_url: str, tmp_path: Path) -> None:
    path, target = tmp_path / "backup.db", f"sqlite:///{tmp_path}/restored.db"
    backup(database_url, path)
    log.submit(*run.one())
    assert code_of(lambda: restore(path, target, log.checkpoint()), ProofInvalid) == "restore_behind"
    other = sign(Checkpoint(ORIGIN, 2, bytes(32)), [LOG_KEY])
    assert code_of(lambda: restore(path, target, other), ProofInvalid).startswith("consistency")
    assert not Path(f"{tmp_path}/restored.db").exists()


def test_a_damaged_log_gives_no_backup(log: Log, run: Run, database_url: str, tmp_path: Path) -> None:
    log.submit(*run.one())
    tamper(log, "UPDATE entries SET statement = leaf_hash WHERE leaf_index = 2")
    assert code_of(lambda: backup(database_url, tmp_path / "backup.db"), StoreError) == "backup_damaged"
    assert not (tmp_path / "backup.db").exists()


def test_what_is_erased_is_erased_in_backups(log: Log, run: Run, database_url: str, tmp_path: Path) -> None:
    entry = log.submit(*run.one())
    content, path = log.content(entry.index), tmp_path / "backup.db"
    backup(database_url, path)
    assert content.output_bytes in path.read_bytes() and content.output_salt in path.read_bytes()
    log.erase(entry.index, "test", run.key)
    assert not erase_in_backup(path, entry.index, "another key")
    assert erase_in_backup(path, entry.index, log.vkey) and not erase_in_backup(path, entry.index, log.vkey)
    assert not any(
        secret in path.read_bytes() for secret in (content.output_bytes, content.output_salt, content.prompt_salt)
    )
    with Log.open(f"sqlite:///{path}", None) as copy:
        assert copy.content(entry.index) is None and copy.fsck().ok


def test_a_log_from_its_static_files(log: Log, run: Run, tmp_path: Path) -> None:
    log.submit_many(run.generations(2) + [(item, None) for item, _ in run.generations(300)])
    log.submit(run.sign(run.replay(log.entry(2))))
    log.erase(3, "test", run.key)
    run.counter += 1
    log.submit(run.sign(run.operator(action="revoke")))

    def bundles(number: int, width: int) -> list[bytes]:
        return [entry.statement for entry in log.entries(256 * number, 256 * number + width)]

    target = f"sqlite:///{tmp_path}/imported.db"
    head = import_log(target, LOG_KEY.verify_key, log.checkpoint(), bundles)
    assert (head.size, head.root) == (log.size(), log.root())
    with Log.open(target, LOG_KEY) as imported:
        assert imported.checkpoint() == log.checkpoint() and imported.fsck().ok
        assert imported.is_erased(3) and imported.content(2) is None
        assert imported.operator_standing(run.id) == log.operator_standing(run.id)
        assert imported.submit(*Run("next.example").registrations()[0]).index == head.size
        assert imported.fsck().ok


def test_static_files_that_are_not_what_was_signed(log: Log, run: Run, tmp_path: Path) -> None:
    log.submit_many(run.generations(2))
    statements = [entry.statement for entry in log.entries(0, 4)]
    swapped = [statements[0], statements[1], statements[3], statements[2]]
    target = f"sqlite:///{tmp_path}/imported.db"
    for bundle, code in ((swapped, "import_root"), (statements[1:], "import_operator")):
        call = lambda bundle=bundle: import_log(target, LOG_KEY.verify_key, log.checkpoint(), lambda *_: bundle)  # noqa: E731
        assert code_of(call, LedgerError) == code
    with sqlite3.connect(f"{tmp_path}/imported.db") as left:
        assert left.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
