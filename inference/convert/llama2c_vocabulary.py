"""The vocabulary of a llama2.c model: its tokenizer file, or a sentencepiece model.

    tokenizer.bin    u32 longest piece, then for each piece: float32 score, u32 length, the bytes (little endian)

llama2.c's own models begin a text with BOS, and end it with BOS or EOS.
"""

import math
import struct

from inference.convert.sentencepiece_writer import SPACE, Piece, byte_piece, sentencepiece_model
from inference.convert.sources import Source
from inference.errors import ConversionError
from inference.pieces import PIECES_MAX, PieceType
from inference.sentencepiece_codec import load_model
from inference.sentencepiece_model import SentencePieceModel
from inference.vocabulary import DATA_BYTES_MAX, Vocabulary

_PIECE = struct.Struct("<fI")
_UNK_ID, _BOS_ID, _EOS_ID = 0, 1, 2


def llama2c_vocabulary(source: Source) -> Vocabulary:
    """The vocabulary in a tokenizer.bin if the file's name ends in `.bin`, else in a sentencepiece model.

    Raises ConversionError (`vocabulary`), TokenizerError for a sentencepiece model that is refused.
    """
    if source.name.endswith(".bin"):
        data, ends = _read_tokenizer(source), (_BOS_ID, _EOS_ID)
    else:
        data = model_bytes(source)
        ends = model_ends(data)
        if min(ends) < 0:
            raise ConversionError("vocabulary", f"{source.name}: it has no BOS or no EOS piece")
    return Vocabulary("sentencepiece", data, ends[0], True, ends[1], tuple(sorted(set(ends))), True)


def model_bytes(source: Source) -> bytes:
    """A file that is small enough to be a vocabulary. Raises ConversionError (`vocabulary`)."""
    if len(source.data) > DATA_BYTES_MAX:
        raise ConversionError("vocabulary", f"{source.name}: {len(source.data)} bytes are no vocabulary")
    return bytes(source.data)


def model_ends(data: bytes) -> tuple[int, int]:
    """BOS and EOS as a sentencepiece model has them, -1 for one that is not there. Raises TokenizerError."""
    SentencePieceModel.decode(data)
    model = load_model(data)
    return model.bos_id(), model.eos_id()


def _read_tokenizer(source: Source) -> bytes:
    """A sentencepiece ModelProto of the pieces."""
    pieces: list[Piece] = []
    offset = 4
    while offset < len(source.data) and len(pieces) < PIECES_MAX:
        if offset + _PIECE.size > len(source.data):
            raise _cut(source, len(pieces))
        score, length = _PIECE.unpack_from(source.data, offset)
        offset += _PIECE.size
        if length > len(source.data) - offset:
            raise _cut(source, len(pieces))
        pieces.append(_piece(source, len(pieces), bytes(source.data[offset : offset + length]), score))
        offset += length
    if offset != len(source.data) or not pieces:
        raise _cut(source, len(pieces))
    return sentencepiece_model(pieces, _UNK_ID, _BOS_ID, _EOS_ID)


def _piece(source: Source, index: int, data: bytes, score: float) -> Piece:
    """llama2.c writes plain spaces, and newlines around the names of BOS and EOS."""
    if index in (_BOS_ID, _EOS_ID):
        return Piece("<s>" if index == _BOS_ID else "</s>", 0.0, PieceType.CONTROL)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConversionError("vocabulary", f"{source.name}: piece {index} is not UTF-8") from None
    if index == _UNK_ID:
        return Piece(text, 0.0, PieceType.UNKNOWN)
    if 3 <= index < 259 and text == byte_piece(index - 3):
        return Piece(text, 0.0, PieceType.BYTE)
    if not math.isfinite(score):
        raise ConversionError("vocabulary", f"{source.name}: piece {index} has a score that is not finite")
    return Piece(text.replace(" ", SPACE), score, PieceType.NORMAL)


def _cut(source: Source, index: int) -> ConversionError:
    return ConversionError("vocabulary", f"{source.name}: cut short or damaged at piece {index}")
