"""Generate and log: an engine run becomes a signed, logged generation, or nothing at all."""

import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from inference.drain import drain
from inference.engine import Engine
from inference.sampling import SamplingParams
from inference.transcript import Transcript
from ledger.commitment import new_salt
from ledger.content import VISIBILITIES, Content
from ledger.index import ContentIndex, echo_permille, fingerprint_root
from ledger.log import Entry, Log
from ledger.statement import GenerationStatement
from web.errors import RequestError
from web.indexing import keep_up
from web.parameters import stated
from web.signer import Signer
from web.slots import Slots


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """A finished generation and its log entry."""

    transcript: Transcript
    entry: Entry
    text: str
    finish: str  # "stop", "length" or "cancelled"
    visibility: str
    receipt_key: str  # opens the receipt of a record that is not public


@dataclass(frozen=True, slots=True)
class Totals:
    """What was logged since the start."""

    runs: dict[str, int]  # by finish
    prompt_tokens: int
    output_tokens: int


class GenerationService:
    """Runs the engine and logs what it made. Safe to share between threads."""

    def __init__(self, engine: Engine, log: Log, index: ContentIndex, signer: Signer, runs_max: int) -> None:
        self._engine = engine
        self._log = log
        self._index = index
        self._signer = signer
        self._slots = Slots(runs_max, "generations")
        self._counting = threading.Lock()
        self._totals = Totals({}, 0, 0)

    def prompt_ids(self, prompt: str | Sequence[int]) -> tuple[int, ...]:
        """Token ids of a prompt, with BOS for a text; ids are taken as they are."""
        if isinstance(prompt, str):
            return tuple(self._engine.encode_prompt(prompt))
        return tuple(prompt)

    def prompt_text(self, ids: Sequence[int]) -> str:
        """The text of prompt ids; for a prompt that came as a text, that very text. TokenizerError."""
        return self._engine.tokenizer.decode(ids).decode("utf-8", errors="replace")

    def stream(
        self,
        prompt: str | Sequence[int],
        params: SamplingParams,
        visibility: str = "public",
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Generator[str, None, LoggedRun]:
        """Yield the output's text as it comes, then log the run, then return it (`StopIteration.value`).

        The deltas join to the logged text byte for byte. A run that `cancelled` ends, or whose consumer
        closes this generator, is logged with what it made so far and finish "cancelled". A run that raises
        logs nothing. Raises InferenceError, LedgerError, or RequestError (`overloaded`, 503).
        """
        if visibility not in VISIBILITIES:
            raise RequestError(
                "invalid_value", f"visibility must be one of {', '.join(VISIBILITIES)}", 400, "visibility"
            )
        left = threading.Event()
        with self._slots.hold():
            prompt_ids = self.prompt_ids(prompt)
            run = self._engine.generate(prompt_ids, params, lambda: left.is_set() or cancelled())
            while True:
                try:
                    delta = next(run)
                except StopIteration as end:
                    transcript: Transcript = end.value
                    break
                if not left.is_set():
                    try:
                        yield delta
                    except GeneratorExit:
                        left.set()
            return self._record(transcript, visibility)

    def run(
        self,
        prompt: str | Sequence[int],
        params: SamplingParams,
        visibility: str = "public",
        cancelled: Callable[[], bool] = lambda: False,
    ) -> LoggedRun:
        """`stream`, for callers that want only the end."""
        return drain(self.stream(prompt, params, visibility, cancelled))

    def _record(self, transcript: Transcript, visibility: str) -> LoggedRun:
        content = Content(
            prompt_text=self.prompt_text(transcript.prompt_ids),
            prompt_ids=transcript.prompt_ids,
            prompt_salt=new_salt(),
            output_bytes=transcript.output_bytes,
            output_ids=transcript.output_ids,
            output_salt=new_salt(),
            stop=transcript.params.stop,
            visibility=visibility,
            logit_bias=transcript.params.logit_bias,
        )
        entry = self._signer.submit(lambda counter: _statement(transcript, content, counter), content)
        keep_up(self._index, self._log)
        self._count(transcript)
        return LoggedRun(transcript, entry, transcript.text, transcript.finish_reason, visibility, content.access_key())

    def totals(self) -> Totals:
        """Counts for monitoring."""
        return self._totals

    def _count(self, transcript: Transcript) -> None:
        with self._counting:
            old = self._totals
            finish = transcript.finish_reason
            self._totals = Totals(
                old.runs | {finish: old.runs.get(finish, 0) + 1},
                old.prompt_tokens + len(transcript.prompt_ids),
                old.output_tokens + len(transcript.output_ids),
            )


def _statement(transcript: Transcript, content: Content, counter: int) -> GenerationStatement:
    return GenerationStatement(
        time=int(time.time()),
        counter=counter,
        model_root=transcript.model_root,
        engine=transcript.engine,
        prompt_commitment=content.prompt_commitment(),
        output_commitment=content.output_commitment(),
        prompt_tokens=len(transcript.prompt_ids),
        output_tokens=len(transcript.output_ids),
        sampling=stated(transcript.params),
        finish=transcript.finish_reason,
        echo_permille=echo_permille(content.prompt_text, content.output_text),
        fingerprint_root=fingerprint_root(content.output_text, content.output_salt),
        assurance="replayable",
    )
