"""What a cosignature signs (C2SP tlog-cosignature): the bytes under the two kinds of timestamped signature.

    algorithm 0x04   "cosignature/v1\\n" "time " decimal "\\n" || text of the note                          Ed25519
    algorithm 0x06   "subtree/v1\\n\\0" || u8 length, cosigner name || u64 time || u8 length, origin
                     || u64 0 || u64 size || 32-byte root                                               ML-DSA-44

In a signature line, the 64-bit time stands before either signature. A time of zero is possible for 0x06 only, and says
nothing of when: a log's own line has it, a witness's never.
"""

from ledger.encoding import parse_base64, parse_decimal
from ledger.errors import ParseError
from ledger.keys import COSIGNATURE_V1, ML_DSA_44

TIMED = (COSIGNATURE_V1, ML_DSA_44)  # algorithms whose signature begins with a time
TIME_BYTES = 8
TIME_MAX = 2**63 - 1

_LABEL = b"subtree/v1\n\0"
_NAME_BYTES_MAX = 255
_SIZE_MAX = 2**63 - 1


def cosigned_message(algorithm: int, name: str, time: int, text: str) -> bytes:
    """The bytes that a cosigner's key signs, for the text of a checkpoint (with its final newline).

    Raises ParseError (`checkpoint_*`) for 0x06 over a text that does not begin with origin, size and root.
    """
    if algorithm == COSIGNATURE_V1:
        return f"cosignature/v1\ntime {time}\n{text}".encode()
    assert algorithm == ML_DSA_44
    lines = text.split("\n", 3)
    if len(lines) != 4:
        raise ParseError(
            "checkpoint_lines", f"a cosigned checkpoint has 3 lines (origin, size, root), not {len(lines)}"
        )
    size = parse_decimal(lines[1], _SIZE_MAX, "checkpoint_size", "the checkpoint's size")
    root = parse_base64(lines[2], "checkpoint_root", "the checkpoint's root")
    if len(root) != 32:
        raise ParseError("checkpoint_root", f"the checkpoint's root has {len(root)} bytes, not 32")
    numbers = (0).to_bytes(8, "big") + size.to_bytes(8, "big")
    return _LABEL + _short(name) + time.to_bytes(TIME_BYTES, "big") + _short(lines[0]) + numbers + root


def _short(text: str) -> bytes:
    data = text.encode()
    if not 1 <= len(data) <= _NAME_BYTES_MAX:
        raise ParseError("checkpoint_origin", f"an origin of {len(data)} bytes cannot be cosigned; 1 to 255 can")
    return bytes([len(data)]) + data
