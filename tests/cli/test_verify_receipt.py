"""`rail verify RECEIPT`: offline, against a key from elsewhere, and refused with exit code 3 if anything changed."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.checkpoint import cosign
from ledger.cose_receipt import attach, issue
from ledger.errors import LedgerError
from ledger.keys import COSIGNATURE_V1, SigningKey, VerifyKey
from ledger.log import Log
from ledger.receipt import Receipt, check_receipt
from tests.cli.conftest import Rail, Story
from web.cli.verify import looks_like_receipt


def test_a_receipt_needs_nothing_but_the_key_of_the_log(rail: Rail, story: Story, tmp_path: Path) -> None:
    done = rail("verify", story.receipt, "--log-key", story.vkey, "--home", tmp_path / "none", "--json")
    assert done.code == 0
    assert done.json["verdict"] == "match"
    assert done.json["leaf_hash"] == story.answer["leaf_hash"]
    assert done.json["log"]["trusted_because"] == "given"
    assert not (tmp_path / "none").exists()


def test_the_key_may_come_from_the_environment_or_from_the_home_folder(here: Rail, story: Story) -> None:
    assert here("verify", story.receipt, env={"RAIL_LOG_KEY": story.vkey}).code == 0
    assert here("verify", story.receipt, "--home", story.home).out.count("✓") == 1


def test_without_a_trusted_key_a_receipt_is_not_checked_against_its_own(here: Rail, story: Story) -> None:
    done = here("verify", story.receipt, "--json")
    assert (done.code, done.error) == (2, "no_trusted_log_key")


def test_a_receipt_of_another_log_is_refused(rail: Rail, story: Story) -> None:
    other = "rail.example/log1+7fd7bc70+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    done = rail("verify", story.receipt, "--log-key", other, "--json")
    assert (done.code, done.error) == (3, "receipt_log")


def test_a_key_that_is_none_cannot_check_anything(here: Rail, story: Story) -> None:
    done = here("verify", story.receipt, "--log-key", "rubbish", "--json")
    assert (done.code, done.error) == (2, "vkey_format")


def test_the_text_is_compared_with_the_opened_output(here: Rail, story: Story, tmp_path: Path) -> None:
    same, spaced, other = tmp_path / "same.txt", tmp_path / "spaced.txt", tmp_path / "other.txt"
    same.write_text(story.text, encoding="utf-8")
    spaced.write_text(story.text.replace(" ", "\u00a0 ") + "\n", encoding="utf-8")
    other.write_text(story.text + " the end", encoding="utf-8")

    def compare(file: Path) -> tuple[int, Any]:
        done = here("verify", story.receipt, "--home", story.home, "--text", file, "--json")
        return done.code, done.json["text"]

    assert compare(same) == (0, {"verdict": "exact", "layer": "raw"})
    assert compare(spaced) == (0, {"verdict": "exact", "layer": "normalised"})
    assert compare(other) == (1, {"verdict": "none"})


def test_a_receipt_without_opening_proves_the_entry_but_no_text(here: Rail, story: Story, tmp_path: Path) -> None:
    value = json.loads(story.receipt.read_text(encoding="utf-8"))
    value["opening"] = None
    closed = tmp_path / "closed.json"
    closed.write_text(Receipt.from_object(value).to_json(), encoding="utf-8")
    assert here("verify", closed, "--home", story.home).code == 0
    done = here("verify", closed, "--home", story.home, "--text", story.receipt, "--replay", "--json")
    assert (done.code, done.json["verdict"]) == (2, "unchecked")
    assert done.json["proof"]["verdict"] == "match"
    assert done.json["replay"] == {"verdict": "unchecked", "reason": "no_opening"}


@pytest.mark.parametrize(("kernels", "threads"), [("portable", "1"), ("portable", "3")])
def test_the_run_replays_in_another_process(rail: Rail, story: Story, kernels: str, threads: str) -> None:
    options = ("--replay", "--kernels", kernels, "--threads", threads)
    done = rail("verify", story.receipt, "--home", story.home, *options, "--json")
    assert done.code == 0, done.err
    replay = done.json["replay"]
    assert (replay["verdict"], replay["kernels"], replay["threads"]) == ("match", kernels, int(threads))
    assert replay["tokens"] == len(story.answer["token_ids"])


def test_text_and_replay_are_questions_about_receipts(here: Rail, story: Story) -> None:
    done = here("verify", "some words", "--replay", "--home", story.home, "--json")
    assert (done.code, done.error) == (2, "not_a_receipt")


def test_every_flipped_byte_is_still_seen_as_a_receipt_and_refused(story: Story) -> None:
    """In process, over the whole file: one bit in each byte, and each byte lost."""
    data = story.receipt.read_bytes()
    key = VerifyKey.parse(story.vkey)
    check_receipt(Receipt.from_json(data), key)
    for place in range(len(data)):
        for altered in (_flipped(data, place), data[:place] + data[place + 1 :]):
            assert looks_like_receipt(altered), place
            with pytest.raises(LedgerError):
                check_receipt(Receipt.from_json(altered), key)


def altered_receipts(value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Receipts in canonical form with one field changed to another well-formed value."""

    def changed(path: list[str | int], new: Any) -> tuple[str, dict[str, Any]]:
        copy = json.loads(json.dumps(value))
        place = copy
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = new
        return ".".join(map(str, path)), copy

    def flipped(text: str) -> str:
        return b64encode(_flipped(b64decode(text), 40)).decode()

    yield changed(["format"], "rail-receipt/2")
    yield changed(["log"], value["log"].replace("rail.local", "rail.other"))
    for part in ("entry", "operator"):
        yield changed([part, "index"], value[part]["index"] + 1)
        yield changed([part, "statement"], flipped(value[part]["statement"]))
        yield changed([part, "proof"], value[part]["proof"][1:])
        yield changed([part, "proof", 0], b64encode(bytes(32)).decode())
    yield changed(["operator"], value["entry"])
    yield changed(["checkpoint"], value["checkpoint"].replace("\n3\n", "\n4\n"))
    yield changed(["checkpoint"], value["checkpoint"][:-8] + "AAAAAA=\n")
    for part in ("prompt", "output"):
        yield changed(["opening", part, "salt"], b64encode(bytes(32)).decode())
        yield changed(["opening", part, "content"], flipped(value["opening"][part]["content"]))
    yield changed(["opening", "prompt"], value["opening"]["output"])
    yield changed(["extra"], 1)


def test_each_altered_field_is_refused_with_exit_code_3(here: Rail, story: Story, tmp_path: Path) -> None:
    value = json.loads(story.receipt.read_text(encoding="utf-8"))
    key = VerifyKey.parse(story.vkey)
    seen = set()
    for name, altered in altered_receipts(value):
        text = json.dumps(altered, indent=2, ensure_ascii=False) + "\n"
        assert looks_like_receipt(text.encode()), name
        with pytest.raises(LedgerError) as caught:
            check_receipt(Receipt.from_json(text), key)
        seen.add(caught.value.code)
        if name in ("format", "entry.statement", "entry.index", "checkpoint", "opening.output.content"):
            file = tmp_path / f"{name}.json"
            file.write_text(text, encoding="utf-8")
            done = here("verify", file, "--home", story.home, "--json")
            assert (done.code, done.json["verdict"]) == (3, "proof_failed"), name
            assert done.error == caught.value.code
    assert len(seen) >= 8  # different faults are told apart


@pytest.mark.parametrize("text", [b"", b"{", b"{}", b'{"format": "rail-receipt/1"}', b"Once upon a time", b"\xff\xfe"])
def test_other_things_are_not_taken_for_receipts(text: bytes) -> None:
    assert not looks_like_receipt(text)


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_a_transparent_statement_is_checked_offline(here: Rail, story: Story, tmp_path: Path) -> None:
    key = SigningKey.load(story.home / "keys" / "log.key")
    with Log.open(f"sqlite:///{story.home / 'rail.db'}", None) as log:
        entry = log.entry(2)
        receipt = issue(log.receipt(2, False).proof, entry.leaf_hash, key)
    file = tmp_path / "record.cose"
    file.write_bytes(attach(entry.statement, [receipt]))
    done = here("verify", file, "--log-key", story.vkey, "--json")
    assert (done.code, done.json["verdict"], done.json["leaf_hash"]) == (0, "match", story.answer["leaf_hash"])
    assert "proof holds" in here("verify", file, "--home", story.home).out
    assert here("verify", file, "--text", file, "--json").error == "not_a_receipt"
    bare = tmp_path / "record.receipt.cose"
    bare.write_bytes(receipt.encode())
    assert here("verify", bare, "--log-key", story.vkey, "--json").error == "entry_needed"
    beside = here("verify", bare, "--entry", file, "--log-key", story.vkey, "--json")
    assert (beside.code, beside.json) == (0, done.json)
    assert here("verify", bare, "--entry", bare, "--log-key", story.vkey).code == 3
    good = file.read_bytes()
    for place in range(0, len(good), 97):
        file.write_bytes(bytes([*good[:place], good[place] ^ 2, *good[place + 1 :]]))
        if place:
            assert here("verify", file, "--log-key", story.vkey, "--json").code == 3


def test_a_tlog_proof_is_checked_offline(here: Rail, story: Story, tmp_path: Path) -> None:
    key = SigningKey.load(story.home / "keys" / "log.key")
    with Log.open(f"sqlite:///{story.home / 'rail.db'}", None) as log:
        entry, receipt = log.entry(2), log.receipt(2, False)
        cose = attach(entry.statement, [issue(receipt.proof, entry.leaf_hash, key)])
    proof, raw, transparent = tmp_path / "2.tlog-proof", tmp_path / "2.entry", tmp_path / "2.cose"
    proof.write_bytes(receipt.to_tlog_proof())
    raw.write_bytes(entry.statement)
    transparent.write_bytes(cose)
    for file in (raw, transparent):
        done = here("verify", proof, "--entry", file, "--log-key", story.vkey, "--json")
        assert (done.code, done.json["record_id"], done.json["leaf_hash"]) == (0, 2, story.answer["leaf_hash"])
    assert "proof holds" in here("verify", proof, "--entry", raw, "--home", story.home).out
    assert here("verify", proof, "--log-key", story.vkey, "--json").error == "entry_needed"
    raw.write_bytes(entry.statement + b"x")
    assert here("verify", proof, "--entry", raw, "--log-key", story.vkey, "--json").code == 3
    policy = tmp_path / "policy"
    witness = SigningKey.from_seed("w.test", b"w" * 32, COSIGNATURE_V1)
    policy.write_text(f"log {story.vkey}\nwitness w {witness.vkey}\nquorum w\n")
    strict = ("verify", proof, "--entry", transparent, "--policy", policy, "--home", tmp_path / "none", "--json")
    assert (here(*strict).code, here(*strict).json["verdict"]) == (3, "proof_failed")
    cosigned = cosign(receipt.proof.checkpoint, witness, 1_700_000_000)
    proof.write_bytes(replace(receipt.proof, checkpoint=cosigned).format())
    assert (here(*strict).code, here(*strict).json["witnesses"]) == (0, ["w.test"])
