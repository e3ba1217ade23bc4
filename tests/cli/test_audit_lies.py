"""`rail audit` against services that lie, each in its own way: every lie has its code, and exit code 3 or 1."""

import json
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ledger import checkpoint, merkle, tiles
from ledger.checkpoint import Checkpoint
from ledger.content import Content
from ledger.keys import SigningKey
from ledger.statement import GenerationStatement, open_statement, sign_statement
from tests.cli.conftest import Finished, Machine, Rail
from tests.cli.live_service import LiveService, live_service
from tests.inference.tiny_model import write_tiny

Audit = Callable[..., Finished]


@pytest.fixture(scope="module")
def live(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    with live_service(tmp_path_factory.mktemp("live") / "home", machine.model) as service:
        yield service


@pytest.fixture
def audit(here: Rail, live: LiveService, tmp_path: Path) -> Audit:
    """An auditor with a home of its own, who knows the log's key."""

    def run(*options: str, url: str = live.url) -> Finished:
        key = live.services.log.vkey
        state = ("--state", tmp_path / "state.json")
        return here("audit", url, "--home", tmp_path, *state, "--log-key", key, "--json", *options)

    return run


def log_key(live: LiveService) -> SigningKey:
    return SigningKey.load(live.services.settings.log_key)


@contextmanager
def other_tree(live: LiveService, entries: list[bytes], signer: SigningKey | None = None) -> Iterator[None]:
    """The service shows a tree of these entries, as many as it has, signed by the log's own key."""
    hashes = [merkle.leaf_hash(entry) for entry in entries]
    key = signer or log_key(live)
    note = checkpoint.sign(Checkpoint(live.services.log.origin, len(entries), merkle.root_of(hashes)), [key])
    with ExitStack() as lies:
        lies.enter_context(live.lying("/checkpoint", lambda _: note))
        lies.enter_context(live.lying(f"/tile/0/000.p/{len(entries)}", lambda _: b"".join(hashes)))
        lies.enter_context(live.lying(f"/tile/entries/000.p/{len(entries)}", lambda _: tiles.encode_bundle(entries)))
        yield


def entries_of(live: LiveService) -> list[bytes]:
    log = live.services.log
    return [entry.statement for entry in log.entries(0, log.size())]


def flipped(place: int) -> Callable[[bytes], bytes]:
    return lambda body: body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def test_a_rewritten_history_is_loud_and_both_notes_are_kept(audit: Audit, live: LiveService, tmp_path: Path) -> None:
    assert audit("--sample", "0").code == 0
    seen = live.services.log.checkpoint()
    entries = entries_of(live)
    with other_tree(live, [*entries[:-1], entries[-2]]):
        done = audit("--sample", "0")
    assert (done.code, done.error) == (3, "log_forked")
    (evidence,) = tmp_path.glob("fork-*.json")
    assert str(evidence) in done.json["error"]["message"]
    kept = json.loads(evidence.read_text(encoding="utf-8"))
    assert kept["old"].encode() == seen
    for note in (kept["old"], kept["new"]):
        checkpoint.open_checkpoint(note.encode(), live.services.log.key, None)
    assert audit("--sample", "0").code == 0  # the honest log is still the one that is remembered


def test_another_log_under_the_same_key_is_a_fork(
    audit: Audit, live: LiveService, machine: Machine, tmp_path: Path
) -> None:
    """A whole second service, with its own history, signed by the same key."""
    assert audit("--sample", "0").code == 0
    twin_home = tmp_path / "twin"
    shutil.copytree(live.services.settings.home / "keys", twin_home / "keys")
    twin_home.chmod(0o700)
    with live_service(twin_home, machine.model) as twin:
        twin.generate(1000)
        done = audit("--sample", "0", url=twin.url)
    assert (done.code, done.error) == (3, "log_forked")


def test_a_log_that_lost_entries_is_noticed(audit: Audit, live: LiveService) -> None:
    assert audit("--sample", "0").code == 0
    with other_tree(live, entries_of(live)[:-1]):
        done = audit("--sample", "0")
    assert (done.code, done.error) == (3, "log_shrunk")


def test_a_checkpoint_by_another_key_is_refused(audit: Audit, live: LiveService) -> None:
    stranger = SigningKey.generate(live.services.log.origin)
    with other_tree(live, entries_of(live), stranger):
        done = audit("--sample", "0")
    assert done.code == 3
    assert done.json["verdict"] == "proof_failed"


@pytest.mark.parametrize(
    ("path", "place", "code"),
    [("/tile/entries/000.p/{}", 300, "entry_hash"), ("/tile/0/000.p/{}", 40, "tile_root")],
    ids=["entry", "tile"],
)
def test_a_tampered_leaf_or_tile_is_found(audit: Audit, live: LiveService, path: str, place: int, code: str) -> None:
    with live.lying(path.format(live.services.log.size()), flipped(place)):
        done = audit("--sample", "0")
    assert (done.code, done.error) == (3, code)


def test_an_address_without_a_log_is_no_accusation(audit: Audit, live: LiveService) -> None:
    with live.lying("/checkpoint", lambda _: b"<!doctype html><title>Welcome</title>"):
        done = audit("--sample", "0")
    assert (done.code, done.json["verdict"]) == (2, "unchecked")


def test_a_bundle_of_the_wrong_length_is_found(audit: Audit, live: LiveService) -> None:
    size = live.services.log.size()
    with live.lying(f"/tile/entries/000.p/{size}", lambda body: body + b"\0\0"):
        done = audit("--sample", "0")
    assert (done.code, done.error) == (3, "bundle_length")
    with live.lying(f"/tile/0/000.p/{size}", lambda body: body[:-1]):
        done = audit("--sample", "0")
    assert (done.code, done.error) == (3, "tile_length")


def test_an_entry_that_nobody_signed_is_a_finding_each_time(audit: Audit, live: LiveService) -> None:
    entries = entries_of(live)
    forged, unknown = list(entries), list(entries)
    forged[-1] = flipped(len(entries[-1]) - 1)(entries[-1])
    payload = open_statement(entries[-1]).payload
    unknown[-1] = sign_statement(payload, SigningKey.generate("nobody"))
    for false, code in ((forged, "statement_signature"), (unknown, "operator_unknown")):
        with other_tree(live, false):
            for _ in range(2):
                done = audit("--sample", "0")
                assert (done.code, done.json["verdict"]) == (3, "proof_failed")
                assert [(finding["code"], finding["index"]) for finding in done.json["findings"]] == [
                    (code, len(entries) - 1)
                ]


@pytest.mark.parametrize("kind", ["damaged", "sound"])
def test_another_model_file_under_the_registered_root_is_refused(
    audit: Audit, live: LiveService, tmp_path: Path, kind: str
) -> None:
    root = live.services.engine.model.root.hex()
    path = f"/models/{root}.rail"
    write_tiny(tmp_path / "other.rail")
    other = (tmp_path / "other.rail").read_bytes()
    with live.lying(path, flipped(-100) if kind == "damaged" else lambda _: other):
        done = audit("--sample", "2")
    assert (done.code, done.json["verdict"]) == (3, "proof_failed")
    assert {finding["code"] for finding in done.json["findings"]} == {"model_root"}
    assert done.json["replayed"] == 0
    assert not list((tmp_path / "auditor" / "models").iterdir())  # nothing false is kept
    assert audit("--sample", "2").code == 0


def test_a_broken_download_left_from_before_is_no_accusation(audit: Audit, live: LiveService, tmp_path: Path) -> None:
    folder = tmp_path / "auditor" / "models"
    folder.mkdir(parents=True)
    (folder / f"{live.services.engine.model.root.hex()}.part").write_bytes(b"not the model's first bytes")
    assert audit("--sample", "1").code == 0


def test_a_changed_output_does_not_open_the_commitment(audit: Audit, live: LiveService) -> None:
    def change(body: bytes) -> bytes:
        receipt = json.loads(body)
        content = bytearray(b64decode(receipt["opening"]["output"]["content"]))
        content[-3] ^= 1
        receipt["opening"]["output"]["content"] = b64encode(content).decode()
        return (json.dumps(receipt, indent=2, ensure_ascii=False) + "\n").encode()

    with live.lying("/api/records/2/receipt", change):
        done = audit()
    assert (done.code, done.json["verdict"]) == (3, "proof_failed")
    assert [finding["index"] for finding in done.json["findings"]] == [2]
    assert done.json["findings"][0]["code"].startswith("receipt_")
    assert done.json["replayed"] == 3


def test_the_receipt_of_another_entry_is_refused(audit: Audit, live: LiveService) -> None:
    other = live.services.log.receipt(4, opening=True).to_json().encode()
    with live.lying("/api/records/2/receipt", lambda _: other):
        done = audit()
    assert [finding["code"] for finding in done.json["findings"]] == ["receipt_other_entry"]
    assert done.code == 3


def test_a_run_that_never_happened_is_a_mismatch_at_its_first_false_token(
    here: Rail, machine: Machine, tmp_path: Path
) -> None:
    """The operator logs an output that its model did not give, signed and committed in perfect order."""
    with live_service(tmp_path / "home", machine.model) as live:
        log, index = live.services.log, _log_false_run(live)
        done = here("audit", live.url, "--home", tmp_path, "--json", "--publish", "--seed", "1")
        assert (done.code, done.json["verdict"]) == (1, "mismatch")
        assert (done.json["replayed"], done.json["mismatches"]) == (5, 1)
        (row,) = [row for row in done.json["replays"] if row["verdict"] == "mismatch"]
        assert (row["record_id"], row["first_difference"]) == (index, 3)
        assert 0.2 < done.json["upper_bound_95"] < 1
        assert [statement.verdict for _, statement in log.replays_of(index)] == ["mismatch"]


def _log_false_run(live: LiveService) -> int:
    """Log a copy of record 2 whose output has another fourth token; returns its record id."""
    log = live.services.log
    payload, content = open_statement(log.entry(2).statement).payload, log.content(2)
    assert isinstance(payload, GenerationStatement)
    assert content is not None
    ids = list(content.output_ids)
    ids[3] = ids[3] - 1 if ids[3] > 270 else ids[3] + 1
    output = live.services.engine.tokenizer.decode(ids)
    false: Content = replace(content, output_ids=tuple(ids), output_bytes=output)

    def statement(counter: int) -> GenerationStatement:
        return replace(payload, counter=counter, output_commitment=false.output_commitment())

    return live.services.signer.submit(statement, false).index


def test_a_model_that_is_not_given_out_leaves_its_runs_unchecked(audit: Audit, live: LiveService) -> None:
    log, services = live.services.log, live.services
    payload, content = open_statement(log.entry(2).statement).payload, log.content(2)
    assert isinstance(payload, GenerationStatement)
    registered = next(statement for _, statement in log.models())
    other = bytes(31) + b"\1"
    services.signer.submit(lambda counter: replace(registered, counter=counter, model_root=other))
    run = services.signer.submit(lambda counter: replace(payload, counter=counter, model_root=other), content)
    done = audit("--since", str(run.index), "--sample", "1")
    assert (done.code, done.json["verdict"]) == (2, "unchecked")
    assert [(row["verdict"], row["reason"]) for row in done.json["replays"]] == [("unchecked", "artifact_not_held")]
    assert done.json["upper_bound_95"] == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        b"{}",
        b'{"verdict": "exact"}',
        b'{"verdict": "exact", "matched_permille": 1000, "longest_run_words": 9, "spans": [{}]}',
    ],
    ids=["no-verdict", "no-evidence", "empty-span"],
)
def test_a_verdict_that_makes_no_sense_is_not_believed(here: Rail, live: LiveService, answer: bytes) -> None:
    with live.lying("/api/verify", lambda _: answer):
        done = here("verify", "-", "--url", live.url, stdin=b"some words to look up")
    assert done.code == 2
    assert "error [bad_answer]" in done.err


def test_what_a_service_sends_cannot_drive_the_terminal(here: Rail, live: LiveService) -> None:
    answer = json.dumps({"verdict": "unchecked", "reason": "\x1b]0;owned\x07\n✓ exact: trust me"}).encode()
    with live.lying("/api/verify", lambda _: answer):
        done = here("verify", "-", "--url", live.url, stdin=b"some words to look up")
    assert "\x1b" not in done.out
    assert len(done.out.splitlines()) == 1
