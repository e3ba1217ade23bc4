"""The whole-log check finds every change that somebody with full rights over the database can make, and says where."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filled_log
import pytest
from log_samples import LOG_KEY, ORIGIN, Run, tamper
from sqlalchemy import Table, event, insert, select, update

from ledger import checkpoint, fsck_leaves, tables
from ledger.checkpoint import Checkpoint
from ledger.database import writing
from ledger.fsck import FAULTS_MAX, Fault
from ledger.keys import SigningKey
from ledger.log import Log

SIZE = 300  # a full tile and a partial one


Rows = dict[Table, list[dict[str, object]]]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """A log of SIZE entries: content at 2..9, 9 erased by the last, a replay of 8 before it."""
    run = Run(now=1_700_000_000)
    with Log.create(f"sqlite:///{tmp_path_factory.mktemp('fsck')}/log.db", ORIGIN, LOG_KEY) as log:
        log.submit_many(run.registrations() + run.generations(8))
        log.submit_many((statement, None) for statement, _ in run.generations(SIZE - 12))
        log.submit(run.sign(run.replay(log.entry(8))))
        log.erase(9, "test", run.key)
        with log.engine.connect() as connection:
            return {
                table: [dict(row) for row in connection.execute(select(table)).mappings()]
                for table in tables.metadata.sorted_tables
            }


def fill(log: Log, rows: Rows) -> None:
    """Gives an empty log the content of another one with the same key: quicker than to submit it all again."""
    with writing(log.engine).begin() as connection:
        for table in (tables.entries, tables.nodes, tables.operators, tables.models, tables.contents):
            connection.execute(insert(table), rows[table])
        connection.execute(update(tables.checkpoint).values(rows[tables.checkpoint][0]))


@pytest.fixture
def sound(database_url: str, rows: Rows) -> Iterator[Log]:
    with Log.create(database_url, ORIGIN, LOG_KEY) as log:
        fill(log, rows)
        yield log


def found(log: Log) -> set[tuple[str, int | None]]:
    return {(fault.code, fault.index) for fault in log.fsck().faults}


def test_a_sound_log(sound: Log) -> None:
    steps: list[tuple[int, int]] = []
    report = sound.fsck(progress=lambda done, total: steps.append((done, total)))
    assert report.ok and report.faults == [] and report.fault_count == 0
    assert (report.size, report.root, report.entries, report.contents) == (SIZE, sound.root(), SIZE, 7)
    assert steps == [(SIZE, SIZE)]


def test_the_hashes_alone(sound: Log) -> None:
    report = sound.fsck(hashes_only=True)
    assert report.ok and (report.size, report.entries, report.contents) == (SIZE, SIZE, 0)


@pytest.mark.postgres
def test_postgresql_sends_leaves_in_binary(postgresql_url: str, rows: Rows) -> None:
    binary: list[bool] = []

    def look(_connection: object, cursor: Any, statement: str, *_: object) -> None:
        if "statement" in statement.partition("FROM")[0]:
            binary.append(all(cursor.pgresult.fformat(column) == 1 for column in range(cursor.pgresult.nfields)))

    with Log.create(postgresql_url, ORIGIN, LOG_KEY) as log:
        fill(log, rows)
        event.listen(log.engine, "after_cursor_execute", look)
        assert log.fsck(hashes_only=True).ok
    assert binary == [True]


HASH_CODES = {"leaf_hash", "hash", "root", "root_unknown", "hash_missing", "entry_missing", "checkpoint_row"}
HASH_CODES |= {"hashes_beyond_checkpoint", "entries_beyond_checkpoint"}


@pytest.mark.parametrize("name", ["a statement replaced by another's", "a leaf hash in the last tile", "a stored hash"])
def test_the_hashes_alone_find_their_faults(sound: Log, name: str) -> None:
    change, expected = TAMPERINGS[name]
    tamper(sound, change)
    faults = {(fault.code, fault.index) for fault in sound.fsck(hashes_only=True).faults}
    assert faults == {item for item in expected if item[0] in HASH_CODES} and faults


@pytest.mark.parametrize("gone", [100, 299])
def test_the_hashes_alone_miss_no_entry(sound: Log, gone: int) -> None:
    tamper(sound, f"DELETE FROM entries WHERE leaf_index = {gone}")
    assert ("entry_missing", gone) in {(fault.code, fault.index) for fault in sound.fsck(hashes_only=True).faults}


# change, then what must be found. One table for both databases: blobs are copied from other rows.
OTHER = "(SELECT {0} FROM entries AS o WHERE o.leaf_index = 20)"
TAMPERINGS: dict[str, tuple[str, set[tuple[str, int | None]]]] = {
    "a statement replaced by another's": (
        f"UPDATE entries SET statement = {OTHER.format('statement')} WHERE leaf_index = 200",
        {("leaf_hash", 200), ("entry_column", 200)},
    ),
    "a leaf hash in a full tile": (
        "UPDATE entries SET leaf_hash = (SELECT root FROM checkpoint) WHERE leaf_index = 200",
        {("leaf_hash", 200), ("hash", None)},
    ),
    "a leaf hash in the last tile": (
        "UPDATE entries SET leaf_hash = (SELECT root FROM checkpoint) WHERE leaf_index = 290",
        {("leaf_hash", 290), ("root", None)},
    ),
    "a stored hash": (
        "UPDATE nodes SET hash = (SELECT root FROM checkpoint) WHERE position = 0",
        {("hash", None), ("root", None)},
    ),
    "a stored hash gone": ("DELETE FROM nodes WHERE position = 0", {("hash_missing", None)}),
    "a stored hash too many": (
        "INSERT INTO nodes SELECT level, 1, hash FROM nodes WHERE position = 0",
        {("hashes_beyond_checkpoint", None)},
    ),
    "an entry gone from a full tile": (
        "DELETE FROM entries WHERE leaf_index = 100",
        {("entry_missing", 100)},
    ),
    "an entry gone from the last tile": (
        "DELETE FROM entries WHERE leaf_index = 299",
        {("entry_missing", 299), ("root_unknown", None)},
    ),
    "an entry too many": (
        "INSERT INTO entries SELECT 300, (SELECT root FROM checkpoint), kind, operator_index, 9999, time, logged,"
        " subject_index, statement FROM entries WHERE leaf_index = 3",
        {("entries_beyond_checkpoint", None)},
    ),
    "a kind": ("UPDATE entries SET kind = 'model' WHERE leaf_index = 50", {("entry_column", 50)}),
    "a counter": ("UPDATE entries SET counter = 7777 WHERE leaf_index = 50", {("entry_column", 50)}),
    "a time": ("UPDATE entries SET time = 1 WHERE leaf_index = 50", {("entry_column", 50)}),
    "the subject of a verdict": (
        "UPDATE entries SET subject_index = 3 WHERE leaf_index = 298",
        {("entry_column", 298)},
    ),
    "an operator": ("UPDATE entries SET operator_index = 1 WHERE leaf_index = 50", {("operator_index", 50)}),
    "an operator's row": ("UPDATE operators SET leaf_index = 5", {("operator_row", 0), ("operator_row", 5)}),
    "an operator's row gone": ("DELETE FROM operators", {("operator_row", 0)}),
    "a model's row": (
        "UPDATE models SET leaf_index = 5",
        {("model_row", index) for index in (1, 2, 3, 4)} | {("model_row", 5)},
    ),
    "content of another entry": (
        "UPDATE contents SET body = (SELECT body FROM contents AS o WHERE o.leaf_index = 3) WHERE leaf_index = 2",
        {("content_prompt_commitment", 2)},
    ),
    "content that does not parse": (
        "UPDATE contents SET body = (SELECT root FROM checkpoint) WHERE leaf_index = 2",
        {("content_body", 2)},
    ),
    "content of a registration": (
        "INSERT INTO contents SELECT 1, visibility, body FROM contents WHERE leaf_index = 2",
        {("content_unexpected", 1)},
    ),
    "content of no entry": (
        "INSERT INTO contents SELECT 999, visibility, body FROM contents WHERE leaf_index = 2",
        {("content_without_entry", 999)},
    ),
    "content that was erased": (
        "INSERT INTO contents SELECT 9, visibility, body FROM contents WHERE leaf_index = 2",
        {("content_not_erased", 9), ("content_prompt_commitment", 9)},
    ),
    "the size": (
        "UPDATE checkpoint SET size = 299",
        {("checkpoint_row", None), ("root", None), ("entries_beyond_checkpoint", None)},
    ),
    "the root": (
        "UPDATE checkpoint SET root = (SELECT leaf_hash FROM entries WHERE leaf_index = 3)",
        {("checkpoint_row", None), ("root", None)},
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found(sound: Log, name: str) -> None:
    change, faults = TAMPERINGS[name]
    tamper(sound, change)
    assert found(sound) == faults


def test_a_note_by_another_key(sound: Log) -> None:
    forged = checkpoint.sign(Checkpoint(ORIGIN, SIZE, sound.root()), [SigningKey.from_seed(ORIGIN, bytes(32))])
    hexed = f"x'{forged.hex()}'" if sound.engine.dialect.name == "sqlite" else rf"'\x{forged.hex()}'"
    tamper(sound, f"UPDATE checkpoint SET note = {hexed}")
    assert found(sound) == {("checkpoint_unsigned", None)}


def test_a_statement_that_parses_but_is_not_signed(sound: Log) -> None:
    last_byte_flipped = "set_byte(statement, length(statement) - 1, get_byte(statement, length(statement) - 1) # 1)"
    if sound.engine.dialect.name == "sqlite":
        last_byte_flipped = "CAST(substr(statement, 1, length(statement) - 1) || x'00' AS BLOB)"
    tamper(sound, f"UPDATE entries SET statement = {last_byte_flipped} WHERE leaf_index = 77")
    assert found(sound) == {("leaf_hash", 77), ("statement_signature", 77)}


def test_a_statement_that_does_not_parse(sound: Log) -> None:
    tamper(sound, "UPDATE entries SET statement = leaf_hash WHERE leaf_index = 77")
    assert found(sound) == {("leaf_hash", 77), ("cose_tag", 77)}


def test_every_fault_is_listed(sound: Log) -> None:
    tamper(sound, "UPDATE entries SET leaf_hash = statement WHERE leaf_index % 7 = 3")
    heard: list[Fault] = []
    report = sound.fsck(on_fault=heard.append)
    altered = {index for index in range(SIZE) if index % 7 == 3}
    assert {fault.index for fault in heard if fault.code == "leaf_hash"} == altered
    assert report.fault_count == len(heard) == len(report.faults) < FAULTS_MAX


def test_a_damaged_file_does_not_stop_the_check(sqlite_url: str, rows: Rows) -> None:
    with Log.create(sqlite_url, ORIGIN, LOG_KEY) as log:
        fill(log, rows)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    data = bytearray(path.read_bytes())
    position = data.index(rows[tables.entries][200]["statement"][-64:])  # in a page of entries
    page = position // 4096 * 4096
    data[page : page + 16] = b"\xff" * 16
    path.write_bytes(data)
    with Log.open(sqlite_url, LOG_KEY) as log:
        report = log.fsck()
    codes = {fault.code for fault in report.faults}
    assert "storage" in codes
    unread = {fault.index for fault in report.faults if fault.code in ("entry_unreadable", "entry_missing")}
    assert 200 in unread and len(unread) < 50
    assert report.entries == SIZE - len(unread)


@pytest.mark.parametrize("hashes_only", [True, False])
def test_several_processes_find_what_one_finds(
    database_url: str, hashes_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 2 * fsck_leaves.SEGMENT_LEAVES + 300  # the last tile is not full, and no entry is a statement
    with Log.create(database_url, ORIGIN, LOG_KEY) as log:
        filled_log.fill(log, size, LOG_KEY)
        assert log.fsck(hashes_only=True).ok
        tamper(
            log,
            "UPDATE entries SET leaf_hash = statement WHERE leaf_index = 5000",
            "DELETE FROM entries WHERE leaf_index = 8400",
            "UPDATE nodes SET hash = (SELECT leaf_hash FROM entries WHERE leaf_index = 7) WHERE position = 2",
        )
        expected = log.fsck(hashes_only=hashes_only, processes=2)
        monkeypatch.setattr(fsck_leaves, "PARALLEL_LEAVES_MIN", size)
        steps: list[int] = []
        report = log.fsck(lambda done, _: steps.append(done), hashes_only=hashes_only, processes=2)
    assert report == expected and {"leaf_hash", "entry_missing", "hash"} <= {fault.code for fault in report.faults}
    assert (report.entries, steps[-1]) == (size - 1, size) and steps == sorted(steps)
