"""Text to token ids and back, byte for byte (SPEC.md, "Tokenizer").

Every vocabulary that is accepted gives back exactly the text it was given: it has byte fallback, and text is not
normalised. Decoding is our own, from a table of the bytes of each piece, so that what an output's bytes are does
not hang on a library.
"""

import codecs
import hashlib
from collections.abc import Iterable

import sentencepiece

from inference.errors import TokenizerError

TEXT_BYTES_MAX = 1 << 20
# Appended to a ModelProto, a second normalizer_spec overrides fields of the first (protobuf merges messages):
# remove_extra_whitespaces is off always, add_dummy_prefix (a space before the text) in the middle of a text.
_KEEP_SPACES = b"\x1a\x02\x20\x00"
_NO_SPACE_BEFORE = b"\x1a\x02\x18\x00"
_SPACE = "\u2581"  # sentencepiece's way to write a space inside a piece
# Characters that a normaliser, a space rule or a missing byte piece would change.
_PROBE = "  a  \n\r\tb\u00a0\u200b\ufeff\ufb01\u2460\u00c5A\u030a\u2581 \u4f60\u597d \U0001f9ea\u0000<s></s> "


class Tokenizer:
    """A vocabulary, safe to use from several threads at once.

    Raises TokenizerError: `vocabulary_damaged` if sentencepiece cannot load the bytes, `vocabulary_unsupported` if
    it has no BOS or EOS, or does not give every text back.
    """

    def __init__(self, model_bytes: bytes) -> None:
        self.digest = hashlib.sha256(model_bytes).digest()
        self._start = _load(model_bytes + _KEEP_SPACES)
        self._middle = _load(model_bytes + _KEEP_SPACES + _NO_SPACE_BEFORE)
        self.vocab_size: int = self._start.vocab_size()
        self.bos_id: int = self._start.bos_id()
        self.eos_id: int = self._start.eos_id()
        if min(self.bos_id, self.eos_id) < 0:
            raise TokenizerError("vocabulary_unsupported", "vocabulary: it has no BOS or no EOS piece")
        self._space_before = self._start.encode("a") != self._middle.encode("a")
        self._bytes = [_piece_bytes(self._start, id) for id in range(self.vocab_size)]
        self._byte_ids = {self._bytes[id]: id for id in range(self.vocab_size) if self._start.is_byte(id)}
        self.piece_bytes_max = max(map(len, self._bytes))
        if len(self._byte_ids) != 256 or any(
            self.decode(self.encode(_PROBE, bos)) != _PROBE.encode() for bos in (True, False)
        ):
            raise TokenizerError(
                "vocabulary_unsupported",
                "vocabulary: it does not give every text back; it needs byte fallback and an identity normaliser",
            )

    def encode(self, text: str, bos: bool = True) -> list[int]:
        """Token ids of a text of at most TEXT_BYTES_MAX bytes of UTF-8.

        With `bos`, the ids of a text's beginning: BOS, then the pieces, after a space if the vocabulary puts one
        there; an empty text is BOS alone. Without, the ids of a continuation: nothing is put before it.
        Raises TokenizerError: `not_unicode` for lone surrogates, `text_too_long`.
        """
        if len(text) > TEXT_BYTES_MAX:
            raise _too_long(len(text))
        try:
            size = len(text.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise TokenizerError(
                "not_unicode", f"text has a lone surrogate at character {error.start}; it is not valid Unicode"
            ) from None
        if size > TEXT_BYTES_MAX:
            raise _too_long(size)
        ids = [self.bos_id] if bos else []
        # A piece cannot tell U+2581 from a space, so that character itself always goes through its bytes.
        for index, part in enumerate(text.split(_SPACE)):
            if index:
                ids += [self._byte_ids[bytes([value])] for value in _SPACE.encode()]
            ids += (self._start if bos and index == 0 else self._middle).encode(part)
        return ids

    def decode(self, ids: Iterable[int], previous: int | None = None) -> bytes:
        """Bytes of the ids, not always valid UTF-8. The space put before a text is dropped after BOS.

        `previous` is the id before the first one (None: there is none). Control pieces have no bytes. Raises
        TokenizerError (`id_out_of_range`).
        """
        out = bytearray()
        for id in ids:
            out += self.piece(id, previous)
            previous = id
        return bytes(out)

    def piece(self, id: int, previous: int | None = None) -> bytes:
        """Bytes of one id that follows `previous`."""
        if not 0 <= id < self.vocab_size:
            raise TokenizerError("id_out_of_range", f"token id {id} is not in the vocabulary of {self.vocab_size}")
        data = self._bytes[id]
        dropped = self._space_before and previous == self.bos_id and data[:1] == b" " and not self._start.is_byte(id)
        return data[1:] if dropped else data

    def stream(self, previous: int | None = None) -> "TextStream":
        """A decoder for ids that come one at a time; `previous` as in `decode`."""
        return TextStream(self, previous)


class TextStream:
    """Text of ids that come one at a time. All deltas together equal `decode(ids).decode("utf-8", "replace")`."""

    def __init__(self, tokenizer: Tokenizer, previous: int | None) -> None:
        self._tokenizer = tokenizer
        self._previous = previous
        self._stream = Utf8Stream()

    def push(self, id: int) -> str:
        """Text that the id completes; it never ends inside a character."""
        data = self._tokenizer.piece(id, self._previous)
        self._previous = id
        return self._stream.push(data)

    def finish(self) -> str:
        """What is left: a replacement character for a cut character, else nothing."""
        return self._stream.finish()


class Utf8Stream:
    """Text of bytes that come in parts; what cannot be UTF-8 becomes replacement characters."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, data: bytes) -> str:
        return self._decoder.decode(data)

    def finish(self) -> str:
        return self._decoder.decode(b"", final=True)


def _load(model_bytes: bytes) -> sentencepiece.SentencePieceProcessor:
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=model_bytes)
    except (RuntimeError, ValueError, TypeError) as error:
        raise TokenizerError("vocabulary_damaged", f"vocabulary: sentencepiece cannot load it: {error}") from None


def _piece_bytes(processor: sentencepiece.SentencePieceProcessor, id: int) -> bytes:
    piece = processor.id_to_piece(id)
    if processor.is_byte(id):
        return bytes([int(piece[3:5], 16)])
    if processor.is_control(id) or processor.is_unused(id):
        return b""
    if processor.is_unknown(id):
        return "\ufffd".encode()
    return piece.replace(_SPACE, " ").encode("utf-8")


def _too_long(size: int) -> TokenizerError:
    return TokenizerError("text_too_long", f"text of {size} bytes or more; at most {TEXT_BYTES_MAX} are taken")
