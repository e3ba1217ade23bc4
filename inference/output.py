"""From sampled ids to the output's bytes and text, and to the reason why a run ends.

Generation and replay both go through this one class, so they cannot disagree about what an output is.
"""

from collections.abc import Sequence

from inference.sampling import SamplingParams
from inference.text_stream import Utf8Stream
from inference.tokenizer import Tokenizer


class Output:
    """Takes ids one at a time until `finish_reason` is set.

    A run ends with a stop id of the vocabulary, the id that completes a stop text, or the id number `tokens_max`.
    Text that may still turn out to be the beginning of a stop text is held back, as is a character that is cut.
    """

    def __init__(
        self, tokenizer: Tokenizer, prompt_ids: Sequence[int], params: SamplingParams, tokens_max: int
    ) -> None:
        self._tokenizer = tokenizer
        self._previous = prompt_ids[-1]
        self._stops = [text.encode("utf-8") for text in params.stop]
        self._tokens_max = tokens_max
        self._released = bytearray()
        self._held = b""  # a proper prefix of a stop text, or nothing
        self._stream = Utf8Stream()
        self.tokens = 0
        self.finish_reason: str | None = None  # None: the run goes on

    @property
    def data(self) -> bytes:
        """The output so far, without what is held back."""
        return bytes(self._released)

    def push(self, id: int) -> str:
        """Add a sampled id; the text that is certain now."""
        assert self.finish_reason is None
        self.tokens += 1
        if id in self._tokenizer.stop_ids:
            return self._end("stop")
        pending = self._held + self._tokenizer.piece(id, self._previous)
        self._previous = id
        starts = [start for stop in self._stops if (start := pending.find(stop)) >= 0]
        if starts:
            self._held = pending[: min(starts)]
            return self._end("stop")
        self._held = pending
        if self.tokens == self._tokens_max:
            return self._end("length")
        return self._release(len(pending) - self._undecided(pending))

    def cancel(self) -> str:
        """End the run here; the rest of the text."""
        return self._end("cancelled")

    def _end(self, reason: str) -> str:
        self.finish_reason = reason
        return self._release(len(self._held)) + self._stream.finish()

    def _release(self, count: int) -> str:
        data, self._held = self._held[:count], self._held[count:]
        self._released += data
        return self._stream.push(data)

    def _undecided(self, pending: bytes) -> int:
        """Length of the longest end of `pending` with which a stop text begins."""
        return max(
            (size for stop in self._stops for size in range(1, len(stop)) if pending.endswith(stop[:size])), default=0
        )
