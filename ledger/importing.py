"""A log out of its static files: entry bundles and a signed checkpoint become a database again.

For whoever lost the database and has a mirror, or takes a log over with its key. Every entry is parsed and placed, the
tree is computed anew and must have the root that was signed; what the entries say is left to the whole-log check. A
mirror has no content: texts are gone, commitments stay. SPEC.md, section 21.
"""

import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from ledger import registry_store, store
from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.database import Database
from ledger.errors import ParseError, ProofInvalid
from ledger.keys import VerifyKey
from ledger.merkle import Frontier, leaf_hash
from ledger.note import Note, parse_note
from ledger.statement import (
    ErasureStatement,
    ModelStatement,
    OperatorStatement,
    ReplayStatement,
    is_registration,
    open_statement,
)
from ledger.store import EntryRow, Head, Identity
from ledger.tile_hashes import TILE_BITS
from ledger.tiles import TILE_WIDTH, tile_width

BundleSource = Callable[[int, int], Sequence[bytes]]  # number, width -> the entries of a bundle
Progress = Callable[[int, int], None]  # entries imported, entries in all


def import_log(
    database_url: str, key: VerifyKey, note: bytes, bundles: BundleSource, progress: Progress | None = None
) -> Checkpoint:
    """Make a new log in an empty database from the entries of a signed checkpoint; returns it.

    `note` is the checkpoint as published; the lines of witnesses are dropped. Nothing is written unless the root is the
    signed one. SignatureInvalid, ParseError, ProofInvalid `import_root`, LogConflict `log_exists`, StoreError.
    """
    head = open_checkpoint(note, key, key.name)
    database = Database(database_url, create=True)
    try:
        with database.write() as connection:
            store.create_schema(connection, Identity(key.name, key.vkey), _head(head, note, key))
            importer = _Importer(connection)
            for number in range((head.size + TILE_WIDTH - 1) // TILE_WIDTH):
                importer.add(bundles(number, tile_width(None, number, head.size)))
                if progress is not None:
                    progress(importer.frontier.size, head.size)
            if importer.frontier.root() != head.root:
                raise ProofInvalid(
                    "import_root", "the entries do not lead to the root that was signed; nothing is kept"
                )
    finally:
        database.close()
    return head


def _head(head: Checkpoint, note: bytes, key: VerifyKey) -> Head:
    parsed = parse_note(note)
    own = tuple(line for line in parsed.signatures if line.name == key.name)
    return Head(head.size, head.root, Note(parsed.text, own).format())


class _Importer:
    """Rows for entries as they come. The registries are kept in memory: some hundred bytes for each key and model."""

    def __init__(self, connection: Connection) -> None:
        self.frontier = Frontier()
        self._connection = connection
        self._now = int(time.time())
        self._operators: dict[bytes, int] = {}
        self._models: set[bytes] = set()

    def add(self, statements: Sequence[bytes]) -> None:
        rows, nodes = [], []
        news: list[Callable[[], None]] = []  # rows of the registries, which refer to those of the entries
        for statement in statements:
            row = self._row(statement, self.frontier.size, news)
            rows.append(row)
            for height, value in enumerate(self.frontier.append(row.leaf_hash)):
                level, within = divmod(height, TILE_BITS)
                if level and not within:
                    nodes.append({"level": level, "position": row.leaf_index >> height, "hash": value})
        store.insert_entries(self._connection, rows)
        store.insert_nodes(self._connection, nodes)
        for write in news:
            write()

    def _row(self, statement: bytes, index: int, news: list[Callable[[], None]]) -> EntryRow:
        signed = open_statement(statement)
        payload, connection = signed.payload, self._connection
        if is_registration(payload):
            self._operators.setdefault(signed.operator, index)
            news.append(lambda: registry_store.insert_operator(connection, signed.operator, index))
        operator_index = self._operators.get(signed.operator)
        if operator_index is None:
            raise ParseError("import_operator", f"entry {index} is by an operator that no entry before it registers")
        if isinstance(payload, OperatorStatement) and not is_registration(payload):
            news.append(lambda: registry_store.insert_operator_end(connection, operator_index, index))
        if isinstance(payload, ModelStatement) and payload.model_root not in self._models:
            self._models.add(payload.model_root)
            news.append(lambda: registry_store.insert_model(connection, payload.model_root, index))
        about = payload.entry_index if isinstance(payload, ReplayStatement | ErasureStatement) else None
        return EntryRow(
            index,
            leaf_hash(statement),
            payload.type,
            operator_index,
            payload.counter,
            payload.time,
            self._now,  # when the log took it, only its own database knew
            about,
            statement,
        )
