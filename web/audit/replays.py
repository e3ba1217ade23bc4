"""The second half of an audit: run a sample of the public generations again and compare every bit."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

from inference.config import ENGINE
from inference.errors import InferenceError
from inference.transcript import Transcript
from ledger.errors import LedgerError
from ledger.merkle import leaf_hash
from ledger.receipt import RECEIPT_BYTES_MAX, Receipt, check_receipt
from ledger.statement import GenerationStatement
from web.audit.errors import LogBroken
from web.audit.log import Finding, LogView
from web.audit.models import ModelCache
from web.audit.operators import OperatorBook
from web.audit.sample import draw_entries
from web.client import ClientError, RailClient
from web.opened import opened_transcript

DRAWS_MIN = 2_000  # entries looked at before a sample that stays too small is given up
DRAWS_PER_REPLAY = 64

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Replay:
    """One entry that was drawn and is public: what running it again showed."""

    index: int
    leaf_hash: bytes
    model_root: bytes
    verdict: str  # "match", "mismatch", or "unchecked" for a run that could not be replayed here
    tokens: int
    seconds: float
    first_difference: int | None = None  # index into the output's token ids; None unless a token differs
    reason: str | None = None  # short code; None for a match


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows of the audit's table, and how they were drawn."""

    rows: tuple[Replay, ...]
    findings: tuple[Finding, ...]
    drawn: int  # entries looked at
    not_public: int  # generations among them whose text the service does not give out


class Replayer:
    """Draws entries and replays them, one teacher-forced pass each."""

    def __init__(self, client: RailClient, view: LogView, book: OperatorBook, models: ModelCache) -> None:
        self._client = client
        self._view = view
        self._book = book
        self._models = models

    def run(self, wanted: int, since: int, seed: int, advance: Advance, download: Advance) -> Sample:
        """Replay up to `wanted` public generations among the entries from `since` on."""
        rows: list[Replay] = []
        findings: list[Finding] = []
        drawn = not_public = 0
        limit = max(DRAWS_MIN, DRAWS_PER_REPLAY * wanted)
        for index in islice(draw_entries(seed, since, self._view.checkpoint.size), limit):
            if len(rows) == wanted:
                break
            drawn += 1
            leaf = self._view.entry(index)
            try:
                payload = self._book.check(leaf).payload
            except LedgerError:
                continue  # Reported when the entries were checked.
            if not isinstance(payload, GenerationStatement) or payload.assurance != "replayable":
                continue
            try:
                transcript = self._transcript(index, leaf)
                if transcript is None:
                    not_public += 1
                    continue
                row = self._replay(index, leaf, transcript, download)
            except (LogBroken, ClientError, InferenceError) as error:
                row = Replay(index, leaf_hash(leaf), payload.model_root, "unchecked", 0, 0.0, reason=error.code)
                if isinstance(error, LogBroken):
                    findings.append(Finding(error.code, f"entry {index}: {error}", index))
            rows.append(row)
            advance(len(rows), wanted)
        rows.sort(key=lambda row: row.index)
        return Sample(tuple(rows), tuple(findings), drawn, not_public)

    def _transcript(self, index: int, leaf: bytes) -> Transcript | None:
        """The run as the service opens it, held against the commitments in `leaf`; None if it is not public.

        Raises LogBroken (`receipt_*`) for a receipt or texts that are not the logged ones, ClientError, InferenceError.
        """
        data = self._client.get(f"/api/records/{index}/receipt", RECEIPT_BYTES_MAX)
        try:
            checked = check_receipt(Receipt.from_json(data), self._view.key)
        except LedgerError as error:
            raise LogBroken(
                f"receipt_{error.code}", f"the service gives a receipt that does not hold: {error}"
            ) from error
        if checked.leaf_hash != leaf_hash(leaf):
            raise LogBroken("receipt_other_entry", "the service gives the receipt of another entry")
        return opened_transcript(checked)

    def _replay(self, index: int, leaf: bytes, transcript: Transcript, download: Advance) -> Replay:
        row = Replay(index, leaf_hash(leaf), transcript.model_root, "unchecked", len(transcript.output_ids), 0.0)
        if transcript.engine != ENGINE:
            return replace(row, reason="other_engine")
        engine = self._models.engine(transcript.model_root, download)
        started = time.monotonic()
        result = engine.replay(transcript)
        return replace(
            row,
            verdict=result.verdict,
            seconds=time.monotonic() - started,
            first_difference=result.first_difference,
            reason=result.reason,
        )
