"""The log's side of tlog-witness: one checkpoint brought to one witness, however far behind it is.

The witness is sent the size that it had last; if it says 409 and another size, the proof is made anew from there. Where
a proof is impossible (the witness is ahead of the checkpoint, or refuses it), nothing is asked again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger.checkpoint import parse_checkpoint
from ledger.errors import LogConflict, NotFound, ParseError, ProofInvalid, SignatureInvalid, StoreError
from ledger.keys import VerifyKey
from ledger.note import Note, NoteSignature, verify_signatures
from ledger.witness.request import AddCheckpoint, parse_cosignatures, parse_size

ATTEMPTS = 4  # for a witness that others feed too, and whose size moves between our requests
RETRY_STATUSES = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness replied."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The verified line of the witness, and when it says that it signed (Unix seconds)."""

    line: NoteSignature
    time: int


def request_cosignature(
    note: bytes,
    witness: VerifyKey,
    known_size: int,
    prove_consistency: Callable[[int, int], Sequence[bytes]],
    send: Callable[[bytes], Answer],
) -> Cosigned:
    """The witness's cosignature of the signed checkpoint `note`; `known_size` is where we believe the witness to be.

    Raises StoreError `witness_unavailable` (retryable), LogConflict `witness_ahead` (it has a larger tree: if we
    have not, the log went back), ProofInvalid `witness_refused` (it says that we contradict ourselves), NotFound
    `witness_origin`, SignatureInvalid `witness_untrusted` or `note_signature`, ParseError for an answer that is none.
    """
    checkpoint, parsed = parse_checkpoint(note)
    old = min(known_size, checkpoint.size)
    for _ in range(ATTEMPTS):
        answer = send(AddCheckpoint(old, tuple(prove_consistency(old, checkpoint.size)), note).format())
        if answer.status == 200:
            return _verified(parsed, answer.body, witness)
        if answer.status != 409 or not answer.body:
            raise _failure(answer, witness.name)
        old = parse_size(answer.body)
        if old > checkpoint.size:
            raise LogConflict("witness_ahead", f"{witness.name} has the log at {old}, beyond {checkpoint.size}")
    raise StoreError("witness_unavailable", f"{witness.name} moves its size with every request", retryable=True)


def _verified(note: Note, body: bytes, witness: VerifyKey) -> Cosigned:
    """The first line by the witness's key; lines by other keys are ignored."""
    lines = [line for line in parse_cosignatures(body) if (line.name, line.key_id) == (witness.name, witness.key_id)]
    if not lines:
        raise SignatureInvalid("note_signature", f"{witness.name} answered without a line by the key that we know")
    (verified,) = verify_signatures(Note(note.text, tuple(lines)), [witness])
    if not verified.time:
        raise SignatureInvalid("note_signature", f"{witness.name} cosigned without a time")
    return Cosigned(lines[0], verified.time)


def _failure(answer: Answer, name: str) -> Exception:
    if answer.status in RETRY_STATUSES:
        return StoreError("witness_unavailable", f"{name} answered {answer.status}", retryable=True)
    said = answer.body[:200].decode("utf-8", "replace").strip()
    if answer.status in (409, 422):  # 409 without a size was the status of another root before July 2026
        return ProofInvalid(
            "witness_refused", f"{name} says that this log contradicts itself ({answer.status}): {said}"
        )
    if answer.status == 404:
        return NotFound("witness_origin", f"{name} does not know this log; ask its operator to add the log's key")
    if answer.status == 403:
        return SignatureInvalid("witness_untrusted", f"{name} trusts another key of this log: {said}")
    return ParseError("witness_answer", f"{name} answered {answer.status}: {said}")
