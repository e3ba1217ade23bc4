"""A strict reader of sentencepiece's ModelProto: its pieces, and nothing that would normalise text.

    ModelProto       1 piece, repeated     2 trainer_spec    3 normalizer_spec    4 self test    5 denormalizer_spec
    piece            1 text    2 score, float32    3 type (default NORMAL)
    trainer_spec     3 model_type: 1 unigram, 2 byte pairs
    normalizer_spec  2 precompiled_charsmap

The library reads the same bytes afterwards; what it would do something unwanted with is refused before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from inference.errors import TokenizerError
from inference.pieces import PIECE_BYTES_MAX, PIECES_MAX, PieceType

SPACE = "\u2581"  # sentencepiece writes a space inside a piece as this character

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_UNIGRAM, _BYTE_PAIRS = 1, 2
_NORMAL = PieceType.NORMAL
_TYPES = {kind.value: kind for kind in PieceType}

Field = tuple[int, int | bytes]  # number and value; a fixed-width value as its bytes


def byte_piece(value: int) -> str:
    """The name of the piece that stands for one byte."""
    return f"<0x{value:02X}>"


class StoredPiece(NamedTuple):
    text: str
    score: bytes  # a float32 as it stands in the file; only the library makes a number of it
    type: PieceType


@dataclass(frozen=True, slots=True)
class SentencePieceModel:
    """A checked ModelProto. `other` are its fields besides the pieces, as they stand in the file."""

    pieces: tuple[StoredPiece, ...]
    other: bytes

    @classmethod
    def decode(cls, data: bytes) -> "SentencePieceModel":
        """Raises TokenizerError: `vocabulary_damaged`, `vocabulary_unsupported`."""
        pieces: list[StoredPiece] = []
        other = bytearray()
        counts = {2: 0, 3: 0, 4: 0, 5: 0}
        for number, value, start, end in _fields(data):
            if number == 1 and type(value) is bytes:
                pieces.append(_piece(value, len(pieces)))
                if len(pieces) > PIECES_MAX:
                    raise _damaged(f"more than {PIECES_MAX} pieces")
                continue
            if number not in counts or type(value) is not bytes:
                raise _damaged(f"field {number} does not belong into a ModelProto")
            counts[number] += 1
            other += data[start:end]
            _check_part(number, value)
        if counts[2] != 1 or counts[3] != 1 or max(counts.values()) > 1:
            raise _damaged("it must have one trainer_spec and one normalizer_spec, and no part twice")
        _check_set(pieces)
        return cls(tuple(pieces), bytes(other))


def _check_part(number: int, value: bytes) -> None:
    fields = [(found, content) for found, content, _, _ in _fields(value)]
    if number == 2 and dict(fields).get(3, _UNIGRAM) not in (_UNIGRAM, _BYTE_PAIRS):
        raise _unsupported("its model is neither unigram nor byte pairs")
    if number in (3, 5) and any(found == 2 and content for found, content in fields):
        raise _unsupported("it normalises text; texts would not come back as they were")


def _piece(message: bytes, index: int) -> StoredPiece:
    size = message[1] if len(message) > 1 else 0
    if len(message) == size + 7 and size < 128 and message[0] == 0x0A and message[size + 2] == 0x15:
        text, score, kind = message[2 : size + 2], message[size + 3 :], 1  # nearly all are like this
    else:
        text, score, kind = _unusual_piece(message, index)
    if kind not in _TYPES or len(score) != 4 or (score[3] & 127 == 127 and score[2] & 128):
        raise _damaged(f"piece {index} has no known type or no finite score")
    if not 0 < len(text) <= PIECE_BYTES_MAX or b"\0" in text:
        raise _damaged(f"piece {index} has {len(text)} bytes, must have 1 to {PIECE_BYTES_MAX} and no zero")
    try:
        return StoredPiece(text.decode("utf-8"), score, _TYPES[kind])
    except UnicodeDecodeError:
        raise _damaged(f"piece {index} is not UTF-8") from None


def _unusual_piece(message: bytes, index: int) -> tuple[bytes, bytes, int]:
    text, score, kind = b"", bytes(4), 1
    for number, value, _, _ in _fields(message):
        if number == 1 and isinstance(value, bytes):
            text = value
        elif number == 2 and isinstance(value, bytes):
            score = value
        elif number == 3 and isinstance(value, int):
            kind = value
        else:
            raise _damaged(f"piece {index} has a field {number} that is not known")
    return text, score, kind


def _check_set(pieces: list[StoredPiece]) -> None:
    if len({piece.text for piece in pieces}) != len(pieces):
        seen: set[str] = set()
        for index, piece in enumerate(pieces):
            if piece.text in seen:
                raise _damaged(f"piece {index} repeats an earlier one")
            seen.add(piece.text)
    special = [piece for piece in pieces if piece.type != _NORMAL]
    if sum(piece.type == PieceType.UNKNOWN for piece in special) != 1:
        raise _damaged("it must have exactly one unknown piece")
    if sorted(piece.text for piece in special if piece.type == PieceType.BYTE) != sorted(map(byte_piece, range(256))):
        raise _unsupported("it has no piece for each byte, and could not encode every text")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes, int, int]]:
    """Number, value, start and end of each field of a message."""
    at, size = 0, len(data)
    while at < size:
        start = at
        tag = data[at]
        at += 1
        if tag > 127:
            tag, at = _varint(data, start)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == _VARINT:
            value, at = _varint(data, at)
        else:
            if wire == _BYTES:
                count, at = (data[at], at + 1) if at < size and data[at] < 128 else _varint(data, at)
            elif wire in (_FIXED64, _FIXED32):
                count = 8 if wire == _FIXED64 else 4
            else:
                raise _damaged(f"a wire type {wire} at byte {start}")
            if count > size - at:
                raise _damaged(f"a field at byte {start} passes the end")
            value = data[at : at + count]
            at += count
        if not number:
            raise _damaged(f"a field without a number at byte {start}")
        yield number, value, start, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise _damaged(f"a number that does not end at byte {at}")


def _damaged(what: str) -> TokenizerError:
    return TokenizerError("vocabulary_damaged", f"vocabulary: not a sentencepiece model that is taken: {what}")


def _unsupported(what: str) -> TokenizerError:
    return TokenizerError("vocabulary_unsupported", f"vocabulary: {what}")
