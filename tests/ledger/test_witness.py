"""The witness's rules on a log that grows, lies, forks and races; and what it has written down when it answers."""

import threading
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from ledger_samples import LOG_KEY, ORIGIN, OTHER_KEY, WITNESS_KEY, head_of, tree_of

from ledger import checkpoint, ml_dsa
from ledger.checkpoint import Checkpoint, open_witnessed, parse_checkpoint
from ledger.errors import LedgerError, NotFound, ParseError, ProofInvalid, SignatureInvalid, StoreError
from ledger.keys import ML_DSA_44, SigningKey
from ledger.merkle import EMPTY_ROOT, prove_consistency
from ledger.note import Note, sign_note
from ledger.witness import StaleSize, Witness
from ledger.witness.request import (
    AddCheckpoint,
    format_size,
    parse_add_checkpoint,
    parse_cosignatures,
    parse_size,
)

ENTRIES = [b"entry %d" % i for i in range(40)]
FORK = [*ENTRIES[:3], b"another", *ENTRIES[4:]]
NOW = 1_800_000_000


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def witness(tmp_path: Path, clock: Clock) -> Witness:
    witness = Witness.open(tmp_path / "witness.db", [WITNESS_KEY], create=True)
    witness._clock = clock
    assert witness.add_log(LOG_KEY.verify_key)
    return witness


def note_of(size: int, entries: list[bytes] = ENTRIES) -> bytes:
    return checkpoint.sign(head_of(tree_of(entries[:size])), [LOG_KEY])


def request_of(old: int, size: int, entries: list[bytes] = ENTRIES) -> AddCheckpoint:
    proof = prove_consistency(old, size, tree_of(entries[:size])) if old <= size else []
    return AddCheckpoint(old, tuple(proof), note_of(size, entries))


def latest(witness: Witness) -> bytes:
    return witness.latest(sha256(ORIGIN.encode()).hexdigest())


def test_a_log_that_grows_is_cosigned(witness: Witness, clock: Clock) -> None:
    old = 0
    for size in (0, 1, 1, 2, 7, 7, 8, 40):
        clock.now += 1
        lines = parse_cosignatures(witness.add_checkpoint(request_of(old, size).format()))
        parsed = parse_checkpoint(note_of(size))[1]
        cosigned = Note(parsed.text, (*parsed.signatures, *lines)).format()
        opened = open_witnessed(cosigned, LOG_KEY.verify_key, [WITNESS_KEY.verify_key])
        assert [item.time for item in opened.cosignatures] == [clock.now]
        assert latest(witness) == cosigned
        old = size
    assert [(log.origin, log.size, log.refused) for log in witness.logs()] == [(ORIGIN, 40, 0)]


def test_the_same_within_a_second_is_the_same_answer(witness: Witness, clock: Clock) -> None:
    body = request_of(0, 3).format()
    first = witness.add_checkpoint(body)
    again = request_of(3, 3).format()
    assert witness.add_checkpoint(again) == first
    clock.now += 1
    assert witness.add_checkpoint(again) != first


def refused(witness: Witness, request: AddCheckpoint | bytes) -> LedgerError:
    before = witness.logs()
    with pytest.raises(LedgerError) as caught:
        witness.add_checkpoint(request if isinstance(request, bytes) else request.format())
    assert [(log.size, log.time) for log in witness.logs()] == [(log.size, log.time) for log in before]
    return caught.value


def test_a_wrong_old_size_is_told_the_right_one(witness: Witness) -> None:
    for old in (1, 3):
        error = refused(witness, request_of(old, 3))
        assert isinstance(error, StaleSize)
        assert error.size == 0
    witness.add_checkpoint(request_of(0, 7).format())
    for old, size in ((0, 7), (0, 8), (6, 7), (6, 8), (3, 3), (0, 0)):
        error = refused(witness, request_of(old, size))
        assert isinstance(error, StaleSize)
        assert error.size == 7


def test_an_old_size_above_the_checkpoint_is_malformed(witness: Witness) -> None:
    witness.add_checkpoint(request_of(0, 7).format())
    assert isinstance(refused(witness, request_of(7, 3)), ParseError)


def test_an_unknown_log_and_an_untrusted_key(witness: Witness) -> None:
    other = checkpoint.sign(Checkpoint("other.example", 0, EMPTY_ROOT), [OTHER_KEY])
    assert isinstance(refused(witness, AddCheckpoint(0, (), other)), NotFound)
    impostor = SigningKey.from_seed(ORIGIN, b"i" * 32)
    signed = checkpoint.sign(head_of(tree_of(ENTRIES[:2])), [impostor])
    assert isinstance(refused(witness, AddCheckpoint(0, (), signed)), SignatureInvalid)
    note = parse_checkpoint(note_of(2))[1]
    bad = replace(note.signatures[0], blob=bytes(64))
    for lines in ((bad,), (*note.signatures, bad)):
        altered = Note(note.text, lines).format()
        assert isinstance(refused(witness, AddCheckpoint(0, (), altered)), SignatureInvalid)


def test_lines_of_strangers_are_not_kept(witness: Witness) -> None:
    note = parse_checkpoint(note_of(2))[1]
    stranger = replace(note.signatures[0], name="stranger.example")
    witness.add_checkpoint(AddCheckpoint(0, (), Note(note.text, (stranger, *note.signatures)).format()).format())
    assert b"stranger" not in latest(witness)


def raw(origin: str, size: int, root: bytes) -> bytes:
    return sign_note(f"{origin}\n{size}\n{b64encode(root).decode()}\n", [LOG_KEY])


def test_size_zero_has_the_empty_root(witness: Witness) -> None:
    assert isinstance(refused(witness, AddCheckpoint(0, (), raw(ORIGIN, 0, bytes(32)))), ProofInvalid)


def test_proofs_that_do_not_hold(witness: Witness) -> None:
    good = request_of(0, 3)
    assert isinstance(refused(witness, replace(good, proof=(bytes(32),))), ProofInvalid)
    witness.add_checkpoint(good.format())
    step = request_of(3, 8)
    for index in range(len(step.proof)):
        for bit in (0, 255):
            flipped = bytearray(step.proof[index])
            flipped[bit // 8] ^= 1 << bit % 8
            proof = (*step.proof[:index], bytes(flipped), *step.proof[index + 1 :])
            assert isinstance(refused(witness, replace(step, proof=proof)), ProofInvalid)
    for proof in ((), step.proof[:-1], (*step.proof, bytes(32)), step.proof[::-1]):
        assert isinstance(refused(witness, replace(step, proof=proof)), ProofInvalid)
    assert isinstance(refused(witness, replace(request_of(3, 3), proof=(bytes(32),))), ProofInvalid)
    witness.add_checkpoint(step.format())


def test_a_fork_is_refused_and_kept_as_evidence(witness: Witness) -> None:
    witness.add_checkpoint(request_of(0, 7).format())
    assert isinstance(refused(witness, request_of(7, 7, FORK)), ProofInvalid)
    assert isinstance(refused(witness, request_of(7, 8, FORK)), ProofInvalid)
    assert isinstance(refused(witness, request_of(7, 7, FORK)), ProofInvalid)  # not kept twice
    assert isinstance(refused(witness, request_of(0, 7, FORK)), StaleSize)
    assert witness.logs()[0].refused == 2
    assert b"\n7\n" in latest(witness)


def test_evidence_is_bounded(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.witness.service.EVIDENCE_MAX", 5)
    witness.add_checkpoint(request_of(0, 1).format())
    for number in range(8):
        refused(witness, AddCheckpoint(1, (), raw(ORIGIN, 1, number.to_bytes(32, "big"))))
    assert witness.logs()[0].refused == len(witness.evidence()) == 5
    assert [item.known for item in witness.evidence(ORIGIN)] == [latest(witness)] * 5
    assert witness.evidence("other.example") == []


def test_a_clock_that_goes_back_is_an_error(witness: Witness, clock: Clock) -> None:
    witness.add_checkpoint(request_of(0, 3).format())
    clock.now -= 1
    error = refused(witness, request_of(3, 7))
    assert isinstance(error, StoreError)
    assert error.retryable


def test_one_of_many_at_a_time_moves_the_head(tmp_path: Path, witness: Witness) -> None:
    """Sixteen threads over two connections race from size 0 to sizes 1 to 16; nobody rolls anybody back."""
    second = Witness.open(tmp_path / "witness.db", [WITNESS_KEY])
    second._clock = witness._clock
    sizes: list[int] = []

    def submit(which: Witness, size: int) -> None:
        old = 0
        while old <= size:
            try:
                which.add_checkpoint(request_of(old, size).format())
            except StaleSize as error:
                old = error.size
            else:
                sizes.append(size)
                return

    threads = [threading.Thread(target=submit, args=([witness, second][i % 2], i + 1)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 16 in sizes
    assert open_witnessed(latest(witness), LOG_KEY.verify_key, []).checkpoint.size == 16
    second.close()


def test_a_log_that_is_removed_is_remembered(witness: Witness) -> None:
    witness.add_checkpoint(request_of(0, 7).format())
    witness.remove_log(ORIGIN)
    with pytest.raises(NotFound):
        witness.add_checkpoint(request_of(7, 8).format())
    assert witness.add_log(LOG_KEY.verify_key)
    assert not witness.add_log(LOG_KEY.verify_key)
    assert isinstance(refused(witness, request_of(0, 8)), StaleSize)
    with pytest.raises(NotFound):
        witness.remove_log("other.example")


def test_a_second_key_of_a_log_is_trusted_beside_the_first(witness: Witness) -> None:
    new = SigningKey.from_seed(ORIGIN, b"n" * 32)
    witness.add_log(new.verify_key)
    witness.add_checkpoint(request_of(0, 3).format())
    signed = checkpoint.sign(head_of(tree_of(ENTRIES[:8])), [new])
    witness.add_checkpoint(replace(request_of(3, 8), checkpoint=signed).format())


def test_its_own_key_is_no_logs_key(witness: Witness) -> None:
    for key in (WITNESS_KEY, SigningKey.from_seed("log.example", bytes(range(32, 64)))):
        with pytest.raises(ParseError):
            witness.add_log(key.verify_key)


@pytest.mark.skipif(not ml_dsa.available(), reason="this installation of cryptography has no ML-DSA-44")
def test_two_keys_give_two_lines(tmp_path: Path) -> None:
    second = SigningKey.from_seed("w2.example/witness", b"q" * 32, ML_DSA_44)
    witness = Witness.open(tmp_path / "w.db", [WITNESS_KEY, second], create=True)
    witness.add_log(LOG_KEY.verify_key)
    assert len(parse_cosignatures(witness.add_checkpoint(request_of(0, 3).format()))) == 2
    keys = [WITNESS_KEY.verify_key, second.verify_key]
    assert len(open_witnessed(latest(witness), LOG_KEY.verify_key, keys).cosignatures) == 2


GOOD = request_of(3, 8).format()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 3\n",
        b"\n\n" + note_of(8),
        GOOD.replace(b"old 3", b"old 03"),
        GOOD.replace(b"old 3", b"old -3"),
        GOOD.replace(b"old 3", b"old  3"),
        GOOD.replace(b"old 3", b"Old 3"),
        GOOD.replace(b"old 3", b"old 9223372036854775808"),
        GOOD.replace(b"old 3", "old ３".encode()),
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"=\n", b"\n", 1),
        GOOD.replace(b"=\n", b"= \n", 1),
        GOOD[:-1],
        GOOD.replace(b"\n8\n", b"\n08\n"),
        GOOD.replace(b"\n\n", b"\nAAAA\n\n", 1),
        AddCheckpoint(3, (bytes(32),) * 64, note_of(8)).format(),
        AddCheckpoint(0, (), note_of(8) + b"x" * 300_000).format(),
        AddCheckpoint(0, (), b"").format(),
        AddCheckpoint(0, (), note_of(8).replace(b"\n8\n", b"\n8\nextension\n")).format(),
    ],
)
def test_malformed_requests(witness: Witness, body: bytes) -> None:
    assert isinstance(refused(witness, body), ParseError)


def test_requests_and_answers_have_one_form() -> None:
    for old, size in ((0, 0), (0, 1), (3, 8), (8, 8), (17, 40)):
        request = request_of(old, size)
        assert parse_add_checkpoint(request.format()) == request
    assert parse_size(format_size(0)) == 0
    assert parse_size(format_size(2**63 - 1)) == 2**63 - 1
    for data in (b"", b"\n", b"7", b"07\n", b"7\n\n", b"-1\n", b"7" * 50 + b"\n", b"\xff\n"):
        with pytest.raises(ParseError):
            parse_size(data)
    for data in (b"", b"\n", b"x\n", b"\xff\n", "— a b\n".encode(), note_of(1)):
        with pytest.raises(ParseError):
            parse_cosignatures(data)
