"""Our witness and two independent ones get the same requests and give the same answers."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from aics import aics_python
from ledger_samples import LOG_KEY, ORIGIN, OTHER_KEY, WITNESS_KEY, tree_of
from test_witness import ENTRIES, FORK, GOOD, note_of, raw, request_of
from witness_log import _core as witness_log

from ledger import checkpoint
from ledger.checkpoint import Checkpoint, open_witnessed, parse_checkpoint
from ledger.keys import SigningKey, VerifyKey
from ledger.merkle import EMPTY_ROOT, prove_consistency
from ledger.note import Note, sign_note
from ledger.witness import Witness
from ledger.witness.feed import Answer as FeedAnswer
from ledger.witness.feed import request_cosignature
from ledger.witness.request import SIZE_TYPE, AddCheckpoint, parse_cosignatures
from web.witness_app import create_witness_app


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True)
class Peer:
    """Some witness of the log ORIGIN that has not seen it yet."""

    key: VerifyKey
    send: Callable[[bytes], Answer]


@contextmanager
def ours(tmp_path: Path) -> Iterator[Peer]:
    with Witness.open(tmp_path / "ours.db", [WITNESS_KEY], create=True) as witness:
        witness.add_log(LOG_KEY.verify_key)
        client = create_witness_app(witness).test_client()

        def send(body: bytes) -> Answer:
            response = client.post("/add-checkpoint", data=body)
            return Answer(response.status_code, response.content_type, response.data)

        yield Peer(WITNESS_KEY.verify_key, send)


@contextmanager
def witness_log_peer(tmp_path: Path) -> Iterator[Peer]:
    witness_log.WitnessService.create_state(str(tmp_path / "state"))
    service = witness_log.WitnessService.new("peer.example/witness", b"w" * 32, str(tmp_path / "state"))
    assert service.add_log(ORIGIN, LOG_KEY.vkey)

    def send(body: bytes) -> Answer:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return Answer(400, "", b"")  # its HTTP layer takes text only
        status, content_type, answer = service.handle_add_checkpoint_http(text)
        return Answer(status, content_type, answer.encode())

    yield Peer(VerifyKey.parse(service.vkey()), send)


@contextmanager
def aics_peer(tmp_path: Path) -> Iterator[Peer]:
    python, config = aics_python(), str(tmp_path / "witness.json")

    def command(*arguments: str) -> list[str]:
        return [python, "-m", "aics_witness", arguments[0], "-c", config, *arguments[1:]]

    subprocess.run(command("init", "--name", "aics.example/witness"), check=True, capture_output=True)
    subprocess.run(command("add-log", "--origin", ORIGIN, "--vkey", LOG_KEY.vkey), check=True, capture_output=True)
    status = subprocess.run(command("status", "--json"), check=True, capture_output=True)
    vkey = json.loads(status.stdout)["witness"]["vkey"]
    process = subprocess.Popen(
        command("serve", "--listen", "127.0.0.1:0"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        line = ""
        while "http://" not in line:
            line = process.stdout.readline()
            assert line, "the witness ended before it was ready"
        url = line[line.index("http://") :].split()[0].rstrip(",;.")
        with httpx.Client(timeout=30) as client:

            def send(body: bytes) -> Answer:
                response = client.post(f"{url}/add-checkpoint", content=body)
                return Answer(response.status_code, response.headers["content-type"], response.content)

            yield Peer(VerifyKey.parse(vkey), send)
    finally:
        process.kill()
        process.communicate()


# Where a peer answers otherwise than the specification says, and what; all else must be equal.
DIFFERENT = {("witness-log", "leading zero in the checkpoint"): 403}
PEERS = {"witness-log": witness_log_peer, "aics-witness": aics_peer}


def altered(note: bytes, blob: bytes, keep: bool) -> bytes:
    parsed = parse_checkpoint(note)[1]
    bad = replace(parsed.signatures[0], blob=blob)
    return Note(parsed.text, (*parsed.signatures, bad) if keep else (bad,)).format()


def conversation() -> list[tuple[str, AddCheckpoint | bytes, int]]:
    """What is sent, in order, and the status of the specification. A number before a request is the head so far."""
    impostor = SigningKey.from_seed(ORIGIN, b"i" * 32)
    stranger = checkpoint.sign(Checkpoint("other.example", 0, EMPTY_ROOT), [OTHER_KEY])
    first, step = request_of(0, 3), request_of(3, 8)
    leading_zero = sign_note(head(8).text().replace("\n8\n", "\n08\n"), [LOG_KEY])
    flipped = bytes([step.proof[0][0] ^ 1]) + step.proof[0][1:]
    malformed = [
        GOOD.replace(b"old 3", b"old 03"),
        GOOD.replace(b"old 3", b"old +3"),
        GOOD.replace(b"old 3", b"old x"),
        GOOD.replace(b"old 3\n", b""),
        GOOD.replace(b"=\n", b"\n", 1),
        GOOD.replace(b"\n\n", b"\nAAAA\n\n", 1),
        AddCheckpoint(3, (bytes(32),) * 64, note_of(8)).format(),
        AddCheckpoint(3, step.proof, b"").format(),
        b"",
        b"old 0\n\n",
    ]
    return [
        *(("malformed", body, 400) for body in malformed),
        ("leading zero in the checkpoint", AddCheckpoint(0, (), leading_zero), 400),
        ("unknown log", AddCheckpoint(0, (), stranger), 404),
        ("untrusted key", AddCheckpoint(0, (), checkpoint.sign(head(2), [impostor])), 403),
        ("trusted key, bad signature", AddCheckpoint(0, (), altered(note_of(2), bytes(64), False)), 403),
        ("size 0, wrong root", AddCheckpoint(0, (), raw(ORIGIN, 0, bytes(32))), 422),
        ("wrong old, nothing known", request_of(1, 3), 409),
        ("a proof from 0", replace(first, proof=(bytes(32),)), 422),
        ("first", first, 200),
        ("the same again", request_of(3, 3), 200),
        ("the same, a proof", replace(request_of(3, 3), proof=(bytes(32),)), 422),
        ("old 0 once more", first, 409),
        ("old too small", request_of(2, 8), 409),
        ("old too large", request_of(7, 8), 409),
        ("old above the size", request_of(3, 2), 400),
        ("another root of one size", request_of(3, 3, [b"x", *ENTRIES]), 422),
        ("proof empty", replace(step, proof=()), 422),
        ("proof short", replace(step, proof=step.proof[:-1]), 422),
        ("proof long", replace(step, proof=(*step.proof, bytes(32))), 422),
        ("proof altered", replace(step, proof=(flipped, *step.proof[1:])), 422),
        ("fork", AddCheckpoint(3, request_of(3, 8, [b"x", *ENTRIES]).proof, note_of(8, [b"x", *ENTRIES])), 422),
        ("step", step, 200),
        ("far step", request_of(8, 40), 200),
        ("back", request_of(3, 8), 409),
        ("fork of the far step", request_of(40, 40, FORK), 422),
    ]


def head(size: int) -> Checkpoint:
    return parse_checkpoint(note_of(size))[0]


def check_cosigned(peer: Peer, request: AddCheckpoint, answer: Answer) -> None:
    parsed = parse_checkpoint(request.checkpoint)[1]
    note = Note(parsed.text, (*parsed.signatures, *parse_cosignatures(answer.body))).format()
    opened = open_witnessed(note, LOG_KEY.verify_key, [peer.key])
    assert [item.key for item in opened.cosignatures] == [peer.key]


@pytest.mark.parametrize("name", PEERS)
def test_our_feeder_is_understood(name: str, tmp_path: Path) -> None:
    """A log that knows nothing of where the witness is, each time: 409, another proof, a cosignature."""

    def prove(old: int, new: int) -> list[bytes]:
        return prove_consistency(old, new, tree_of(ENTRIES[:new]))

    with PEERS[name](tmp_path) as peer:
        for size in (0, 1, 3, 8, 8, 40):
            cosigned = request_cosignature(
                note_of(size), peer.key, 0, prove, lambda body: FeedAnswer(*_status_and_body(peer.send(body)))
            )
            assert cosigned.line.name == peer.key.name


def _status_and_body(answer: Answer) -> tuple[int, bytes]:
    return answer.status, answer.body


@pytest.mark.parametrize("name", PEERS)
def test_same_requests_same_answers(name: str, tmp_path: Path) -> None:
    with ours(tmp_path) as our, PEERS[name](tmp_path) as peer:
        for what, request, status in conversation():
            body = request if isinstance(request, bytes) else request.format()
            our_answer, their_answer = our.send(body), peer.send(body)
            assert our_answer.status == status, (what, our_answer)
            assert their_answer.status == DIFFERENT.get((name, what), status), (what, their_answer)
            if status == 409:
                assert our_answer.body == their_answer.body, what
                assert our_answer.content_type == their_answer.content_type == SIZE_TYPE
            elif status == 200 and isinstance(request, AddCheckpoint):
                check_cosigned(our, request, our_answer)
                check_cosigned(peer, request, their_answer)
