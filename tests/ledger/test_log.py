"""The face of the log: what is submitted comes back, proves itself, and stays."""

import threading
import time
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pytest
from log_samples import LOG_KEY, MODEL_ROOT, ORIGIN, Run
from sqlalchemy import inspect, text

from ledger.checkpoint import open_checkpoint
from ledger.database import writing
from ledger.errors import LedgerError, LogConflict, NotFound, ParseError, ProofInvalid, StatementRefused, StoreError
from ledger.keys import SigningKey
from ledger.log import Log
from ledger.merkle import EMPTY_ROOT, Frontier, check_consistency, check_inclusion, leaf_hash, root_of
from ledger.receipt import Receipt, check_receipt
from ledger.tiles import decode_bundle

OTHER_KEY = SigningKey.from_seed(ORIGIN, bytes(32))


def test_a_new_log_is_empty_and_signed(log: Log) -> None:
    checkpoint = open_checkpoint(log.checkpoint(), LOG_KEY.verify_key)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, 0, EMPTY_ROOT)
    assert (log.size(), log.root(), log.origin, log.vkey) == (0, EMPTY_ROOT, ORIGIN, LOG_KEY.vkey)
    assert list(log.entries(0, 10)) == []
    assert log.fsck().ok


def test_what_is_submitted_is_there_when_submit_returns(log: Log, run: Run) -> None:
    statement, content = run.one()
    entry = log.submit(statement, content)
    assert entry == log.entry(2) or entry.new
    assert (entry.index, entry.statement, entry.leaf_hash) == (2, statement, leaf_hash(statement))
    assert (entry.type, entry.time, entry.operator, entry.new) == ("generation", run.time, run.id, True)
    assert log.size() == 3
    assert log.content(2) == content
    assert log.find(entry.leaf_hash).index == 2


def test_it_is_still_there_after_reopening(log: Log, run: Run, database_url: str) -> None:
    log.submit_many(run.generations(300))
    with Log.open(database_url, LOG_KEY) as again:
        assert again.checkpoint() == log.checkpoint()
        assert [e.leaf_hash for e in again.entries(0, 999)] == [e.leaf_hash for e in log.entries(0, 999)]
        again.submit(*run.one())
        assert log.size() == 303
        assert log.fsck().ok


def test_the_same_statement_again_gives_the_same_entry(log: Log, run: Run) -> None:
    item = run.one()
    first, second = log.submit(*item), log.submit(*item)
    assert first.new and not second.new
    assert (first.index, first.leaf_hash, log.size()) == (second.index, second.leaf_hash, 3)


def test_the_same_statement_twice_in_one_call_is_one_entry(log: Log, run: Run) -> None:
    item, other = run.one(), run.one()
    entries = log.submit_many([item, other, item])
    assert [(entry.index, entry.new) for entry in entries] == [(2, True), (3, True), (2, False)]
    assert log.size() == 4


def test_submit_many_is_all_or_nothing(log: Log, run: Run) -> None:
    stranger = Run("stranger.example")
    stranger.counter = 5
    items = [run.one(), stranger.one()]
    with pytest.raises(Exception, match="no operator"):
        log.submit_many(items)
    assert log.size() == 2
    clash = [run.one(), run.one()]
    run.counter -= 1
    clash.append((run.sign(run.model(name="with a counter that was used")), None))
    with pytest.raises(Exception, match="counter"):
        log.submit_many(clash)
    assert log.size() == 2
    assert log.submit_many([]) == []


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 513])
def test_every_proof_and_tile_of_a_log(sqlite_url: str, size: int) -> None:
    run = Run()
    with Log.create(sqlite_url, ORIGIN, LOG_KEY) as log:
        items = (run.registrations() + run.generations(max(size - 2, 0)))[:size]
        log.submit_many(items)
        hashes = [leaf_hash(statement) for statement, _ in items]
        tree, roots = Frontier(), [EMPTY_ROOT]
        for item in hashes:
            tree.append(item)
            roots.append(tree.root())
        assert log.root() == roots[size]
        for index in range(size):
            check_inclusion(hashes[index], index, size, log.prove_inclusion(index, size), log.root())
        for old in range(size + 1):
            check_consistency(old, roots[old], size, log.root(), log.prove_consistency(old, size))
        for width in range(1, min(size, 256) + 1):
            assert log.hash_tile(0, 0, width) == b"".join(hashes[:width])
            assert decode_bundle(log.entry_bundle(0, width), width) == [item[0] for item in items[:width]]
        for tile in range(size // 256):
            assert log.hash_tile(1, 0, tile + 1)[tile * 32 :] == root_of(hashes[tile * 256 : tile * 256 + 256])


def test_tiles_and_proofs_beyond_the_log_do_not_exist(log: Log, run: Run) -> None:
    for level, index, width in ((0, 0, 3), (0, 0, 256), (0, 1, 1), (1, 0, 1), (63, 0, 1), (0, 2**62, 1)):
        with pytest.raises(NotFound) as caught:
            log.hash_tile(level, index, width)
        assert caught.value.code == "tile_beyond_log"
    with pytest.raises(NotFound):
        log.entry_bundle(0, 3)
    for width in (0, 257):
        with pytest.raises(ParseError):
            log.hash_tile(0, 0, width)
    with pytest.raises(NotFound):
        log.prove_inclusion(0, 3)
    with pytest.raises(ProofInvalid):
        log.prove_inclusion(2, 2)
    with pytest.raises(NotFound):
        log.prove_consistency(1, 3)
    with pytest.raises(ProofInvalid):
        log.prove_consistency(2, 1)


@pytest.mark.parametrize("index", [-1, 2, 2**63, 10**30])
def test_an_entry_that_does_not_exist(log: Log, run: Run, index: int) -> None:
    with pytest.raises(NotFound) as caught:
        log.entry(index)
    assert caught.value.code == "entry_missing"
    with pytest.raises(NotFound):
        log.receipt(index, opening=True)
    assert log.content(index) is None
    assert not log.is_erased(index)
    assert log.find(b"\0" * 32) is None


def test_receipts_check_offline(log: Log, run: Run) -> None:
    items = run.generations(20)
    log.submit_many(items)
    for index in range(log.size()):
        receipt = Receipt.from_json(log.receipt(index, opening=True).to_json())
        checked = check_receipt(receipt, log.key)
        assert (checked.index, checked.size, checked.origin) == (index, 22, ORIGIN)
        assert (checked.opened is not None) == (index >= 2)
    content = items[4][1]
    opened = check_receipt(log.receipt(6, opening=True), log.key).opened
    assert opened.prompt.ids == content.prompt_ids and opened.output.bytes == content.output_bytes
    assert log.receipt(6, opening=False).opening is None


def test_old_checkpoints_stay_provable(log: Log, run: Run) -> None:
    heads = [open_checkpoint(log.checkpoint(), log.key)]
    for _ in range(12):
        log.submit(*run.one())
        heads.append(open_checkpoint(log.checkpoint(), log.key))
    assert [head.size for head in heads] == list(range(2, 15))
    for old, new in pairwise(heads):
        check_consistency(old.size, old.root, new.size, new.root, log.prove_consistency(old.size, new.size))


def test_registrations_and_verdicts_are_found(log: Log, run: Run) -> None:
    entry = log.submit(*run.one())
    verdict = log.submit(run.sign(run.replay(entry)))
    assert log.operator(run.id).name == run.key.name
    assert log.operator(b"\0" * 32) is None
    assert [(entry.index, operator.public) for entry, operator in log.operators()] == [(0, run.key.public)]
    assert [(entry.index, model.model_root) for entry, model in log.models()] == [(1, MODEL_ROOT)]
    assert log.model(MODEL_ROOT)[0].index == 1
    assert log.model(b"\0" * 32) is None
    assert [(found.index, replay.verdict) for found, replay in log.replays_of(entry.index)] == [
        (verdict.index, "match")
    ]
    assert log.next_counter(run.id) == run.counter == 4
    assert log.next_counter(b"\0" * 32) == 0


def test_stats_count_what_is_there(log: Log, run: Run) -> None:
    log.submit_many(run.generations(3) + run.generations(2, "private") + run.generations(1, "matchable"))
    stats = log.stats()
    assert stats.size == 8
    assert stats.kinds == {"operator": 1, "model": 1, "generation": 6}
    assert stats.contents == {"public": 3, "private": 2, "matchable": 1}


def test_contents_come_in_order_from_a_place_on(log: Log, run: Run) -> None:
    items = run.generations(70)
    log.submit_many([*items[:40], (items[40][0], None), *items[41:]])
    found = list(log.contents())
    assert [index for index, _ in found] == [index for index in range(2, 72) if index != 42]
    assert [content for _, content in found] == [content for _, content in items if content is not items[40][1]]
    assert [index for index, _ in log.contents(70)] == [71]
    assert list(log.contents(71)) == []


# Creating and opening


def test_create_refuses_an_existing_log(log: Log, run: Run, database_url: str) -> None:
    with pytest.raises(LogConflict) as caught:
        Log.create(database_url, ORIGIN, LOG_KEY)
    assert caught.value.code == "log_exists"
    assert log.size() == 2


def test_open_refuses_another_key(log: Log, database_url: str) -> None:
    with pytest.raises(LogConflict) as caught:
        Log.open(database_url, OTHER_KEY)
    assert caught.value.code == "wrong_key"


def test_open_without_a_log_is_an_error(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        Log.open(database_url, LOG_KEY)
    assert caught.value.code == ("database_missing" if database_url.startswith("sqlite") else "log_missing")
    assert list(tmp_path.iterdir()) == []


def test_the_key_must_bear_the_origin(sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(ParseError) as caught:
        Log.create(sqlite_url, "other.example", LOG_KEY)
    assert caught.value.code == "origin"
    assert list(tmp_path.iterdir()) == []


def test_a_log_opened_without_its_key_can_only_be_read(log: Log, run: Run, database_url: str) -> None:
    with Log.open(database_url, None) as reader:
        assert reader.checkpoint() == log.checkpoint()
        with pytest.raises(StoreError) as caught:
            reader.submit(*run.one())
    assert caught.value.code == "log_read_only"


def test_a_closed_log_takes_nothing(database_url: str) -> None:
    log = Log.create(database_url, ORIGIN, LOG_KEY)
    log.close()
    with pytest.raises(StoreError) as caught:
        log.submit(Run().registrations()[0][0])
    assert caught.value.code == "log_closed"


@pytest.mark.parametrize(
    "url", ["", "rail.db", "sqlite://", "sqlite:///:memory:", "mysql://x/y", "::::", "sqlite:////tmp/a?b.db"]
)
def test_urls_that_cannot_hold_a_log(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        Log.open(url, None)
    assert caught.value.code == "bad_database_url"


def test_the_database_file_is_private(sqlite_url: str, tmp_path: Path) -> None:
    with Log.create(sqlite_url, ORIGIN, LOG_KEY) as log:
        log.submit(Run().registrations()[0][0])
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_path_with_odd_characters(tmp_path: Path) -> None:
    folder = tmp_path / "a b#c?d%20é"
    folder.mkdir()
    with Log.create(f"sqlite:///{quote(str(folder))}/log.db", ORIGIN, LOG_KEY) as log:
        assert log.size() == 0
    assert (folder / "log.db").is_file()


def test_tables_of_others_may_share_the_database(log: Log, run: Run) -> None:
    with writing(log.engine).begin() as connection:
        connection.execute(text("CREATE TABLE beside (n INTEGER)"))
        connection.execute(text("INSERT INTO beside VALUES (1)"))
    log.submit(*run.one())
    assert inspect(log.engine).has_table("beside")
    assert log.fsck().ok


# Threads


def test_many_threads_submit_and_read_at_once(log: Log, run: Run) -> None:
    items = run.generations(60)
    failures: list[BaseException] = []

    def submit(part: list) -> None:
        try:
            for item in part:
                entry = log.submit(*item)
                size = log.size()
                assert entry.index < size
                proof = log.prove_inclusion(entry.index, size)
                head = open_checkpoint(log.checkpoint(), log.key)
                if head.size == size:
                    check_inclusion(entry.leaf_hash, entry.index, size, proof, head.root)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=submit, args=(items[n::6] + items[:5],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert log.size() == 62
    assert log.fsck().ok


def test_a_clock_that_jumps_loses_nothing(log: Log, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`logged` follows the clock, wherever it goes; order is the log's. Only a statement far ahead of it is refused."""
    real, item, late = time.time, run.one(), run.one()
    monkeypatch.setattr("ledger.log.time.time", lambda: real() + 10 * 365 * 86_400)
    ahead = log.submit(*run.one())
    monkeypatch.setattr("ledger.log.time.time", lambda: real() - 86_400)
    with pytest.raises(StatementRefused) as caught:
        log.submit(*item)
    assert caught.value.code == "time_in_future" and "set the clock" in str(caught.value)
    monkeypatch.undo()
    back = log.submit_many([item, late])
    assert [entry.index for entry in back] == [ahead.index + 1, ahead.index + 2]
    assert back[0].logged < ahead.logged
    assert log.fsck().ok


def test_submit_each_answers_each_statement_by_itself(log: Log, run: Run) -> None:
    first, second = (statement for statement, _ in run.generations(2))
    size = log.size()
    answers = log.submit_each([first, b"junk", second, first, second[:-1] + bytes([second[-1] ^ 1])])
    assert [answer.code if isinstance(answer, LedgerError) else (answer.index, answer.new) for answer in answers] == [
        (size, True),
        "cose_tag",
        (size + 1, True),
        (size, False),
        "statement_signature",
    ]
    assert log.submit_each([]) == []
    assert log.fsck().ok
