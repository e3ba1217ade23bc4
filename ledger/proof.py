"""Offline proofs of inclusion in one file (C2SP tlog-proof, suffix `.tlog-proof`).

c2sp.org/tlog-proof@v1
extra cmFpbC1yZWNlaXB0LzE=                         optional, not authenticated
index 1
dziFphNIniTOLPdhmdakI/BC5LvxLX7s7pEu8nbGVwE=       0..63 hashes of the inclusion proof
                                                   blank line; then the signed checkpoint, verbatim
rail.example/log1
...
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.checkpoint import OpenedCheckpoint, open_witnessed
from ledger.encoding import format_base64, parse_base64, parse_decimal
from ledger.errors import ParseError
from ledger.keys import VerifyKey
from ledger.merkle import HASH_BYTES, PROOF_HASHES_MAX, SIZE_MAX, check_inclusion
from ledger.note import NOTE_BYTES_MAX

HEADER = "c2sp.org/tlog-proof@v1"
EXTRA_BYTES_MAX = 65_535
PROOF_BYTES_MAX = NOTE_BYTES_MAX + 100 * 1024


@dataclass(frozen=True, slots=True)
class TlogProof:
    """That some entry is at `index` of the tree that `checkpoint`, a signed note, names. Nothing is verified yet."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None  # None: no extra line; free for the application and never trusted.

    def __post_init__(self) -> None:
        if not 0 <= self.index <= SIZE_MAX:
            raise ParseError("proof_index", f"the proof's index {self.index} is not in 0..2**63-1")
        if len(self.hashes) > PROOF_HASHES_MAX:
            raise ParseError(
                "proof_hashes", f"the proof has {len(self.hashes)} hashes; the limit is {PROOF_HASHES_MAX}"
            )
        if any(len(item) != HASH_BYTES for item in self.hashes):
            raise ParseError("proof_hashes", f"a hash of the proof does not have {HASH_BYTES} bytes")
        if self.extra is not None and len(self.extra) > EXTRA_BYTES_MAX:
            raise ParseError("proof_extra", f"the proof's extra data is longer than {EXTRA_BYTES_MAX} bytes")

    def format(self) -> bytes:
        """The bytes of the file, inverse of `parse_tlog_proof`."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {format_base64(self.extra)}")
        lines.append(f"index {self.index}")
        lines += map(format_base64, self.hashes)
        return "\n".join([*lines, "", ""]).encode() + self.checkpoint


def parse_tlog_proof(data: bytes) -> TlogProof:
    """Parse strictly, verify nothing; raises ParseError (`proof_*`). The checkpoint is kept as it is."""
    if len(data) > PROOF_BYTES_MAX:
        raise ParseError("proof_size", f"the proof has {len(data)} bytes; the limit is {PROOF_BYTES_MAX}")
    head, separator, checkpoint = data.partition(b"\n\n")
    if not separator:
        raise ParseError("proof_structure", "the proof has no blank line before its checkpoint")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise ParseError("proof_structure", "the proof is not ASCII text above its checkpoint") from None
    if lines[0] != HEADER:
        raise ParseError("proof_header", f"the first line is {lines[0][:60]!r} instead of {HEADER!r}")
    rest = lines[1:]
    extra = None
    if rest and rest[0].startswith("extra "):
        extra = parse_base64(rest.pop(0).removeprefix("extra "), "proof_extra", "the proof's extra data")
    if not rest or not rest[0].startswith("index "):
        raise ParseError("proof_index", "the proof has no line 'index <number>' where it belongs")
    index = parse_decimal(rest[0].removeprefix("index "), SIZE_MAX, "proof_index", "the proof's index")
    hashes = tuple(parse_base64(line, "proof_hashes", "a hash of the proof") for line in rest[1 : PROOF_HASHES_MAX + 2])
    return TlogProof(index, hashes, checkpoint, extra)


def check_tlog_proof(
    proof: TlogProof,
    leaf_hash: bytes,
    log_key: VerifyKey,
    witnesses: Sequence[VerifyKey] = (),
    origin: str | None = None,
) -> OpenedCheckpoint:
    """Verify checkpoint and inclusion; returns the checkpoint with the witnesses' verified cosignatures.

    Raises ParseError, SignatureInvalid (as `open_witnessed`) and ProofInvalid (as `check_inclusion`).
    """
    opened = open_witnessed(proof.checkpoint, log_key, witnesses, origin)
    check_inclusion(leaf_hash, proof.index, opened.checkpoint.size, proof.hashes, opened.checkpoint.root)
    return opened
