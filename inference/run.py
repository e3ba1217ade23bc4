"""One generation in progress: what the model still has to see, and what it made."""

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import native
from inference.output import Output
from native.sampler import Sampler


class Run:
    """A sequence that grows by sampled ids until its output ends. Belongs to one batch; not for several threads."""

    def __init__(self, prompt: Sequence[int], sampler: Sampler, output: Output, session: native.Session) -> None:
        """`sampler` has seen the prompt."""
        self.prompt, self.sampler, self.output, self.session = tuple(prompt), sampler, output, session
        self.output_ids: list[int] = []
        self.deltas: deque[str] = deque()  # text that nobody took yet
        self.error: Exception | None = None  # why the run cannot go on; None: it can

    @property
    def over(self) -> bool:
        return self.output.finish_reason is not None or self.error is not None

    @property
    def ids(self) -> tuple[int, ...]:
        """What the model has seen: the session's content."""
        return (self.prompt + tuple(self.output_ids))[: self.session.position]

    @property
    def unseen(self) -> int:
        """Ids that the model has not seen yet: the rest of the prompt, or the last sampled id."""
        return len(self.prompt) + len(self.output_ids) - self.session.position

    def piece(self, room: int) -> native.Piece:
        """The next ids, at most `room`; logits are wanted once the last one is among them."""
        start = self.session.position
        if start >= len(self.prompt):
            return native.Piece(self.session, self.output_ids[start - len(self.prompt) :])
        end = min(start + room, len(self.prompt))
        return native.Piece(self.session, self.prompt[start:end], int(end == len(self.prompt)))

    def take(self, logits: NDArray[np.int32]) -> None:
        """Draw the next id from the logits of the last one."""
        drawn = self.sampler.sample(logits, len(self.prompt) + len(self.output_ids))
        self.output_ids.append(drawn)
        self.sampler.see([drawn], output=True)
        self._add(self.output.push(drawn))

    def cancel(self) -> None:
        """End the run here, unless it is over."""
        if not self.over:
            self._add(self.output.cancel())

    def _add(self, delta: str) -> None:
        if delta:
            self.deltas.append(delta)
