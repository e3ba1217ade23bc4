"""Content: its bounds, its stored form, its erasure."""

import time
from pathlib import Path

import pytest
from log_samples import LOG_KEY, ORIGIN, Run
from sqlalchemy import text

from ledger.content import decode_content, encode_content
from ledger.errors import NotFound, ParseError, StatementRefused
from ledger.log import Log
from ledger.receipt import check_receipt
from ledger.statement import ErasureStatement, open_statement

SECRET = "Zanzibar-Quagga-7719"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt_text", "x" * (2 << 20) + "x"),
        ("prompt_text", "é" * (1 << 20) + "é"),
        ("prompt_text", "\ud800"),
        ("prompt_text", b"bytes"),
        ("prompt_ids", (-1,)),
        ("prompt_ids", (2**31,)),
        ("prompt_ids", (True,)),
        ("prompt_ids", (1.0,)),
        ("prompt_ids", [1]),
        ("output_ids", (0,) * ((1 << 20) + 1)),
        ("prompt_salt", b"s" * 31),
        ("output_salt", b""),
        ("output_bytes", bytes((2 << 20) + 1)),
        ("output_bytes", "text"),
        ("stop", ["a"]),
        ("stop", ("",)),
        ("stop", ("a" * 65,)),
        ("stop", ("a",) * 17),
        ("logit_bias", [(1, 1)]),
        ("logit_bias", ((1, 1), (1, 2))),
        ("logit_bias", ((2, 1), (1, 2))),
        ("logit_bias", ((1, 100_000_001),)),
        ("logit_bias", ((1, 0.5),)),
        ("logit_bias", ((1, True),)),
        ("logit_bias", tuple((id, 1) for id in range(301))),
        ("visibility", "secret"),
        ("visibility", None),
    ],
)
def test_fields_out_of_bounds(field: str, value: object) -> None:
    with pytest.raises(StatementRefused) as caught:
        Run().content(1, **{field: value})
    assert caught.value.code == f"content_{field}"


def test_content_survives_storage() -> None:
    for changes in (
        {},
        {"logit_bias": ((0, -100_000_000), (300, 5))},
        {"prompt_text": "", "prompt_ids": (), "output_ids": (), "output_bytes": b"\xff\0", "stop": ()},
    ):
        content = Run().content(1, **changes)
        assert decode_content(encode_content(content), "public") == content


def test_text_that_postgresql_cannot_hold_as_text(log: Log, run: Run) -> None:
    content = run.content(1, prompt_text="a\0b", output_bytes=b"\0\xff\xfe")
    entry = log.submit(run.sign(run.generation(content)), content)
    assert log.content(entry.index) == content
    assert content.output_text == "\0��"


def test_a_damaged_body_is_a_parse_error() -> None:
    body = encode_content(Run().content(1))
    eighth = b"\x88" + body[1:]
    for damaged in (
        *(b"", body[:-1], body + b"\0", b"\x80", b"\xf6", b"\x87" + b"\xf6" * 7),
        *(
            eighth,
            eighth + b"\xa0",
            eighth + b"\xf6",
            eighth + b"\x80",
            eighth + b"\xa1\x20\x01",
            eighth + b"\xa1\x01\xf6",
        ),
    ):
        with pytest.raises(ParseError) as caught:
            decode_content(damaged, "public")
        assert caught.value.code == "content_body"


def test_the_access_key_depends_on_the_output_salt_alone() -> None:
    one, same, other = (Run().content(1), Run().content(1, prompt_text="?"), Run().content(1, output_salt=b"s" * 32))
    assert one.access_key() == same.access_key() != other.access_key()
    assert len(one.access_key()) == 64


# Erasure


def test_erasure_drops_the_content_and_keeps_the_entry(log: Log, run: Run) -> None:
    items = run.generations(3)
    log.submit_many(items)
    erasure = log.erase(3, "subject/request", run.key)
    payload = open_statement(erasure.statement).payload
    assert isinstance(payload, ErasureStatement)
    assert (payload.entry_index, payload.entry_leaf_hash, payload.reason) == (
        3,
        log.entry(3).leaf_hash,
        "subject/request",
    )
    assert erasure.index == 5
    assert log.content(3) is None and log.is_erased(3) and not log.is_erased(2)
    assert [index for index, _ in log.contents()] == [2, 4]
    receipt = log.receipt(3, opening=True)
    assert receipt.opening is None and check_receipt(receipt, log.key).index == 3
    assert log.fsck().ok


def test_erased_content_does_not_come_back(log: Log, run: Run) -> None:
    item = run.one()
    log.submit(*item)
    log.erase(2, "test", run.key)
    assert not log.submit(*item).new
    assert log.content(2) is None


def test_there_must_be_something_to_erase(log: Log, run: Run) -> None:
    log.submit(run.one()[0])
    for index in (0, 2):
        with pytest.raises(NotFound) as caught:
            log.erase(index, "test", run.key)
        assert caught.value.code == "no_content"
    with pytest.raises(NotFound):
        log.erase(77, "test", run.key)


def test_from_outside_only_the_entrys_operator_erases(log: Log, run: Run) -> None:
    other = Run("other.example")
    log.submit(other.sign(other.operator()))
    entry = log.submit(*run.one())

    def erasure(by: Run) -> bytes:
        by.counter += 1
        return by.sign(ErasureStatement(by.time, by.counter - 1, entry.index, entry.leaf_hash, "test"))

    with pytest.raises(StatementRefused) as caught:
        log.submit(erasure(other))
    assert caught.value.code == "erasure_operator"
    assert log.content(entry.index) is not None
    log.submit(erasure(run))
    assert log.content(entry.index) is None
    with pytest.raises(StatementRefused) as caught:
        log.submit(erasure(run))
    assert caught.value.code == "erasure_nothing"


def test_whoever_runs_the_log_may_erase_any_entry(log: Log, run: Run) -> None:
    other = Run("other.example")
    log.submit(other.sign(other.operator()))
    log.submit(*run.one())
    assert log.erase(3, "court/order", other.key).operator == other.id
    assert log.content(3) is None


def test_two_erasures_of_one_entry_in_one_call(log: Log, run: Run) -> None:
    entry = log.submit(*run.one())
    pair = []
    for reason in ("first", "second"):
        run.counter += 1
        pair.append((run.sign(ErasureStatement(run.time, run.counter - 1, 2, entry.leaf_hash, reason)), None))
    with pytest.raises(StatementRefused) as caught:
        log.submit_many(pair)
    assert caught.value.code == "erasure_nothing"
    assert log.content(2) is not None


def test_an_erased_text_is_gone_from_the_files(sqlite_url: str) -> None:
    run = Run()
    with Log.create(sqlite_url, ORIGIN, LOG_KEY) as log:
        log.submit_many(run.registrations())
        content = run.content(1, prompt_text=SECRET * 50)
        log.submit(run.sign(run.generation(content)), content)
        assert _in_files(sqlite_url, SECRET.encode())
        log.erase(2, "test", run.key)
        assert not _in_files(sqlite_url, SECRET.encode())
        assert not _in_files(sqlite_url, content.prompt_salt)


@pytest.mark.postgres
def test_an_erased_text_is_gone_from_the_table(postgresql_url: str) -> None:
    run = Run()
    with Log.create(postgresql_url, ORIGIN, LOG_KEY) as log:
        log.submit_many(run.registrations() + run.generations(1))
        log.erase(2, "test", run.key)
        # VACUUM keeps what an older transaction of another test may still see; when that has ended, it is gone.
        vacuumed = log.engine.execution_options(isolation_level="AUTOCOMMIT")
        deadline = time.monotonic() + 60
        while True:
            with vacuumed.connect() as connection:
                dead = connection.execute(text("SELECT pg_relation_size('contents')")).scalar_one()
                if not dead or time.monotonic() > deadline:
                    break
                connection.execute(text("VACUUM contents"))
            time.sleep(1)
    assert dead == 0


def _in_files(url: str, needle: bytes) -> bool:
    path = Path(url.removeprefix("sqlite:///"))
    return any(needle in file.read_bytes() for file in path.parent.iterdir() if file.is_file())
