"""Text to ids through sentencepiece, and the bytes of each id.

Decoding is our own, from the pieces' texts. A vocabulary is refused unless a text of everything that sentencepiece
vocabularies may lose comes back from it.
"""

import sentencepiece

from inference.errors import TokenizerError
from inference.pieces import PieceType
from inference.sentencepiece_model import SPACE, SentencePieceModel, StoredPiece, byte_piece

# Appended to a ModelProto, a second normalizer_spec overrides fields of the first (protobuf merges messages):
# remove_extra_whitespaces is off always, add_dummy_prefix (a space before the text) in the middle of a text.
_KEEP_SPACES = b"\x1a\x02\x20\x00"
_NO_SPACE_BEFORE = b"\x1a\x02\x18\x00"
_PROBE = "  a  \n\r\tb\u00a0\u200b\ufeff\ufb01\u2460\u00c5A\u030a\u2581 \u4f60\u597d \U0001f9ea\u0000<s></s> "


class SentencePieceCodec:
    """A sentencepiece vocabulary; `data` is a ModelProto.

    Raises TokenizerError: `vocabulary_damaged` for bytes that break a rule of `SentencePieceModel` or do not load,
    `vocabulary_unsupported` if not every text comes back.
    """

    def __init__(self, data: bytes) -> None:
        stored = SentencePieceModel.decode(data).pieces
        self._start = load_model(data + _KEEP_SPACES)
        self._middle = load_model(data + _KEEP_SPACES + _NO_SPACE_BEFORE)
        self.space_before = self._start.encode("a") != self._middle.encode("a")
        self.pieces = [_piece_bytes(piece) for piece in stored]
        self.controls = {piece.text: id for id, piece in enumerate(stored) if piece.type == PieceType.CONTROL}
        self._byte_ids = {self.pieces[id]: id for id, piece in enumerate(stored) if piece.type == PieceType.BYTE}
        self._byte_id_set = frozenset(self._byte_ids.values())
        # Texts that sentencepiece takes as a whole, and those it must not: releases before 0.2.3 did, which loses them.
        probed = (PieceType.USER_DEFINED, PieceType.UNUSED)
        probe = _PROBE + "|".join(piece.text.replace(SPACE, " ") for piece in stored if piece.type in probed)
        for beginning in (True, False):
            decoded = b"".join(self.pieces[id] for id in self.encode(probe, beginning))
            if decoded != b" " * (beginning and self.space_before) + probe.encode():
                raise TokenizerError("vocabulary_unsupported", "vocabulary: it does not give every text back")

    def encode(self, text: str, beginning: bool) -> list[int]:
        """Ids of a text; at a `beginning` after the space that the vocabulary puts there."""
        ids: list[int] = []
        # A piece cannot tell U+2581 from a space, so that character itself always goes through its bytes.
        for index, part in enumerate(text.split(SPACE)):
            if index:
                ids += [self._byte_ids[bytes([value])] for value in SPACE.encode()]
            ids += (self._start if beginning and index == 0 else self._middle).encode(part)
        return ids

    def opens_with_space(self, id: int) -> bool:
        """Whether the id may hold the space that was put before a text."""
        return self.pieces[id][:1] == b" " and id not in self._byte_id_set


def load_model(model_bytes: bytes) -> sentencepiece.SentencePieceProcessor:
    """Raises TokenizerError (`vocabulary_damaged`). Give it only what `SentencePieceModel` took."""
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=model_bytes)
    except (RuntimeError, ValueError, TypeError) as error:
        raise TokenizerError("vocabulary_damaged", f"vocabulary: sentencepiece cannot load it: {error}") from None


_BYTES = {byte_piece(value): bytes([value]) for value in range(256)}


def _piece_bytes(piece: StoredPiece) -> bytes:
    if piece.type == PieceType.NORMAL or piece.type == PieceType.USER_DEFINED:
        return piece.text.replace(SPACE, " ").encode("utf-8")
    if piece.type == PieceType.BYTE:
        return _BYTES[piece.text]
    return "\ufffd".encode() if piece.type == PieceType.UNKNOWN else b""
