"""The whole-log check: everything that a log's database says about itself, recomputed and compared.

Each fault is listed and the check goes on. Damage stays local in the listing: a tile whose hashes do not lead to the
stored hash above it is one fault, and the levels above go on from the stored hash. Memory does not grow with the log.
The log may be appended to meanwhile; what is checked is the size it had at the start.

With `hashes_only` it is what the tree rests on: every statement against its leaf, every stored hash, the root and the
checkpoint's signature. What the statements say, their signatures, the registries and the contents are left out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from ledger import content_store, registry_store, store
from ledger.checkpoint import open_checkpoint
from ledger.content import decode_content
from ledger.content_store import ContentRow
from ledger.database import Database
from ledger.errors import LedgerError
from ledger.fsck_leaves import Fault, check_leaves
from ledger.fsck_tree import TreeChecker
from ledger.keys import VerifyKey
from ledger.merkle import EMPTY_ROOT
from ledger.statement import open_statement
from ledger.store import EntryRow, Head, Identity
from ledger.submission import check_content

FAULTS_MAX = 10_000  # kept in the report; all are counted and given to `on_fault`
CONTENTS_PAGE = 32

Progress = Callable[[int, int], None]  # entries checked, entries in all


@dataclass(slots=True)
class FsckReport:
    """The result. The log is sound if `ok`."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    entries: int = 0  # entries that were there to be checked
    contents: int = 0  # contents likewise
    fault_count: int = 0
    faults: list[Fault] = field(default_factory=list)  # the first FAULTS_MAX

    @property
    def ok(self) -> bool:
        return self.fault_count == 0


def check_log(
    database: Database,
    identity: Identity,
    progress: Progress | None = None,
    on_fault: Callable[[Fault], None] | None = None,
    hashes_only: bool = False,
    processes: int = 1,
) -> FsckReport:
    """Checks all of it. StoreError only if the database cannot be asked at all; damage in it is a fault.

    With more than one of `processes`, the entries of a log that is not small are checked by that many, this included.
    """
    check = _Check(database, identity, progress, on_fault)
    if not hashes_only:
        check.storage()
    head = check.checkpoint()
    check.tree(head, hashes_only, processes)
    check.beyond()
    if hashes_only:
        return check.report
    check.registry()
    check.contents(head.size)
    return check.report


class _Check:
    """One run; each method is one part of the check."""

    def __init__(
        self,
        database: Database,
        identity: Identity,
        progress: Progress | None,
        on_fault: Callable[[Fault], None] | None,
    ) -> None:
        self._database = database
        self._identity = identity
        self._progress = progress
        self._on_fault = on_fault
        self.report = FsckReport()

    def fault(self, code: str, index: int | None, message: str) -> None:
        fault = Fault(code, index, message)
        self.report.fault_count += 1
        if len(self.report.faults) < FAULTS_MAX:
            self.report.faults.append(fault)
        if self._on_fault is not None:
            self._on_fault(fault)

    def storage(self) -> None:
        """What the database itself finds wrong with its files."""
        for line in self._database.damage():
            self.fault("storage", None, f"the database file is damaged: {line}")

    def checkpoint(self) -> Head:
        """The checkpoint row, and that its note is signed and says the same."""
        with self._database.read() as connection:
            head = store.read_head(connection)
        self.report.size, self.report.root = head.size, head.root
        try:
            signed = open_checkpoint(head.note, VerifyKey.parse(self._identity.vkey), self._identity.origin)
        except LedgerError as error:
            self.fault(error.code, None, f"the checkpoint is not genuine: {error}")
            return head
        if (signed.size, signed.root) != (head.size, head.root):
            self.fault(
                "checkpoint_row",
                None,
                f"the signed checkpoint says size {signed.size} and root {signed.root.hex()}, "
                f"its row size {head.size} and root {head.root.hex()}",
            )
        return head

    def tree(self, head: Head, hashes_only: bool, processes: int) -> None:
        """Every entry, every stored hash, and the root."""
        tree = TreeChecker(self._database, self.fault)
        for segment in check_leaves(self._database, head.size, hashes_only, processes):
            self.report.entries += segment.entries
            for fault in segment.faults:
                self.fault(fault.code, fault.index, fault.message)
            tree.add(segment.tiles, segment.rest)
            if self._progress is not None:
                self._progress(segment.stop, head.size)
        root = tree.root()
        if root is None:
            self.fault("root_unknown", None, "the root cannot be computed, because entries or hashes are missing")
        elif root != head.root:
            self.fault("root", None, f"the hashes lead to root {root.hex()}, the checkpoint says {head.root.hex()}")

    def beyond(self) -> None:
        """Rows that no checkpoint covers."""
        with self._database.read() as connection:
            entries, hashes = store.count_beyond_checkpoint(connection)
        if entries:
            self.fault("entries_beyond_checkpoint", None, f"{entries} entries are not covered by the checkpoint")
        if hashes:
            self.fault("hashes_beyond_checkpoint", None, f"{hashes} stored hashes belong to no complete tile")

    def registry(self) -> None:
        """That every row of the registry tables names an entry that says so; the reverse is in `tree`."""
        with self._database.read() as connection:
            for registered, ended in registry_store.all_operator_ends(connection):
                row = store.entry_at(connection, ended)
                if row is None or row.kind != "operator" or row.operator_index != registered or ended == registered:
                    self.fault("operator_end_row", ended, f"entry {ended} should end the key of entry {registered}")
        for kind, table in (("operator", registry_store.all_operators), ("model", registry_store.all_models)):
            with self._database.read() as connection:
                for name, index in table(connection):
                    row = store.entry_at(connection, index)
                    if row is None or row.kind != kind:
                        self.fault(
                            f"{kind}_row",
                            index,
                            f"{kind} {name.hex()} should be registered by entry {index}, but is not",
                        )

    def contents(self, size: int) -> None:
        """That each stored content is what its entry commits to, and that none was stated to be erased."""
        after = -1
        while True:
            with self._database.read() as connection:
                page = content_store.contents_after(connection, after, CONTENTS_PAGE)
                indexes = [content.leaf_index for content in page]
                entries = store.entries_at(connection, indexes)
                for content in page:
                    if content.leaf_index < size or content.leaf_index not in entries:
                        self.report.contents += 1
                        self._content(content, entries.get(content.leaf_index))
                for index, erasure in store.erasures_among(connection, indexes):
                    if content_store.content_at(connection, index) is not None:
                        self.fault("content_not_erased", index, f"entry {erasure} erased content {index}; it is stored")
            if len(page) < CONTENTS_PAGE:
                return
            after = page[-1].leaf_index

    def _content(self, content: ContentRow, entry: EntryRow | None) -> None:
        index = content.leaf_index
        if entry is None:
            self.fault("content_without_entry", index, f"content {index} belongs to no entry")
            return
        try:
            found = decode_content(content.body, content.visibility)
            check_content(open_statement(entry.statement).payload, found)
        except LedgerError as error:
            self.fault(error.code, index, f"content {index}: {error}")
