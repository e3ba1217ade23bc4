"""Every error that the ledger raises about input, proofs, policy or its store.

The subclass says what the caller can do about it; ``code`` is a stable snake_case name for machines (it names the
field that failed); ``str(error)`` is a sentence for people: what was found, where, and a hint.
"""

from types import TracebackType


class LedgerError(Exception):
    """Root of the package's errors; never raised itself."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.position: int | None = None  # of a group's statements, the one that it concerns; None: not said


class ParseError(LedgerError):
    """Bytes or text from outside are not the one accepted form of any value."""


class SignatureInvalid(LedgerError):
    """A signature is absent, by another key, or does not verify."""


class ProofInvalid(LedgerError):
    """A Merkle proof or a commitment opening does not lead to the value that was signed."""


class StatementRefused(LedgerError):
    """A well-formed statement that the log's policy does not admit."""


class NotFound(LedgerError):
    """The entry, tile, key or database asked for does not exist."""


class LogConflict(LedgerError):
    """Another writer moved the log, or two versions of it disagree; nothing was written."""


class StoreError(LedgerError):
    """The store could not do its work; nothing was acknowledged. ``retryable``: the same call may succeed later."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(code, message)
        self.retryable = retryable


class at_position:
    """A LedgerError that is raised inside concerns the statement at this place of a group."""

    def __init__(self, position: int) -> None:
        self._position = position

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, LedgerError):
            error.position = self._position
