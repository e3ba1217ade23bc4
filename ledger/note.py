"""Signed notes (C2SP signed-note) with plain signatures and with timestamped ones (C2SP tlog-cosignature).

    This is an example message.                                                      text, UTF-8, ends with a newline
                                                                                     blank line
    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ER...   one line a signature

A signature line is an em dash, a blank, the key's name, a blank and base64(4-byte key id || signature). Lines by
unknown keys are ignored; one bad signature by a known key refuses the whole note.

    algorithm 0x01         signature = Ed25519(text)
    algorithms 0x04, 0x06  signature = 64-bit time || signature of ledger.cosignature's message
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.cosignature import TIME_BYTES, TIME_MAX, TIMED, cosigned_message
from ledger.encoding import format_base64, parse_base64
from ledger.errors import ParseError, SignatureInvalid
from ledger.keys import COSIGNATURE_V1, ED25519, KEY_ID_BYTES, ML_DSA_44, NoteSigner, VerifyKey, check_key_name

NOTE_BYTES_MAX = 512 * 1024  # A hundred lines of the largest signature in use (ML-DSA-44).
SIGNATURES_MAX = 100

_DASH = "\u2014 "
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line, unverified. `blob` is what follows the key id: its form depends on the key's algorithm."""

    name: str
    key_id: bytes
    blob: bytes

    def format(self) -> str:
        """The line, with its newline."""
        return f"{_DASH}{self.name} {format_base64(self.key_id + self.blob)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signature lines, unverified. The text includes its final newline."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def format(self) -> bytes:
        """The bytes of the note, inverse of `parse_note`."""
        return (self.text + "\n" + "".join(line.format() for line in self.signatures)).encode()


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that was checked: by which key and, for a cosignature, when (unix seconds; None otherwise)."""

    key: VerifyKey
    time: int | None


def parse_note(data: bytes) -> Note:
    """Parse strictly, verify nothing; raises ParseError (`note_size`, `note_text`, `note_signature_line`, ...)."""
    if len(data) > NOTE_BYTES_MAX:
        raise ParseError("note_size", f"the note has {len(data)} bytes; the limit is {NOTE_BYTES_MAX}")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError("note_text", f"the note is not UTF-8 at byte {error.start}") from None
    if control := _CONTROL.search(whole):
        raise ParseError("note_text", f"the note has control character U+{ord(control[0]):04X} at {control.start()}")
    text, separator, block = whole.rpartition("\n\n")
    if not separator or not block.endswith("\n"):
        raise ParseError(
            "note_structure", "the note is not a text, a blank line and signature lines, each with a newline"
        )
    return Note(text + "\n", parse_signatures(block))


def parse_signatures(block: str) -> tuple[NoteSignature, ...]:
    """Signature lines, each with its newline, at least one; raises ParseError (`note_signature_*`)."""
    if not block.endswith("\n"):
        raise ParseError("note_signature_line", "the last signature line has no newline")
    lines = block[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise ParseError("note_signature_count", f"the note has {len(lines)} signatures; the limit is {SIGNATURES_MAX}")
    return tuple(_parse_line(line) for line in lines)


def _parse_line(line: str) -> NoteSignature:
    parts = line.removeprefix(_DASH).split(" ") if line.startswith(_DASH) else []
    if len(parts) != 2:
        raise ParseError("note_signature_line", f"not a signature line '{_DASH}<name> <base64>': {line[:80]!r}")
    name, encoded = parts
    check_key_name(name)
    data = parse_base64(encoded, "note_signature_base64", f"the signature by {name}")
    if len(data) <= KEY_ID_BYTES:
        raise ParseError("note_signature_line", f"the signature by {name} holds nothing after its key id")
    return NoteSignature(name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])


def check_text(text: str) -> None:
    """Raise ParseError (`note_text`) unless this may be the text of a note."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise ParseError("note_text", "the text of a note ends with a newline and has no other control characters")


def sign_note(text: str, keys: Iterable[NoteSigner]) -> bytes:
    """The note with one signature by each key; an ML-DSA-44 key states no time."""
    check_text(text)
    return Note(text, tuple(sign_text(text, key, 0 if key.algorithm == ML_DSA_44 else None) for key in keys)).format()


def sign_text(text: str, key: NoteSigner, time: int | None = None) -> NoteSignature:
    """Signature line of a plain key, or of a timestamped one at `time` (unix seconds; zero for ML-DSA-44 only)."""
    if (time is not None) != (key.algorithm in TIMED):
        raise ValueError("a cosignature key signs with a time, any other key without")
    if time is None:
        return NoteSignature(key.name, key.key_id, key.sign(text.encode()))
    if not (key.algorithm == COSIGNATURE_V1) <= time <= TIME_MAX:
        raise ValueError(f"cosignature time {time} is not in 1..2**63-1")
    signature = key.sign(cosigned_message(key.algorithm, key.name, time, text))
    return NoteSignature(key.name, key.key_id, time.to_bytes(TIME_BYTES, "big") + signature)


def verify_signatures(note: Note, keys: Sequence[VerifyKey]) -> list[Verified]:
    """The signatures by `keys`, in the note's order; raises SignatureInvalid (`note_signature`) if one of them is bad.

    Lines by other keys are ignored. A key counts once, with its first line, however often it signed: the length of the
    result is the number of keys. An empty result is the caller's to judge.
    """
    known = {(key.name, key.key_id): key for key in keys}
    verified: dict[VerifyKey, Verified] = {}
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is not None:
            found = Verified(key, _verify(note.text, signature, key))
            verified.setdefault(key, found)
    return list(verified.values())


def _verify(text: str, signature: NoteSignature, key: VerifyKey) -> int | None:
    """Check one signature; returns the time of a cosignature."""
    message, raw, time = text.encode(), signature.blob, None
    if key.algorithm in TIMED:
        time, raw = int.from_bytes(raw[:TIME_BYTES], "big"), raw[TIME_BYTES:]
        if time > TIME_MAX:
            raise SignatureInvalid("note_signature", f"the cosignature by {key.name} has an impossible time")
        message = cosigned_message(key.algorithm, key.name, time, text)
    else:
        assert key.algorithm == ED25519
    try:
        key.verify(message, raw)
    except SignatureInvalid as error:
        raise SignatureInvalid("note_signature", f"the note is refused: {error}") from None
    return time
