"""Run a logged generation again on this machine and say whether the bits agree."""

import time
from dataclasses import dataclass

from inference.config import ENGINE
from inference.engine import Engine
from inference.errors import InferenceError
from inference.transcript import Transcript
from ledger.content import Content
from ledger.log import Entry, Log
from ledger.statement import GenerationStatement, open_statement
from web.errors import RequestError
from web.parameters import runnable
from web.slots import Slots

REPLAYS_MAX = 4  # at one time; each has a cache of its own and they take turns


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """The verdict on one entry."""

    entry: Entry
    verdict: str  # "match", "mismatch" or "not_reproducible"
    tokens: int  # output tokens that agree
    first_difference: int | None  # index into the output ids; None unless a token differs
    reason: str | None  # what differs, or why it cannot be run; None for a match
    seconds: float
    engine: str
    kernels: str


class ReplayService:
    """Replays entries of the log on the loaded model. Safe to share between threads."""

    def __init__(self, engine: Engine, log: Log) -> None:
        self._engine = engine
        self._log = log
        self._slots = Slots(REPLAYS_MAX, "replays")

    def replay(self, entry: Entry) -> ReplayOutcome:
        """Replay a generation. Raises RequestError (`not_a_generation`, 422) for another type of entry."""
        payload = open_statement(entry.statement).payload
        if not isinstance(payload, GenerationStatement):
            raise RequestError("not_a_generation", f"record {entry.index} is a {entry.type} statement", 422)
        content = self._log.content(entry.index)
        reason = self._obstacle(payload, content)
        kernels = self._engine.kernels
        if reason is not None:
            return ReplayOutcome(entry, "not_reproducible", 0, None, reason, 0.0, ENGINE, kernels)
        assert content is not None
        started = time.monotonic()
        try:
            with self._slots.hold():
                result = self._engine.replay(transcript_of(payload, content))
        except InferenceError as error:
            # Token ids or parameters that no run of this model can have had.
            return ReplayOutcome(entry, "not_reproducible", 0, None, error.code, 0.0, ENGINE, kernels)
        seconds = time.monotonic() - started
        return ReplayOutcome(
            entry, result.verdict, result.tokens, result.first_difference, result.reason, seconds, ENGINE, kernels
        )

    def _obstacle(self, payload: GenerationStatement, content: Content | None) -> str | None:
        """Why this machine cannot replay the entry now, None if it can."""
        if payload.assurance != "replayable":
            return "attested_only"
        if payload.engine != ENGINE:
            return "other_engine"
        if payload.model_root != self._engine.model.root:
            return "other_model"
        if content is None:
            return "no_content"
        return None


def transcript_of(payload: GenerationStatement, content: Content) -> Transcript:
    """The run that a statement and its content describe."""
    return Transcript(
        engine=payload.engine,
        model_root=payload.model_root,
        prompt_ids=content.prompt_ids,
        output_ids=content.output_ids,
        output_bytes=content.output_bytes,
        params=runnable(payload.sampling, content.stop, content.logit_bias),
        finish_reason=payload.finish,
    )
