"""Which entries and which states of a log are events for its owner."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ledger.errors import LedgerError
from ledger.keys import VerifyKey
from ledger.payload import Payload
from ledger.policy import Policy, open_counted
from ledger.statement import ErasureStatement, GenerationStatement, ModelStatement
from web.audit.operators import OperatorBook
from web.monitor.event import (
    BAD_ENTRY,
    COUNTER_GAP,
    ERASURE,
    MODEL,
    OPERATOR,
    QUORUM_LOST,
    STALE,
    Event,
)


@dataclass(frozen=True, slots=True)
class Watch:
    """What the owner wants to hear of, beside what is always told."""

    operators: frozenset[bytes] = frozenset()  # ids
    models: frozenset[bytes] = frozenset()  # roots
    policy: Policy | None = None
    max_age: int | None = None  # seconds; None: age does not matter
    quiet: frozenset[str] = field(default_factory=frozenset)  # kinds not to tell of

    def entry_events(self, book: OperatorBook, index: int, leaf: bytes, log: str, now: int) -> Iterator[Event]:
        """What the entry is about; the book learns from it."""
        book.gaps.clear()
        try:
            statement = book.admit(index, leaf)
        except LedgerError as error:
            yield from self._tell(Event(BAD_ENTRY, log, index, f"[{error.code}] {error}", now))
            return
        operator, payload = statement.operator, statement.payload
        for gap in book.gaps:
            yield from self._tell(Event(COUNTER_GAP, log, index, gap, now))
        if operator in self.operators:
            what = f"{payload.type} statement by operator {operator.hex()}"
            yield from self._tell(Event(OPERATOR, log, index, what, now))
        if (root := _model_of(payload)) in self.models and root is not None:
            yield from self._tell(Event(MODEL, log, index, f"{payload.type} statement about model {root.hex()}", now))
        if isinstance(payload, ErasureStatement):
            what = f"the content of entry {payload.entry_index} was erased by {operator.hex()}: {payload.reason}"
            yield from self._tell(Event(ERASURE, log, index, what, now))

    def conditions(self, note: bytes | None, key: VerifyKey, fresh: int, now: int) -> dict[str, str]:
        """What is wrong with the log's present state: kind -> message. `note` None: the log could not be reached."""
        found = {}
        if self.max_age is not None and now - fresh > self.max_age:
            cause = "the log cannot be reached" if note is None else "no newer checkpoint or cosignature"
            found[STALE] = f"nothing fresh for over {self.max_age} seconds: {cause}"
        if self.policy is not None and note is not None:
            cosigners = [item.key for item in open_counted(note, self.policy, key).cosignatures]
            if not self.policy.is_met(cosigners):
                names = ", ".join(item.name for item in cosigners) or "nobody that the policy knows"
                found[QUORUM_LOST] = f"{self.policy.describe()}; the checkpoint is cosigned by {names}"
        return {kind: message for kind, message in found.items() if kind not in self.quiet}

    def cosigned_at(self, note: bytes, key: VerifyKey) -> int | None:
        """Time of the newest cosignature by a witness of the policy; None without any."""
        if self.policy is None:
            return None
        times = [item.time for item in open_counted(note, self.policy, key).cosignatures if item.time]
        return max(times, default=None)

    def _tell(self, event: Event) -> Iterator[Event]:
        if event.kind not in self.quiet:
            yield event


def _model_of(payload: Payload) -> bytes | None:
    return payload.model_root if isinstance(payload, ModelStatement | GenerationStatement) else None
