"""Checkpoints: the signed head of a log (C2SP tlog-checkpoint).

    rail.example/log1                                   origin, the log's name
    3                                                   number of entries
    lPvQ3YNvUDAWkubQ6t5yjuGexSv/8WBu2AfIV11aqhk=        root hash of the tree over them
                                                        blank line; then the signature lines of the note
    — rail.example/log1 f9e8cDoh/PsMgZBGwoLyR2WWFu+X4vPdYAuvCWrTAvU1IqL0LNKP2lDnkHVhBne+8KXXMWRRG8KBU/fPEKf08bu7Zgo=

Extension lines are refused: the specification advises against them and ML-DSA cosignatures do not cover them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.encoding import format_base64, parse_base64, parse_decimal
from ledger.errors import ParseError, SignatureInvalid
from ledger.keys import NoteSigner, VerifyKey
from ledger.merkle import EMPTY_ROOT, HASH_BYTES, SIZE_MAX
from ledger.note import Note, Verified, parse_note, sign_note, sign_text, verify_signatures

ORIGIN_CHARS_MAX = 255

_CONTROL = re.compile("[\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log; two of one origin and size with different roots prove that the log lied."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or _CONTROL.search(self.origin) or len(self.origin) > ORIGIN_CHARS_MAX:
            raise ParseError("checkpoint_origin", f"not the name of a log, one line: {self.origin[:80]!r}")
        if not 0 <= self.size <= SIZE_MAX:
            raise ParseError("checkpoint_size", f"the checkpoint's size {self.size} is not in 0..2**63-1")
        if len(self.root) != HASH_BYTES:
            raise ParseError("checkpoint_root", f"the checkpoint's root has {len(self.root)} bytes, not {HASH_BYTES}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise ParseError("checkpoint_root", "the checkpoint of size 0 has another root than that of the empty tree")

    def text(self) -> str:
        """The signed text, with its final newline."""
        return f"{self.origin}\n{self.size}\n{format_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class OpenedCheckpoint:
    """A checkpoint whose log signature was verified, and the witnesses' cosignatures that were."""

    checkpoint: Checkpoint
    cosignatures: tuple[Verified, ...]


def parse_text(text: str) -> Checkpoint:
    """Inverse of `Checkpoint.text`; raises ParseError (`checkpoint_lines`, `_origin`, `_size`, `_root`)."""
    return Checkpoint(*parse_lines(text))


def parse_lines(text: str) -> tuple[str, int, bytes]:
    """Origin, size and root as the text has them, for a witness: whether they make a checkpoint is not looked at."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise ParseError("checkpoint_lines", f"a checkpoint has 3 lines (origin, size, root), not {len(lines) - 1}")
    origin, size, root = lines[:3]
    return (
        origin,
        parse_decimal(size, SIZE_MAX, "checkpoint_size", "the checkpoint's size"),
        parse_base64(root, "checkpoint_root", "the checkpoint's root"),
    )


def parse_checkpoint(note: bytes) -> tuple[Checkpoint, Note]:
    """Parse a signed checkpoint strictly, without verifying anything."""
    parsed = parse_note(note)
    return parse_text(parsed.text), parsed


def sign(checkpoint: Checkpoint, keys: Sequence[NoteSigner]) -> bytes:
    """The note of this checkpoint, signed by the log's keys; an ML-DSA-44 key states no time.

    Never sign two roots of one size: persist the first before this is shown.
    """
    return sign_note(checkpoint.text(), keys)


def cosign(note: bytes, key: NoteSigner, time: int) -> bytes:
    """The same note with a witness's cosignature line added at its end."""
    parsed = parse_note(note)
    return Note(parsed.text, (*parsed.signatures, sign_text(parsed.text, key, time))).format()


def open_checkpoint(note: bytes, log_key: VerifyKey, origin: str | None = None) -> Checkpoint:
    """The checkpoint of these bytes, if the log signed it; `origin` None: it must be the key's name.

    Raises ParseError (`note_*`, `checkpoint_*`), SignatureInvalid (`checkpoint_origin`, `checkpoint_unsigned`,
    `note_signature`).
    """
    return open_witnessed(note, log_key, (), origin).checkpoint


def open_witnessed(
    note: bytes, log_key: VerifyKey, witnesses: Sequence[VerifyKey], origin: str | None = None
) -> OpenedCheckpoint:
    """As `open_checkpoint`, and verify the cosignatures by `witnesses`; how many suffice is the caller's to judge."""
    checkpoint, parsed = parse_checkpoint(note)
    expected = log_key.name if origin is None else origin
    if checkpoint.origin != expected:
        raise SignatureInvalid("checkpoint_origin", f"the checkpoint is of log {checkpoint.origin!r}, not {expected!r}")
    verified = verify_signatures(parsed, [log_key, *witnesses])
    if not any(item.key == log_key for item in verified):
        raise SignatureInvalid(
            "checkpoint_unsigned",
            f"the checkpoint is not signed by the log's key {log_key.name}+{log_key.key_id.hex()}",
        )
    return OpenedCheckpoint(checkpoint, tuple(item for item in verified if item.key != log_key))
