"""What an audit found, as one value: the table, the numbers and the verdict that follows from them."""

from dataclasses import asdict, dataclass
from typing import Any

from web.audit.confidence import upper_bound_95
from web.audit.log import Finding
from web.audit.replays import Replay, Sample


@dataclass(frozen=True, slots=True)
class AuditResult:
    """A finished audit. Its verdict is the worst of what it saw."""

    url: str
    time: str  # RFC 3339, UTC
    log_vkey: str
    origin: str
    size: int
    root: bytes
    note: bytes  # the signed checkpoint
    previous_size: int  # up to where the log was checked before; 0: this is the first audit
    checked: int  # entries whose hash and signature were checked this time
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    sample: Sample
    wanted: int  # replays asked for
    since: int  # the sample is drawn from this entry on
    seed: int  # of the sampling
    kernels: str  # kernel set of the local engine
    threads: int  # 0: nothing was replayed

    @property
    def replayed(self) -> int:
        """Runs that were really run again."""
        return sum(row.verdict in ("match", "mismatch") for row in self.sample.rows)

    @property
    def mismatches(self) -> int:
        return sum(row.verdict == "mismatch" for row in self.sample.rows)

    @property
    def unchecked(self) -> int:
        return len(self.sample.rows) - self.replayed

    @property
    def upper_bound_95(self) -> float:
        return upper_bound_95(self.replayed, self.mismatches)

    @property
    def verdict(self) -> str:
        """`proof_failed`, `mismatch`, `unchecked` or `ok`, in this order of weight."""
        if self.findings:
            return "proof_failed"
        if self.mismatches:
            return "mismatch"
        if self.unchecked or (self.wanted and not self.replayed):
            return "unchecked"
        return "ok"

    def sentence(self) -> str:
        """The verdict for people."""
        log = f"{self.size} entries, root and history hold"
        if self.findings:
            first = self.findings[0]
            more = f" (and {len(self.findings) - 1} more)" if len(self.findings) > 1 else ""
            return f"{first.message}{more}"
        bound = f"with 95 % confidence at most {self.upper_bound_95:.2%} of the public runs would not replay"
        if self.mismatches:
            return f"{log}, but {self.mismatches} of {self.replayed} replayed runs gave other bits; {bound}"
        if self.unchecked:
            return f"{log}; {self.unchecked} of {len(self.sample.rows)} sampled runs could not be checked"
        if self.wanted and not self.replayed:
            return f"{log}, but there was no public generation to replay"
        if not self.wanted:
            return f"{log}; no replay was asked for"
        return f"{log}; {self.replayed} runs replayed bit for bit; {bound}"

    def to_json(self) -> dict[str, Any]:
        """The report's body: texts and whole numbers only, so that its canonical form is the same everywhere."""
        return {
            "url": self.url,
            "time": self.time,
            "log": {
                "origin": self.origin,
                "vkey": self.log_vkey,
                "size": self.size,
                "root": self.root.hex(),
                "checkpoint": self.note.decode(),
            },
            "entries": {"from": self.previous_size, "to": self.size},
            "sampling": {
                "seed": self.seed,
                "since": self.since,
                "wanted": self.wanted,
                "drawn": self.sample.drawn,
                "not_public": self.sample.not_public,
            },
            "engine": {"kernels": self.kernels, "threads": self.threads},
            "replays": [row_json(row) for row in self.sample.rows],
            "findings": [asdict(finding) for finding in self.findings],
            "remarks": list(self.remarks),
            "verdict": self.verdict,
            "statement": self.sentence(),
            "checked": self.checked,
            "replayed": self.replayed,
            "mismatches": self.mismatches,
            "upper_bound_95": f"{self.upper_bound_95:.6f}",
        }


def row_json(row: Replay) -> dict[str, Any]:
    """One row of the table; the time it took stays out, it is nobody's claim."""
    return {
        "record_id": row.index,
        "leaf_hash": row.leaf_hash.hex(),
        "model_root": row.model_root.hex(),
        "verdict": row.verdict,
        "tokens": row.tokens,
        "first_difference": row.first_difference,
        "reason": row.reason,
    }
