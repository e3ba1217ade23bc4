"""Text to token ids and back, byte for byte (SPEC.md, "Tokenizer").

Every vocabulary that is accepted gives back exactly the text it was given: each byte has a piece, and text is not
normalised. Decoding is our own, from a table of the bytes of each piece, so that what an output's bytes are does
not hang on a library.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from inference import cbor
from inference.bpe_codec import BytePairCodec
from inference.errors import TokenizerError
from inference.sentencepiece_codec import SentencePieceCodec
from inference.text_stream import TextStream
from inference.vocabulary import Vocabulary

TEXT_BYTES_MAX = 1 << 20


class Codec(Protocol):
    """What the two kinds of vocabulary have in common."""

    @property
    def pieces(self) -> Sequence[bytes]: ...  # by id: the bytes that it stands for

    @property
    def controls(self) -> Mapping[str, int]: ...  # control pieces by their text

    @property
    def space_before(self) -> bool: ...  # whether a space is put before the beginning of a text

    def encode(self, text: str, beginning: bool) -> list[int]: ...

    def opens_with_space(self, id: int) -> bool: ...


class Tokenizer:
    """A vocabulary, safe to use from several threads at once.

    `rows` is how many ids the model has (None: as many as pieces); those without a piece are valid and have no bytes.
    Raises TokenizerError: `vocabulary_damaged`, `vocabulary_unsupported`, `vocabulary_mismatch` for more pieces than
    rows or for BOS and stop ids that are no control pieces.
    """

    def __init__(self, vocabulary: Vocabulary, rows: int | None = None) -> None:
        self.digest = hashlib.sha256(cbor.encode(vocabulary.to_map())).digest()
        kinds: dict[str, type[BytePairCodec] | type[SentencePieceCodec]] = {
            "bpe": BytePairCodec,
            "sentencepiece": SentencePieceCodec,
        }
        self._codec: Codec = kinds[vocabulary.kind](vocabulary.data)
        self.vocab_size: int = len(self._codec.pieces) if rows is None else rows
        if len(self._codec.pieces) > self.vocab_size:
            raise _mismatch(f"it has {len(self._codec.pieces)} pieces, the model only {self.vocab_size} ids")
        self.bos_id = vocabulary.bos_id
        self.add_bos = vocabulary.add_bos
        self.eos_id = vocabulary.eos_id
        self.stop_ids = frozenset(vocabulary.stop_ids)
        self.controls: Mapping[str, int] = dict(self._codec.controls)  # control pieces by their text
        silent = frozenset(self.controls.values())
        if not silent.issuperset(vocabulary.stop_ids) or self.bos_id not in {*silent, None}:
            raise _mismatch("BOS and the ids that end a run must be control pieces of it")
        self.piece_bytes_max = max(map(len, self._codec.pieces))
        # Ids after which a text begins. None stands for the place before the first id of all.
        self._begins: set[int | None] = {self.bos_id} if self.add_bos else {self.bos_id, None}
        self._begins_in_chat = silent if vocabulary.space_after_control else frozenset()
        self._begins |= self._begins_in_chat

    def encode(self, text: str, bos: bool = True) -> list[int]:
        """Token ids of a text of at most TEXT_BYTES_MAX bytes of UTF-8.

        With `bos`, the ids of a text's beginning: BOS if the vocabulary begins with it, then the pieces, after a space
        if the vocabulary puts one there. Without, the ids of a continuation: nothing is put before it.
        Raises TokenizerError: `not_unicode` for lone surrogates, `text_too_long`.
        """
        _check_text(text)
        first = [self.bos_id] if bos and self.add_bos and self.bos_id is not None else []
        return first + self._codec.encode(text, bos)

    def encode_rendered(self, parts: Sequence[str | int]) -> tuple[int, ...]:
        """Ids of a rendered chat: texts, and between them the ids of control pieces. No BOS is put before it.

        The first text begins as a text does, and so do those after a control piece if the vocabulary says so.
        """
        ids: list[int] = []
        for part in parts:
            if isinstance(part, int):
                ids.append(part)
            elif part:
                _check_text(part)
                ids += self._codec.encode(part, not ids or ids[-1] in self._begins_in_chat)
        return tuple(ids)

    def decode(self, ids: Iterable[int], previous: int | None = None) -> bytes:
        """Bytes of the ids, not always valid UTF-8. The space put before a text is dropped where a text begins.

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
        if id >= len(self._codec.pieces):
            return b""
        data = self._codec.pieces[id]
        dropped = self._codec.space_before and previous in self._begins and self._codec.opens_with_space(id)
        return data[1:] if dropped else data

    def stream(self, previous: int | None = None) -> TextStream:
        """A decoder for ids that come one at a time; `previous` as in `decode`."""
        return TextStream(self, previous)


def _check_text(text: str) -> None:
    """Raise TokenizerError unless it is Unicode and not too long."""
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


def _too_long(size: int) -> TokenizerError:
    return TokenizerError("text_too_long", f"text of {size} bytes or more; at most {TEXT_BYTES_MAX} are taken")


def _mismatch(what: str) -> TokenizerError:
    return TokenizerError("vocabulary_mismatch", f"vocabulary: {what}")
