"""What a monitor tells of, with an identity that stays the same however often it is delivered."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

# What it says about the log, worst first.
INCONSISTENT = "inconsistent"  # two histories, or tiles that miss the signed root
BAD_ENTRY = "bad_entry"  # an entry that no registered operator signed, or that is no statement
STALE = "stale"  # no fresh checkpoint for longer than the owner bears
QUORUM_LOST = "quorum_lost"  # the newest checkpoint lacks the policy's cosignatures
ERASURE = "erasure"  # content was erased
OPERATOR = "operator"  # a statement by a watched operator
MODEL = "model"  # a statement about a watched model
COUNTER_GAP = "counter_gap"  # an operator skipped a number of its own count, or used one twice
RECOVERED = "recovered"  # `stale` or `quorum_lost` is over

LOUD = (INCONSISTENT, BAD_ENTRY)  # proof against the log: exit code 3


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    kind: str
    log: str  # origin
    index: int | None  # the entry concerned; None: the log as a whole
    message: str
    time: int  # Unix seconds by the monitor's clock

    @property
    def id(self) -> str:
        """Of an entry: the same in each delivery. Of the log as a whole: of the moment it began."""
        moment = self.message if self.index is not None else f"{self.message}\n{self.time}"
        return sha256(f"{self.log}\n{self.kind}\n{self.index}\n{moment}".encode()).hexdigest()[:32]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": self.kind,
            "log": self.log,
            "index": self.index,
            "message": self.message,
            "time": self.time,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Inverse of `to_json`; raises KeyError or TypeError."""
        index = value["index"]
        return cls(
            str(value["kind"]),
            str(value["log"]),
            None if index is None else int(index),
            str(value["message"]),
            int(value["time"]),
        )
