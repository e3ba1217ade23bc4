"""Reading a log: entries, content, tiles, proofs, receipts and what was registered. Needs no key and changes nothing.

Every read is one short transaction. Rows of the tree never change, so an answer for some size holds for ever.
"""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Engine

from ledger import content_store, merkle, registry_store, store, tiles
from ledger.commitment import output_content, prompt_content
from ledger.content import Content, decode_content
from ledger.database import Database
from ledger.errors import NotFound, ParseError, StoreError
from ledger.keys import VerifyKey
from ledger.proof import TlogProof
from ledger.receipt import Opening, OperatorEvidence, Receipt, SaltedContent
from ledger.registry import CACHED_MAX, Registry
from ledger.statement import (
    ErasureStatement,
    ModelStatement,
    OperatorStatement,
    Payload,
    ReplayStatement,
    is_registration,
    open_statement,
)
from ledger.store import EntryRow, Head, Identity
from ledger.tile_hashes import TileHashes
from ledger.tiles import TILE_WIDTH, Tile

CONTENTS_PAGE = 32  # contents in memory at a time
GAPS_MAX = 100
LIST_MAX = 10_000  # longest list of registrations or verdicts

PayloadT = TypeVar("PayloadT", bound=Payload)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A leaf of the log."""

    index: int
    statement: bytes
    leaf_hash: bytes
    type: str
    time: int  # Unix seconds, as the operator states it
    logged: int  # Unix seconds, by the log's clock when it took the entry; nothing signs it
    operator: bytes  # id of the signer: 32 bytes
    new: bool  # whether this very call appended it


@dataclass(frozen=True, slots=True)
class OperatorStanding:
    """An operator's key in the log: since when, until when, and whether its counters have gaps."""

    index: int  # of its registration
    registration: OperatorStatement
    ended: int | None  # index of the rotation or revocation; None: the key is in use
    statements: int
    next_counter: int
    missing: int  # counters below the next one that no entry has: statements that were made and not logged
    gaps: list[tuple[int, int]]  # the first GAPS_MAX ranges of them, both ends included


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts for people and for monitoring."""

    size: int
    kinds: dict[str, int]  # entries of each statement type
    contents: dict[str, int]  # stored contents of each visibility


class LogReader:
    """The reading half of a log; `ledger.log.Log` adds the writing one. Safe for threads."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database = database
        self._identity = identity
        self._registry = Registry()
        self._models: dict[bytes, tuple[Entry, ModelStatement]] = {}  # those found: registrations never change

    # The log as a whole

    @property
    def origin(self) -> str:
        return self._identity.origin

    @property
    def vkey(self) -> str:
        """The key that verifies its checkpoints, as text."""
        return self._identity.vkey

    @property
    def key(self) -> VerifyKey:
        """The key that verifies its checkpoints."""
        return VerifyKey.parse(self._identity.vkey)

    @property
    def database(self) -> Database:
        """Its transactions, for tables beside the log's."""
        return self._database

    @property
    def engine(self) -> Engine:
        """The database's connections, for tables beside the log's; to write, use `database.writing(engine)`."""
        return self._database.engine

    def size(self) -> int:
        """Number of entries that the published checkpoint covers."""
        return self.head().size

    def root(self) -> bytes:
        return self.head().root

    def checkpoint(self) -> bytes:
        """The published checkpoint: a signed note."""
        return self.head().note

    def stats(self) -> Stats:
        with self._database.read() as connection:
            kinds = store.count_by_kind(connection)
            size = store.read_head(connection).size
            contents = content_store.count_by_visibility(connection)
        return Stats(size, kinds | {"generation": size - sum(kinds.values())}, contents)

    def head(self) -> Head:
        """Size, root and checkpoint, of one moment."""
        with self._database.read() as connection:
            return store.read_head(connection)

    # Entries

    def entry(self, index: int) -> Entry:
        """NotFound `entry_missing`."""
        with self._database.read() as connection:
            row = store.entry_at(connection, index)
            if row is None:
                raise NotFound("entry_missing", f"the log has no entry {index}")
            return self._entry(connection, row)

    def find(self, leaf_hash: bytes) -> Entry | None:
        """The entry with this leaf hash, or None."""
        with self._database.read() as connection:
            row = store.entries_by_hash(connection, [leaf_hash]).get(leaf_hash)
            return self._entry(connection, row) if row is not None else None

    def entries(self, start: int, stop: int) -> Iterator[Entry]:
        """Entries start <= index < stop that exist, in order; holds a few at a time."""
        for low in range(max(start, 0), min(stop, self.size()), store.PAGE_ROWS):
            with self._database.read() as connection:
                rows = store.entries_between(connection, low, min(low + store.PAGE_ROWS, stop))
                page = [self._entry(connection, row) for row in rows]
            yield from page

    def _entry(self, connection: Connection, row: EntryRow) -> Entry:
        operator, _ = self._registry.at(connection, row.operator_index)
        return Entry(row.leaf_index, row.statement, row.leaf_hash, row.kind, row.time, row.logged, operator, new=False)

    # Tiles and proofs

    def hash_tile(self, level: int, index: int, width: int = TILE_WIDTH) -> bytes:
        """Hash tile of C2SP tlog-tiles: `width` hashes of 32 bytes. NotFound unless the log is that large."""
        with self._database.read() as connection:
            tiles.check_tile_exists(Tile(level, index, width), store.read_head(connection).size)
            start = index * TILE_WIDTH
            return b"".join(store.level_hashes(connection, level, start, start + width))

    def entry_bundle(self, index: int, width: int = TILE_WIDTH) -> bytes:
        """Entry bundle of C2SP tlog-tiles: `width` statements, each after its length. NotFound likewise."""
        with self._database.read() as connection:
            tiles.check_tile_exists(Tile(None, index, width), store.read_head(connection).size)
            start = index * TILE_WIDTH
            statements = store.statements_between(connection, start, start + width)
        if len(statements) != width:
            raise StoreError("entry_missing", f"bundle {index} has {len(statements)} of its {width} entries; run fsck")
        return tiles.encode_bundle(statements)

    def prove_inclusion(self, index: int, size: int) -> list[bytes]:
        """Inclusion proof of a leaf of the first `size`. NotFound `size_beyond_log`, ProofInvalid `inclusion_index`."""
        with self._database.read() as connection:
            _check_size(connection, size)
            return merkle.prove_inclusion(index, size, TileHashes(connection))

    def prove_consistency(self, old: int, new: int) -> list[bytes]:
        """Consistency proof between two sizes. NotFound `size_beyond_log`, ProofInvalid `consistency_size`."""
        with self._database.read() as connection:
            _check_size(connection, new)
            return merkle.prove_consistency(old, new, TileHashes(connection))

    def receipt(self, index: int, opening: bool, head: Head | None = None) -> Receipt:
        """Everything for an offline check of an entry against a checkpoint; with its content if `opening`.

        `head` is an earlier head of this log whose checkpoint is to be in it, as with cosignatures; None: the present
        one. The opening is left out if the log holds no content of the entry. NotFound `entry_missing`.
        """
        with self._database.read() as connection:
            head = head or store.read_head(connection)
            row = store.entry_at(connection, index) if 0 <= index < head.size else None
            if row is None:
                raise NotFound("entry_missing", f"the log of {head.size} entries has no entry {index}")
            registration = store.entry_at(connection, row.operator_index)
            if registration is None:
                raise StoreError("registration_missing", f"entry {row.operator_index} is missing; run fsck")
            hashes = TileHashes(connection)
            proof = TlogProof(index, tuple(merkle.prove_inclusion(index, head.size, hashes)), head.note)
            operator_hashes = tuple(merkle.prove_inclusion(row.operator_index, head.size, hashes))
        evidence = OperatorEvidence(registration.statement, row.operator_index, operator_hashes)
        content = self.content(index) if opening else None
        return Receipt(row.statement, proof, self.vkey, evidence, _opening(content) if content is not None else None)

    # Content

    def content(self, index: int) -> Content | None:
        """What the entry's commitments open to; None if it was never given or is erased. ParseError if damaged."""
        with self._database.read() as connection:
            found = content_store.content_at(connection, index)
        return decode_content(found.body, found.visibility) if found is not None else None

    def contents_of(self, indexes: Collection[int]) -> dict[int, Content]:
        """The contents of those of some entries that have one. ParseError if one is damaged."""
        with self._database.read() as connection:
            return {
                row.leaf_index: decode_content(row.body, row.visibility)
                for row in content_store.contents_at(connection, indexes)
            }

    def public_among(self, indexes: Collection[int]) -> set[int]:
        """Those of some entries whose content is stored and public."""
        with self._database.read() as connection:
            return content_store.public_among(connection, indexes)

    def registrants_of(self, indexes: Collection[int]) -> dict[int, int]:
        """For each of some entries, the leaf index that registered the operator who signed it."""
        with self._database.read() as connection:
            return registry_store.registrants_of(connection, sorted(indexes))

    def contents(self, after_index: int = -1) -> Iterator[tuple[int, Content]]:
        """All contents of entries after `after_index`, in order; holds a few at a time.

        A damaged one is left out, so that an index over the others can be built; `fsck` names it.
        """
        while True:
            with self._database.read() as connection:
                page = content_store.contents_after(connection, after_index, CONTENTS_PAGE)
            for row in page:
                try:
                    yield row.leaf_index, decode_content(row.body, row.visibility)
                except ParseError as error:
                    _logger.error("content_damaged", extra={"leaf_index": row.leaf_index, "code": error.code})
            if len(page) < CONTENTS_PAGE:
                return
            after_index = page[-1].leaf_index

    def is_erased(self, index: int) -> bool:
        """Whether an erasure statement about the entry is in the log."""
        with self._database.read() as connection:
            return bool(store.entries_about(connection, index, ErasureStatement.type, 1))

    # What was registered and stated

    def operator(self, identifier: bytes) -> OperatorStatement | None:
        """The registration of an operator id, or None."""
        if (known := self._registry.cached(identifier)) is not None:
            return known
        with self._database.read() as connection:
            found = self._registry.find(connection, identifier)
        return found[1] if found is not None else None

    def operator_standing(self, identifier: bytes) -> "OperatorStanding | None":
        """What the log knows of an operator's key, or None if it is not registered."""
        with self._database.read() as connection:
            found = self._registry.find(connection, identifier)
            if found is None:
                return None
            index, registration = found
            ended = registry_store.operator_end_indexes(connection, [index]).get(index)
            count, last = registry_store.count_counters(connection, index)
            missing = last + 1 - count
            gaps = registry_store.counter_gaps(connection, index, GAPS_MAX) if missing else []
        return OperatorStanding(index, registration, ended, count, last + 1, missing, gaps)

    def operator_end(self, registration_index: int) -> int | None:
        """Index of the entry that rotated or revoked the key which this entry registered; None: it is in use."""
        with self._database.read() as connection:
            return registry_store.operator_end_indexes(connection, [registration_index]).get(registration_index)

    def operators(self) -> list[tuple[Entry, OperatorStatement]]:
        """The registrations among the first LIST_MAX operator statements."""
        return [
            (entry, payload) for entry, payload in self._statements_of(OperatorStatement) if is_registration(payload)
        ]

    def models(self) -> list[tuple[Entry, ModelStatement]]:
        """The first LIST_MAX model registrations."""
        return self._statements_of(ModelStatement)

    def model(self, model_root: bytes) -> tuple[Entry, ModelStatement] | None:
        """The first registration of a model, or None."""
        if (known := self._models.get(model_root)) is not None:
            return known
        with self._database.read() as connection:
            index = registry_store.model_indexes(connection, [model_root]).get(model_root)
            row = store.entry_at(connection, index) if index is not None else None
            if row is None:
                return None
            found = _with_payload(self._entry(connection, row), ModelStatement)
        if len(self._models) >= CACHED_MAX:
            self._models.clear()
        self._models[model_root] = found
        return found

    def replays_of(self, index: int) -> list[tuple[Entry, ReplayStatement]]:
        """The first LIST_MAX verdicts about an entry."""
        with self._database.read() as connection:
            rows = store.entries_about(connection, index, ReplayStatement.type, LIST_MAX)
            return [_with_payload(self._entry(connection, row), ReplayStatement) for row in rows]

    def latest_replays(self, limit: int) -> list[tuple[Entry, ReplayStatement]]:
        """The last verdicts about any entry, newest first; at most LIST_MAX."""
        with self._database.read() as connection:
            rows = store.latest_of_kind(connection, ReplayStatement.type, min(limit, LIST_MAX))
            return [_with_payload(self._entry(connection, row), ReplayStatement) for row in rows]

    def next_counter(self, identifier: bytes) -> int:
        """One more than the operator's largest counter in the log; 0 for an operator that is not registered."""
        with self._database.read() as connection:
            found = self._registry.find(connection, identifier)
            last = registry_store.last_counter(connection, found[0]) if found is not None else None
        return 0 if last is None else last + 1

    def _statements_of(self, kind: type[PayloadT]) -> list[tuple[Entry, PayloadT]]:
        with self._database.read() as connection:
            rows = store.entries_of_kind(connection, kind.type, LIST_MAX)
            return [_with_payload(self._entry(connection, row), kind) for row in rows]


def _with_payload(entry: Entry, kind: type[PayloadT]) -> tuple[Entry, PayloadT]:
    payload = open_statement(entry.statement).payload
    if not isinstance(payload, kind):
        raise StoreError("kind_mismatch", f"entry {entry.index} is stored as {kind.type}, but it is not; run fsck")
    return entry, payload


def _check_size(connection: Connection, size: int) -> None:
    available = store.read_head(connection).size
    if size > available:
        raise NotFound("size_beyond_log", f"the log has {available} entries, not {size} yet")


def _opening(content: Content) -> Opening:
    return Opening(
        SaltedContent(content.prompt_salt, prompt_content(content.prompt_ids, content.stop, content.logit_bias)),
        SaltedContent(content.output_salt, output_content(content.output_ids, content.output_bytes)),
    )
