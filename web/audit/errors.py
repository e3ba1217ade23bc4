"""Why an audit ends early."""

from pathlib import Path


class AuditError(Exception):
    """The audit cannot go on: bad input, or nothing to check. `hint` says what to do."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


class LogBroken(AuditError):
    """The log contradicts itself or its signature: a proof failed. `evidence` is the file that shows it."""

    exit_code = 3  # of a command that meets it

    def __init__(self, code: str, message: str, hint: str = "", evidence: Path | None = None) -> None:
        super().__init__(code, message, hint)
        self.evidence = evidence
