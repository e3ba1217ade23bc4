"""Text of bytes or ids that come one at a time, never cut inside a character."""

import codecs
from typing import Protocol


class _Pieces(Protocol):
    def piece(self, id: int, previous: int | None = None) -> bytes: ...


class TextStream:
    """Text of ids that come one at a time. All deltas together equal `decode(ids).decode("utf-8", "replace")`."""

    def __init__(self, tokenizer: _Pieces, previous: int | None) -> None:
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
