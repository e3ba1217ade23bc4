"""The second half of an audit: run a sample of the public generations again and compare every bit."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from inference.errors import InferenceError
from ledger.content import Content
from ledger.errors import LedgerError
from ledger.merkle import leaf_hash
from ledger.receipt import Receipt
from ledger.statement import GenerationStatement
from web.audit.errors import LogBroken
from web.audit.log import Finding, LogView
from web.audit.models import ModelCache
from web.audit.operators import OperatorBook
from web.audit.sample import draw_entries
from web.client import ClientError, RailClient
from web.replay import ENGINE, transcript_of

DRAWS_MIN = 2_000  # entries looked at before a sample that stays too small is given up
DRAWS_PER_REPLAY = 64

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Replay:
    """One entry that was drawn and is public: what running it again showed."""

    index: int
    leaf_hash: bytes
    model_root: bytes
    verdict: str  # "match", "mismatch", "not_reproducible" (cannot be, by its own statement), "unchecked" (could not be)
    tokens: int
    seconds: float
    first_difference: int | None = None  # index into the output's token ids; None unless a token differs
    reason: str | None = None  # short code; None for a match, or where a token differs


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
                content = self._content(index, payload)
                if content is None:
                    not_public += 1
                    continue
                row = self._replay(index, leaf, payload, content, download)
            except LogBroken as error:
                findings.append(Finding(error.code, f"entry {index}: {error}", index))
                row = _row(index, leaf, payload, "unchecked", reason=error.code)
            except (ClientError, InferenceError) as error:
                row = _row(index, leaf, payload, "unchecked", reason=error.code)
            rows.append(row)
            advance(len(rows), wanted)
        return Sample(tuple(rows), tuple(findings), drawn, not_public)

    def _content(self, index: int, payload: GenerationStatement) -> Content | None:
        """Prompt and output as the service gives them, held against the commitments; None if they are not public.

        Raises LogBroken (`opening_*`) for texts that are not the committed ones, ClientError.
        """
        try:
            data = self._client.get(f"/api/records/{index}/receipt", OPENING_BYTES_MAX)
            receipt = Receipt.from_json(data)
        except LedgerError as error:
            raise LogBroken("opening_unreadable", f"the receipt does not parse: {error}") from error
        ...

    def _replay(
        self, index: int, leaf: bytes, payload: GenerationStatement, content: Content, download: Advance
    ) -> Replay:
        if payload.engine != ENGINE:
            return _row(index, leaf, payload, "unchecked", reason="other_engine")
        engine = self._models.engine(payload.model_root, download)
        started = time.monotonic()
        result = engine.replay(transcript_of(payload, content))
        seconds = time.monotonic() - started
        ...
