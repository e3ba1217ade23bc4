"""What a log and a witness say to each other (C2SP tlog-witness, add-checkpoint).

    old 3                                               size of the checkpoint that the witness has
    dziFphNIniTOLPdhmdakI/BC5LvxLX7s7pEu8nbGVwE=        0..63 hashes of the consistency proof
                                                        blank line; then the signed checkpoint, verbatim
    rail.example/log1
    ...

The answer is one or more signature lines (200), or `<size>\\n` (409): the size that the witness has.
"""

from dataclasses import dataclass

from ledger.encoding import format_base64, parse_base64, parse_decimal
from ledger.errors import ParseError
from ledger.merkle import HASH_BYTES, PROOF_HASHES_MAX, SIZE_MAX
from ledger.note import NoteSignature, parse_signatures

REQUEST_BYTES_MAX = 256 * 1024  # dozens of ML-DSA-44 lines
ANSWER_BYTES_MAX = 64 * 1024
SIZE_TYPE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request to cosign `checkpoint`, a signed note that nobody has looked at yet."""

    old_size: int
    proof: tuple[bytes, ...]  # from old_size to the checkpoint's size
    checkpoint: bytes

    def format(self) -> bytes:
        """The body of the request, inverse of `parse_add_checkpoint`."""
        lines = [f"old {self.old_size}", *map(format_base64, self.proof), "", ""]
        return "\n".join(lines).encode() + self.checkpoint


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """Parse strictly all but the checkpoint; raises ParseError (`add_checkpoint_*`)."""
    if len(data) > REQUEST_BYTES_MAX:
        raise ParseError("add_checkpoint_size", f"the request has {len(data)} bytes; the limit is {REQUEST_BYTES_MAX}")
    head, separator, checkpoint = data.partition(b"\n\n")
    if not separator:
        raise ParseError("add_checkpoint_structure", "the request has no blank line before its checkpoint")
    try:
        old, *hashes = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise ParseError("add_checkpoint_structure", "the request is not ASCII above its checkpoint") from None
    if not old.startswith("old "):
        raise ParseError("add_checkpoint_old", f"the first line is not 'old <size>': {old[:40]!r}")
    old_size = parse_decimal(old.removeprefix("old "), SIZE_MAX, "add_checkpoint_old", "the old size")
    if len(hashes) > PROOF_HASHES_MAX:
        raise ParseError("add_checkpoint_proof", f"the proof has {len(hashes)} hashes; the limit is {PROOF_HASHES_MAX}")
    proof = tuple(parse_base64(line, "add_checkpoint_proof", "a hash of the proof") for line in hashes)
    if any(len(item) != HASH_BYTES for item in proof):
        raise ParseError("add_checkpoint_proof", f"a hash of the proof does not have {HASH_BYTES} bytes")
    return AddCheckpoint(old_size, proof, checkpoint)


def parse_cosignatures(data: bytes) -> tuple[NoteSignature, ...]:
    """The signature lines of a witness's answer, unverified; raises ParseError (`note_*`)."""
    if len(data) > ANSWER_BYTES_MAX:
        raise ParseError("note_size", f"the witness's answer has {len(data)} bytes; the limit is {ANSWER_BYTES_MAX}")
    try:
        return parse_signatures(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise ParseError("note_signature_line", "the witness's answer is not UTF-8") from None


def format_size(size: int) -> bytes:
    return f"{size}\n".encode()


def parse_size(data: bytes) -> int:
    """Inverse of `format_size`; raises ParseError (`witness_size`)."""
    text = data[:40].decode("ascii", "replace")
    if not text.endswith("\n") or len(data) > 40:
        raise ParseError("witness_size", "the witness's size is not a number and a newline")
    return parse_decimal(text[:-1], SIZE_MAX, "witness_size", "the witness's size")
