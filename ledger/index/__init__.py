"""Finds the records that a pasted text came from. Knows the log only as a source of contents. See SPEC.md here."""

from ledger.index.echo import echo_permille
from ledger.index.fingerprint import fingerprint_root
from ledger.index.index import ContentIndex, ContentSource, RecordContent
from ledger.index.rules import RULES
from ledger.index.verdict import RecordMatch, Span, Verdict

__all__ = [
    "RULES",
    "ContentIndex",
    "ContentSource",
    "RecordContent",
    "RecordMatch",
    "Span",
    "Verdict",
    "echo_permille",
    "fingerprint_root",
]
