"""What a client remembers of a log, and how loud it gets when the log shows another history."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ledger import checkpoint, merkle
from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.keys import COSIGNATURE_V1, SigningKey, VerifyKey
from ledger.policy import parse_policy
from ledger.receipt import Receipt, check_receipt
from ledger.witness import Witness
from ledger.witness.request import AddCheckpoint
from tests.cli.conftest import Machine, Rail
from tests.cli.live_service import LiveService, live_service
from tests.cli.test_audit_lies import entries_of, log_key, other_tree
from tests.web.conftest import served
from web.witness_app import create_witness_app

TEXT = b"nobody in this log ever had any reason to say exactly these words in exactly this order"


@pytest.fixture(scope="module")
def live(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    with live_service(tmp_path_factory.mktemp("live") / "home", machine.model) as service:
        yield service


def notes_in(home: Path) -> dict[str, str]:
    (evidence,) = (home / "known-logs").glob("fork-*.json")
    value: dict[str, str] = json.loads(evidence.read_text(encoding="utf-8"))
    return value


def receipt_in(folder: Path, live: LiveService, index: int) -> Path:
    path = folder / f"{index}.json"
    path.write_text(live.services.log.receipt(index, opening=True).to_json(), encoding="utf-8")
    return path


def known(home: Path) -> int:
    (file,) = (path for path in (home / "known-logs").glob("*.json") if not path.name.startswith("fork-"))
    value = json.loads(file.read_text(encoding="utf-8"))
    return open_checkpoint(value["checkpoint"].encode(), VerifyKey.parse(value["log_vkey"])).size


def test_a_text_is_looked_up_only_in_a_log_of_one_history(here: Rail, live: LiveService, tmp_path: Path) -> None:
    first = here("verify", "-", "--url", live.url, "--home", tmp_path, "--json", stdin=TEXT)
    assert (first.code, first.json["verdict"]) == (1, "none")
    assert "taken on trust and pinned" in first.err
    assert known(tmp_path) == live.services.log.size()
    seen = live.services.log.checkpoint().decode()
    live.generate(20)
    again = here("verify", "-", "--url", live.url, "--home", tmp_path, "--json", stdin=TEXT)
    assert again.code == 1
    assert "pinned" not in again.err
    assert known(tmp_path) == live.services.log.size()
    seen = live.services.log.checkpoint().decode()
    entries = entries_of(live)
    with other_tree(live, [*entries[:-1], entries[-2]]):
        done = here("verify", "-", "--url", live.url, "--home", tmp_path, "--json", stdin=TEXT)
    assert (done.code, done.error) == (3, "log_forked")
    kept = notes_in(tmp_path)
    assert kept["old"] == seen
    for note in (kept["old"], kept["new"]):
        open_checkpoint(note.encode(), live.services.log.key)


def test_another_key_at_a_known_address_is_refused(here: Rail, live: LiveService, tmp_path: Path) -> None:
    assert here("verify", "-", "--url", live.url, "--home", tmp_path, stdin=TEXT).code == 1
    impostor = SigningKey.generate(live.services.log.origin)
    with other_tree(live, entries_of(live), impostor):
        done = here("verify", "-", "--url", live.url, "--home", tmp_path, "--json", stdin=TEXT)
    assert (done.code, done.error) == (3, "checkpoint_unsigned")


def test_an_older_state_is_no_fork_but_one_that_cannot_be_checked_is_told(
    here: Rail, live: LiveService, tmp_path: Path
) -> None:
    old = live.services.log.checkpoint()
    live.generate(21)
    assert here("verify", "-", "--url", live.url, "--home", tmp_path, stdin=TEXT).code == 1
    size = live.services.log.size()
    with live.lying("/checkpoint", lambda _: old):
        assert here("verify", "-", "--url", live.url, "--home", tmp_path, stdin=TEXT).code == 1
        assert known(tmp_path) == size
        with live.lying(f"/tile/0/000.p/{size}", lambda body: body[:-32]):
            done = here("verify", "-", "--url", live.url, "--home", tmp_path, "--json", stdin=TEXT)
    assert (done.code, done.error) == (2, "checkpoint_stale")


def test_a_receipt_of_another_history_is_found_out_offline(here: Rail, live: LiveService, tmp_path: Path) -> None:
    """Same size, another root: the receipt's own note is the evidence; no network is needed."""
    good = receipt_in(tmp_path, live, 3)
    key = live.services.log.vkey
    assert here("verify", good, "--log-key", key, "--url", live.url, "--home", tmp_path).code == 0
    entries = [*entries_of(live)[:-1], b"another"]
    hashes = [merkle.leaf_hash(entry) for entry in entries]
    frontier = merkle.Frontier(0, [])
    stored = [value for leaf in hashes for value in frontier.append(leaf)]

    class Stored:
        def read_hashes(self, indexes: list[int]) -> list[bytes]:
            return [stored[index] for index in indexes]

    note = checkpoint.sign(Checkpoint(live.services.log.origin, len(entries), merkle.root_of(hashes)), [log_key(live)])
    value = json.loads(good.read_text(encoding="utf-8"))
    for part in ("entry", "operator"):
        proof = merkle.prove_inclusion(value[part]["index"], len(entries), Stored())
        value[part]["proof"] = [b64encode(item).decode() for item in proof]
    value["checkpoint"] = note.decode()
    forged = tmp_path / "other.json"
    forged.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert here("verify", forged, "--log-key", key, "--home", tmp_path / "new").code == 0  # nothing known yet
    done = here("verify", forged, "--log-key", key, "--home", tmp_path, "--json")
    assert (done.code, done.error) == (3, "log_forked")
    assert {notes_in(tmp_path)["old"], notes_in(tmp_path)["new"]} == {
        note.decode(),
        live.services.log.checkpoint().decode(),
    }


def test_damaged_memory_is_an_error_not_a_new_beginning(here: Rail, live: LiveService, tmp_path: Path) -> None:
    assert here("verify", "-", "--url", live.url, "--home", tmp_path, stdin=TEXT).code == 1
    (file,) = (tmp_path / "known-logs").glob("*.json")
    file.write_text(file.read_text(encoding="utf-8").replace("rail-known-log/1", "rail-known-log/9"), encoding="utf-8")
    done = here("verify", "-", "--url", live.url, "--home", tmp_path, "--json", stdin=TEXT)
    assert (done.code, done.error) == (2, "state_unreadable")


def test_a_receipt_moves_to_later_checkpoints_and_gathers_cosignatures(
    here: Rail, live: LiveService, tmp_path: Path
) -> None:
    log = live.services.log
    receipt = receipt_in(tmp_path, live, 3)
    first = receipt.read_bytes()
    live.generate(22)
    up = ("receipt", "upgrade", receipt, "--url", live.url, "--home", tmp_path, "--log-key", log.vkey, "--json")
    done = here(*up)
    assert (done.code, done.json["verdict"], done.json["size"]) == (0, "upgraded", log.size())
    assert check_receipt(Receipt.from_json(receipt.read_bytes()), log.key).size == log.size()
    assert here(*up).json["verdict"] == "unchanged"
    with ExitStack() as stack:
        lines, witnesses = [], []
        for number in (1, 2, 3):
            key = SigningKey.from_seed(f"w{number}.test/witness", bytes([number]) * 32, COSIGNATURE_V1)
            witness = stack.enter_context(Witness.open(tmp_path / f"w{number}.db", [key], create=True))
            witness.add_log(log.key)
            url = stack.enter_context(served(create_witness_app(witness)))  # type: ignore[arg-type]
            lines.append(f"witness w{number} {key.vkey} {url}")
            witnesses.append(witness)
        policy = tmp_path / "policy"
        policy.write_text("\n".join([f"log {log.vkey}", *lines, "group g 2 w1 w2 w3", "quorum g", ""]))
        witnesses[0].add_checkpoint(AddCheckpoint(0, (), log.checkpoint()).format())
        few = here(*up, "--policy", policy)
        assert (few.code, few.json["verdict"], few.json["witnesses"]) == (1, "no_quorum", ["w1.test/witness"])
        refused = here("verify", receipt, "--policy", policy, "--home", tmp_path, "--json")
        assert (refused.code, refused.json["verdict"]) == (3, "proof_failed")
        witnesses[1].add_checkpoint(AddCheckpoint(0, (), log.checkpoint()).format())
        witnessed_size = log.size()
        live.generate(23)
        enough = here(*up, "--policy", policy)
        assert (enough.code, enough.json["size"]) == (0, witnessed_size)
        assert sorted(enough.json["witnesses"]) == ["w1.test/witness", "w2.test/witness"]
        offline = here("verify", receipt, "--policy", policy, "--home", tmp_path, "--json")
        assert (offline.code, offline.json["witnesses"]["verdict"]) == (0, "match")
        rules = parse_policy(policy.read_bytes())
        checked = check_receipt(Receipt.from_json(receipt.read_bytes()), log.key, rules.witness_keys)
        assert rules.is_met([item.key for item in checked.cosignatures])
        copy = tmp_path / "copy.json"
        copy.write_bytes(first)
        assert here(*up[:2], copy, *up[3:], "--policy", policy, "--output", tmp_path / "new.json").code == 0
        assert copy.read_bytes() == first


def test_a_witness_that_saw_another_history_is_evidence(here: Rail, live: LiveService, tmp_path: Path) -> None:
    """The log showed the witness one tree and shows us another: the upgrade finds it, and keeps both notes."""
    log = live.services.log
    receipt = receipt_in(tmp_path, live, 3)
    entries = [*entries_of(live)[:-1], b"another"]
    root = merkle.root_of([merkle.leaf_hash(entry) for entry in entries])
    other = checkpoint.sign(Checkpoint(log.origin, len(entries), root), [log_key(live)])
    key = SigningKey.from_seed("w9.test/witness", b"9" * 32, COSIGNATURE_V1)
    with Witness.open(tmp_path / "w.db", [key], create=True) as witness:
        witness.add_log(log.key)
        witness.add_checkpoint(AddCheckpoint(0, (), other).format())
        with served(create_witness_app(witness)) as url:  # type: ignore[arg-type]
            policy = tmp_path / "policy"
            policy.write_text(f"witness w {key.vkey} {url}\nquorum w\n")
            before = receipt.read_bytes()
            done = here(
                "receipt", "upgrade", receipt, "--url", live.url, "--home", tmp_path, "--log-key", log.vkey,
                "--policy", policy, "--json",
            )  # fmt: skip
    assert (done.code, done.error) == (3, "log_forked")
    assert receipt.read_bytes() == before
    assert notes_in(tmp_path)["old"].startswith(other.decode().split("\n\n")[0])


def test_an_address_is_pinned_to_the_key_that_was_last_found_good(
    here: Rail, live: LiveService, tmp_path: Path
) -> None:
    impostor = SigningKey.generate(live.services.log.origin)
    ask = ("verify", "-", "--url", live.url, "--home", tmp_path)
    with other_tree(live, entries_of(live), impostor):
        assert here(*ask, "--log-key", impostor.vkey, stdin=TEXT).code == 1
    assert here(*ask, "--log-key", live.services.log.vkey, stdin=TEXT).code == 1
    assert here(*ask, stdin=TEXT).code == 1
