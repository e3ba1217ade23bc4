"""The first half of an audit: is this the log it was, is it what its root says, and is every entry signed?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.errors import LedgerError, ParseError, SignatureInvalid
from ledger.keys import VerifyKey
from ledger.merkle import leaf_hash
from ledger.tiles import TILE_WIDTH, tile_width
from web.audit.errors import LogBroken
from web.audit.history import check_growth, check_not_smaller
from web.audit.operators import OperatorBook
from web.audit.source import TileSource
from web.audit.state import AuditState
from web.audit.tiles import TileReader

FINDINGS_MAX = 100  # reported one by one; more are cut off, the first ones say enough

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with the log, by itself proof against whoever signed it."""

    code: str
    message: str
    index: int | None = None  # the entry concerned, None for the log as a whole


class LogView:
    """One log at one signed checkpoint: every entry it hands out has been checked against the root."""

    def __init__(self, source: TileSource, note: bytes, key: VerifyKey) -> None:
        """Raises LogBroken for a note that the log's key did not sign and for tiles that miss its root, ParseError for
        something that is no note at all: an address where there is no log.
        """
        self.note = note
        self.key = key
        try:
            self.checkpoint: Checkpoint = open_checkpoint(note, key, key.name)
        except SignatureInvalid as error:
            hint = "this is not the log with that key, or somebody stands between"
            raise LogBroken(error.code, f"the checkpoint does not hold: {error}", hint) from error
        self._source = source
        self.tiles = TileReader(self.checkpoint, source)
        self._bundle: tuple[int, list[bytes]] = (-1, [])

    def entry(self, index: int) -> bytes:
        """Entry bytes at `index`, checked. Raises LogBroken (`entry_hash`)."""
        return self.entries(index // TILE_WIDTH)[index % TILE_WIDTH]

    def entries(self, number: int) -> list[bytes]:
        """All entries of bundle `number`, checked. Raises LogBroken (`entry_hash`)."""
        if self._bundle[0] != number:
            self._bundle = (number, self._read_bundle(number))
        return self._bundle[1]

    def _read_bundle(self, number: int) -> list[bytes]:
        width = tile_width(None, number, self.checkpoint.size)
        try:
            entries = self._source.entries(number, width)
        except ParseError as error:
            raise LogBroken(error.code, f"entry bundle {number} does not parse: {error}") from error
        for offset, (entry, expected) in enumerate(zip(entries, self.tiles.leaf_hashes(number), strict=True)):
            if leaf_hash(entry) != expected:
                index = number * TILE_WIDTH + offset
                raise LogBroken("entry_hash", f"entry {index} is not the one that the signed root stands for")
        return entries


def check_history(view: LogView, state: AuditState | None, evidence_folder: Path) -> int:
    """The size up to which the log was checked before (0 if never), once the tree is shown to extend it.

    Raises LogBroken with both signed notes saved as evidence: `log_forked` if the new tree does not begin with
    the old one, `log_shrunk` if the log has fewer entries than it had.
    """
    if state is None:
        return 0
    key = VerifyKey.parse(state.log_vkey)
    check_not_smaller(state.checkpoint, view.note, key, evidence_folder)
    check_growth(state.checkpoint, view.note, key, view.tiles, evidence_folder)
    return open_checkpoint(state.checkpoint, key).size


def check_entries(view: LogView, start: int, book: OperatorBook, advance: Advance) -> list[Finding]:
    """Check hash, form and signature of every entry from `start` on; the book learns from them.

    Entry hashes are held against leaf hashes that the signed root vouches for, so that all of them together
    recompute the root. Raises LogBroken for an entry that is not what the root stands for.
    """
    findings: list[Finding] = []
    for index in range(start, view.checkpoint.size):
        leaf = view.entry(index)
        try:
            book.admit(index, leaf)
        except LedgerError as error:
            if len(findings) < FINDINGS_MAX:
                findings.append(Finding(error.code, f"entry {index}: {error}", index))
        if index % TILE_WIDTH == TILE_WIDTH - 1 or index + 1 == view.checkpoint.size:
            advance(index + 1 - start, view.checkpoint.size - start)
    return findings
