"""What a piece of a vocabulary is for; numbered as in sentencepiece's and GGUF's files."""

from enum import IntEnum

PIECES_MAX = 1 << 20
PIECE_BYTES_MAX = 1024


class PieceType(IntEnum):
    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3  # no text gives it and it gives no text; only a chat template or a list of ids does
    USER_DEFINED = 4  # found in a text before anything is merged, as one piece
    UNUSED = 5  # no text gives it and it gives no text
    BYTE = 6
