"""A sentencepiece vocabulary from plain pieces: the ModelProto for sources that carry only pieces and scores.

The protobuf encoding is written by hand: a few fields, always in this order, so that the bytes are the same on
every machine. Field numbers are those of sentencepiece_model.proto.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inference.errors import ConversionError
from inference.pieces import PIECE_BYTES_MAX, PieceType
from inference.sentencepiece_model import SPACE, SentencePieceModel, StoredPiece, byte_piece

__all__ = ["SPACE", "Piece", "PieceType", "byte_piece", "sentencepiece_model", "with_pieces"]


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    score: float  # of a merge: the highest goes first
    type: PieceType


def sentencepiece_model(
    pieces: Sequence[Piece], unk_id: int, bos_id: int, eos_id: int, space_before: bool = True
) -> bytes:
    """A byte-pair model with byte fallback and no normalisation; with `space_before`, one space goes before a text.

    The three ids get the types that sentencepiece asks for, whatever the source says.
    Raises ConversionError (`vocabulary`) for pieces that sentencepiece would not load or that lose bytes.
    """
    roles = {unk_id: PieceType.UNKNOWN, bos_id: PieceType.CONTROL, eos_id: PieceType.CONTROL}
    _check(pieces, roles)
    texts = [piece.text.encode("utf-8") for piece in pieces]
    model = b"".join(
        _piece(texts[id], struct.pack("<f", piece.score), roles.get(id, piece.type)) for id, piece in enumerate(pieces)
    )
    trainer = (
        _integer(3, 2)  # model_type: BPE
        + _integer(4, len(pieces))
        + _integer(35, 1)  # byte_fallback
        + _integer(40, unk_id)
        + _integer(41, bos_id)
        + _integer(42, eos_id)
        + _integer(43, -1)  # pad_id: none
        + _message(45, texts[unk_id])
        + _message(46, texts[bos_id])
        + _message(47, texts[eos_id])
    )
    normalizer = (
        _message(1, b"identity")
        + _integer(3, int(space_before))  # add_dummy_prefix
        + _integer(4, 0)  # remove_extra_whitespaces
        + _integer(5, 1)  # escape_whitespaces
    )
    return model + _message(2, trainer) + _message(3, normalizer)


def with_pieces(model: SentencePieceModel, pieces: Sequence[StoredPiece]) -> bytes:
    """The ModelProto with other pieces, and all else as it was."""
    return b"".join(_piece(piece.text.encode("utf-8"), piece.score, piece.type) for piece in pieces) + model.other


def _piece(text: bytes, score: bytes, kind: int) -> bytes:
    return _message(1, _message(1, text) + _tag(2, 5) + score + _integer(3, kind))


def _check(pieces: Sequence[Piece], roles: Mapping[int, PieceType]) -> None:
    if len(roles) != 3 or min(roles) < 0 or max(roles) >= len(pieces):
        raise ConversionError("vocabulary", "vocabulary: the unknown, BOS and EOS ids are not three of its pieces")
    seen: set[str] = set()
    for index, piece in enumerate(pieces):
        try:
            size = len(piece.text.encode("utf-8"))
        except UnicodeEncodeError:
            size = 0
        if not 0 < size <= PIECE_BYTES_MAX or "\0" in piece.text:
            raise ConversionError("vocabulary", f"vocabulary: piece {index} is empty, too long or not text")
        if piece.text in seen:
            raise ConversionError("vocabulary", f"vocabulary: piece {index} repeats an earlier one")
        seen.add(piece.text)
    missing = [value for value in range(256) if byte_piece(value) not in seen]
    if missing:
        raise ConversionError(
            "vocabulary",
            f"vocabulary: no piece for byte {missing[0]:#04x}; only models with byte fallback are supported",
        )


def _tag(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _integer(field: int, value: int) -> bytes:
    """Negative numbers take ten bytes, as protobuf's int32 does."""
    return _tag(field, 0) + _varint(value & (1 << 64) - 1)


def _message(field: int, content: bytes) -> bytes:
    return _tag(field, 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
