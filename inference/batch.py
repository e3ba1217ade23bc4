"""Continuous batching: runs that are under way at one time go through the model together.

There is no thread of its own. Whoever waits for the next piece of a run, and finds nobody at work, does a step for all
runs and tells the others; so a single run costs no hand-over at all. A run goes on for a while when nobody takes its
text, then it rests: a slow reader holds up nobody and fills no memory.

    waiting ──(a place is free)──> running ──(output ends, or cancelled)──> over

No effect on bits: a token's result does not depend on what is computed beside it.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta

import native
from inference.run import Run

PROMPT_TOKENS = 256  # of a prompt in one step, when nothing else is running
PROMPT_TOKENS_SHARED = 64  # when other runs wait for their next token
DELTAS_AHEAD = 32  # pieces of text that a run makes before somebody takes them
POLL_SECONDS = timedelta(milliseconds=100).total_seconds()  # how often a caller that waits looks for a cancel


class Batch:
    """Runs of one model. Safe to use from several threads, one for each run."""

    def __init__(self, model: native.Model, running_max: int, ended: Callable[[Run], None]) -> None:
        """`ended` hears of each run that is over, once, before its last text is taken."""
        self._model, self._running_max, self._ended = model, running_max, ended
        self._changed = threading.Condition()
        self._waiting: deque[Run] = deque()
        self._running: list[Run] = []
        self._stepping = False  # somebody does a step, outside the lock

    def add(self, run: Run) -> None:
        """The run waits for a place; runs get theirs in the order in which they came."""
        with self._changed:
            self._waiting.append(run)

    def next(self, run: Run, cancelled: Callable[[], bool]) -> str | None:
        """The run's next piece of text, None when there is no more. Raises what stopped the run.

        `cancelled` is asked before each step and while waiting; once true, the run ends with what there is.
        """
        while True:
            with self._changed:
                if run.deltas:
                    return run.deltas.popleft()
                if run.error is not None:
                    raise run.error
                if run.over:
                    return None
                if cancelled():
                    self._remove(run)
                    run.cancel()
                    self._ended(run)
                    continue
                chosen = [] if self._stepping else self._choose()
                if not chosen:
                    self._changed.wait(POLL_SECONDS)
                    continue
                self._stepping = True
            self._step(chosen)

    def remove(self, run: Run) -> None:
        """Forget a run that nobody wants any more; no effect on one that is over."""
        with self._changed:
            while self._stepping and run in self._running:
                self._changed.wait(POLL_SECONDS)
            self._remove(run)

    def _remove(self, run: Run) -> None:
        if run in self._running:
            self._running.remove(run)
        elif run in self._waiting:
            self._waiting.remove(run)

    def _choose(self) -> list[tuple[Run, native.Piece]]:
        """What the next step does: a token for every run that has one, and parts of the prompts as far as there is
        room.
        """
        while self._waiting and len(self._running) < self._running_max:
            self._running.append(self._waiting.popleft())
        active = [run for run in self._running if len(run.deltas) < DELTAS_AHEAD]
        chosen = [(run, run.piece(1)) for run in active if run.unseen == 1]
        room = PROMPT_TOKENS_SHARED if chosen else PROMPT_TOKENS
        for run in active:
            if run.unseen > 1 and room > 0:
                piece = run.piece(room)
                room -= len(piece.ids)
                chosen.append((run, piece))
        return chosen

    def _step(self, chosen: list[tuple[Run, native.Piece]]) -> None:
        """Outside the lock; only the one caller that set `_stepping` is here."""
        try:
            logits = iter(self._model.step([piece for _, piece in chosen]))
            for run, piece in chosen:
                if piece.logits:
                    run.take(next(logits))
        except Exception as error:
            for run, _ in chosen:
                run.error = error
        with self._changed:
            self._stepping = False
            for run, _ in chosen:
                if run.over and run in self._running:
                    self._running.remove(run)
                    self._ended(run)
            self._changed.notify_all()
