"""One line of the comparison."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """What we reach against what somebody else does, or a limit."""

    shape: str
    threads: int
    work: str
    unit: str
    ours: float
    against: float
    of: str  # what `against` is
    less: bool = False  # less is better
    wanted: float | None = None  # the ratio that is at least wanted

    @property
    def ratio(self) -> float:
        """How many times better ours is."""
        return self.against / self.ours if self.less else self.ours / self.against

    @property
    def met(self) -> bool | None:
        return None if self.wanted is None else self.ratio >= self.wanted

    def facts(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": round(self.ratio, 3), "met": self.met}
