"""The log's side of tlog-witness against scripted witnesses, and what is kept of their answers."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from ledger_samples import LOG_KEY, ORIGIN, OTHER_KEY, WITNESS_KEY, head_of, tree_of
from log_samples import Run

from ledger import checkpoint
from ledger.cosigned import PENDING_MAX, CosignedCheckpoints
from ledger.errors import LedgerError, SignatureInvalid
from ledger.keys import COSIGNATURE_V1, SigningKey
from ledger.log import Log
from ledger.merkle import prove_consistency
from ledger.note import NoteSignature, parse_note, sign_text
from ledger.policy import parse_policy
from ledger.witness.feed import ATTEMPTS, Answer, request_cosignature
from ledger.witness.request import AddCheckpoint, parse_add_checkpoint

ENTRIES = [b"entry %d" % i for i in range(9)]
NOTE = checkpoint.sign(head_of(tree_of(ENTRIES)), [LOG_KEY])
TEXT = parse_note(NOTE).text
OTHER_WITNESS = SigningKey.from_seed("w2.example/witness", b"2" * 32, COSIGNATURE_V1)
LINE = sign_text(TEXT, WITNESS_KEY, 7)


def prove(old: int, new: int) -> Sequence[bytes]:
    return prove_consistency(old, new, tree_of(ENTRIES))


class Script:
    """A witness that replies what it is told to, and remembers what it was asked."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[AddCheckpoint] = []

    def __call__(self, body: bytes) -> Answer:
        self.asked.append(parse_add_checkpoint(body))
        return Answer(*self.answers.pop(0))

    def ask(self, known: int = 0) -> tuple[NoteSignature, int]:
        cosigned = request_cosignature(NOTE, WITNESS_KEY.verify_key, known, prove, self)
        return cosigned.line, cosigned.time


def test_a_witness_elsewhere_gets_another_proof() -> None:
    script = Script((409, b"4\n"), (409, b"9\n"), (200, LINE.format().encode()))
    assert script.ask(0) == (LINE, 7)
    assert [(item.old_size, item.proof) for item in script.asked] == [
        (0, ()),
        (4, tuple(prove(4, 9))),
        (9, ()),
    ]
    assert all(item.checkpoint == NOTE for item in script.asked)


def test_a_known_size_is_sent_first_and_never_one_beyond_the_checkpoint() -> None:
    for known, sent in ((4, 4), (9, 9), (100, 9)):
        script = Script((200, LINE.format().encode()))
        script.ask(known)
        assert script.asked[0].old_size == sent


def test_lines_by_other_keys_are_ignored() -> None:
    other = sign_text(TEXT, OTHER_WITNESS, 8)
    assert Script((200, (other.format() + LINE.format()).encode())).ask() == (LINE, 7)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([(409, b"10\n")], "witness_ahead"),
        ([(409, b"")], "witness_refused"),
        ([(409, b"x\n")], "witness_size"),
        ([(409, b"3\n")] * ATTEMPTS, "witness_unavailable"),
        ([(422, b"no")], "witness_refused"),
        ([(404, b"")], "witness_origin"),
        ([(403, b"")], "witness_untrusted"),
        ([(429, b"")], "witness_unavailable"),
        ([(503, b"")], "witness_unavailable"),
        ([(302, b"")], "witness_answer"),
        ([(400, b"\xff\x1b[2J")], "witness_answer"),
        ([(200, b"")], "note_signature_line"),
        ([(200, b"\xff\n")], "note_signature_line"),
        ([(200, sign_text(TEXT, OTHER_WITNESS, 8).format().encode())], "note_signature"),
        ([(200, sign_text("another\n", WITNESS_KEY, 8).format().encode())], "note_signature"),
    ],
)
def test_answers_that_are_no_cosignature(answers: list[tuple[int, bytes]], code: str) -> None:
    with pytest.raises(LedgerError) as caught:
        Script(*answers).ask()
    assert caught.value.code == code


POLICY = parse_policy(
    f"witness a {WITNESS_KEY.vkey}\nwitness b {OTHER_WITNESS.vkey}\ngroup both all a b\nquorum both\n".encode()
)


@pytest.fixture
def kept(log: Log) -> CosignedCheckpoints:
    return CosignedCheckpoints(log.database, POLICY, log.key)


def test_a_quorum_is_kept_and_older_ones_go(log: Log, kept: CosignedCheckpoints) -> None:
    run = Run()
    statements = [*run.registrations(), *((statement, None) for statement, _ in run.generations(3))]
    notes = []
    for item in statements:
        log.submit_many([item])
        notes.append(log.checkpoint())
    for note in notes[:3]:
        kept.add(note, sign_text(parse_note(note).text, WITNESS_KEY, 5))
    assert kept.witnessed(log.size()) is None
    kept.add(notes[1], sign_text(parse_note(notes[1]).text, OTHER_WITNESS, 6))
    witnessed = kept.witnessed(log.size())
    assert witnessed is not None
    assert witnessed.size == 2
    opened = checkpoint.open_witnessed(witnessed.note, log.key, POLICY.witness_keys)
    assert [item.time for item in opened.cosignatures] == [5, 6]
    kept.add(notes[1], sign_text(parse_note(notes[1]).text, WITNESS_KEY, 9))  # a newer time replaces the older
    witnessed = kept.witnessed(log.size())
    assert witnessed is not None
    opened = checkpoint.open_witnessed(witnessed.note, log.key, POLICY.witness_keys)
    assert {item.time for item in opened.cosignatures} == {6, 9}
    assert log.receipt(1, False, witnessed).proof.checkpoint == witnessed.note
    assert kept.with_lines(log.head()) == log.checkpoint()
    again = CosignedCheckpoints(log.database, POLICY, log.key)  # another process, or after a restart
    assert again.witnessed(log.size()) == witnessed
    assert again.witnessed(1) is None  # of a log that went back


def test_what_is_kept_without_a_quorum_is_bounded(log: Log, kept: CosignedCheckpoints) -> None:
    for size in range(1, PENDING_MAX + 10):
        signed = checkpoint.Checkpoint(ORIGIN, size, sha256(bytes([size])).digest())
        kept.add(checkpoint.sign(signed, [LOG_KEY]), sign_text(signed.text(), WITNESS_KEY, 5))
    with log.engine.connect() as connection:
        sizes = [row[0] for row in connection.exec_driver_sql("SELECT size FROM cosigned_checkpoints ORDER BY size")]
    assert sizes == list(range(10, PENDING_MAX + 10))


def test_only_good_lines_by_our_witnesses_are_kept(log: Log, kept: CosignedCheckpoints) -> None:
    text = parse_note(log.checkpoint()).text
    good = sign_text(text, WITNESS_KEY, 5)
    with pytest.raises(SignatureInvalid):
        kept.add(log.checkpoint(), NoteSignature(good.name, good.key_id, good.blob[:-1] + b"\0"))
    kept.add(log.checkpoint(), sign_text(text, OTHER_KEY))
    assert kept.with_lines(log.head()) == log.checkpoint()
    kept.add(log.checkpoint(), good)
    assert kept.with_lines(log.head()).endswith(good.format().encode())
