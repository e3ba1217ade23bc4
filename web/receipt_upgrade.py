"""A receipt brought to a later checkpoint of its log, and to the cosignatures that witnesses gave since.

Candidates are the log's own checkpoint and the latest one that each witness of the policy cosigned. All of them, and
the receipt's, are shown to be of one history before anything is replaced: an upgrade is also a check for a split view.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ledger.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.errors import LedgerError
from ledger.keys import VerifyKey
from ledger.merkle import prove_inclusion
from ledger.note import Note, NoteSignature, Verified
from ledger.policy import Policy, open_counted
from ledger.receipt import Receipt, check_receipt
from web.audit.errors import AuditError
from web.audit.log import LogView
from web.audit.source import TileSource
from web.known_logs import KnownLogs

NO_WITNESSES = Policy((), {}, {}, "none")


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The new receipt, checked; the same as the old one if nothing better was to be had."""

    receipt: Receipt
    checkpoint: Checkpoint
    cosignatures: tuple[Verified, ...]
    met: bool  # whether they make the policy's quorum


def upgrade(
    receipt: Receipt,
    view: LogView,
    source: TileSource,
    known: KnownLogs,
    policy: Policy | None = None,
    of_witnesses: Sequence[bytes] = (),
) -> Upgraded:
    """`view` is the log as it shows itself, `of_witnesses` what each witness had, unverified.

    Raises LogBroken if the notes are of two histories, LedgerError for a receipt that does not hold.
    """
    policy, key = policy or NO_WITNESSES, view.key
    check_receipt(receipt, key)
    notes = [receipt.proof.checkpoint, view.note]
    notes += [note for note in of_witnesses if _is_of(note, key)]
    for note in notes:
        known.check_note(note, view, source)
    note = _best(_merged(notes, policy, key), policy, key, max(receipt.proof.index, receipt.operator.index))
    upgraded = receipt
    if note != receipt.proof.checkpoint:
        upgraded = _moved(receipt, view if note == view.note else LogView(source, note, key))
    checked = check_receipt(upgraded, key, policy.witness_keys)
    met = policy.is_met([item.key for item in checked.cosignatures])
    return Upgraded(upgraded, checked.checkpoint, checked.cosignatures, met)


def _is_of(note: bytes, key: VerifyKey) -> bool:
    """Whether the log signed it. What a witness shows beside that is no fault of the log."""
    try:
        open_checkpoint(note, key)
    except LedgerError:
        return False
    return True


def _merged(notes: Sequence[bytes], policy: Policy, key: VerifyKey) -> list[bytes]:
    """The notes, those of one text joined to one with every line; a bad line of a witness is left out."""
    texts: dict[str, dict[tuple[str, bytes], NoteSignature]] = {}
    for data in notes:
        checkpoint, note = parse_checkpoint(data)
        lines = texts.setdefault(note.text, {})
        log_lines = [line for line in note.signatures if line.name == checkpoint.origin]
        for line in note.signatures:
            if line in log_lines or _counts(Note(note.text, (*log_lines, line)), policy, key):
                lines[line.name, line.key_id] = line
    return [Note(text, tuple(lines.values())).format() for text, lines in texts.items()]


def _counts(note: Note, policy: Policy, key: VerifyKey) -> bool:
    try:
        return bool(open_counted(note.format(), policy, key).cosignatures)
    except LedgerError:
        return False


def _best(notes: Sequence[bytes], policy: Policy, key: VerifyKey, index: int) -> bytes:
    """Of those that cover the entry, the largest with a quorum; without any, that with most witnesses, then largest."""

    def rank(note: bytes) -> tuple[bool, int, int]:
        opened = open_counted(note, policy, key)
        met = policy.is_met([item.key for item in opened.cosignatures])
        return met, 0 if met else len(opened.cosignatures), opened.checkpoint.size

    covering = [note for note in notes if open_checkpoint(note, key).size > index]
    if not covering:  # the receipt's own note covers it
        raise AuditError("no_checkpoint", "no checkpoint covers the entry of the receipt")
    return max(covering, key=rank)


def _moved(receipt: Receipt, view: LogView) -> Receipt:
    """The receipt with proofs in the tree of `view`."""
    size, note = view.checkpoint.size, view.note
    proof = replace(
        receipt.proof,
        hashes=tuple(prove_inclusion(receipt.proof.index, size, view.tiles)),
        checkpoint=note,
    )
    operator = replace(receipt.operator, hashes=tuple(prove_inclusion(receipt.operator.index, size, view.tiles)))
    return replace(receipt, proof=proof, operator=operator)
