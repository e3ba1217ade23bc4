"""Cosignatures that the log's witnesses gave, kept beside the log: which checkpoint has a quorum, and with which lines.

Only the newest checkpoint with a quorum is of use, and those that are newer and have none yet; older ones go. Nothing
here is part of the log: all of it can be dropped and asked for again.
"""

from threading import Lock

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
)

from ledger.checkpoint import parse_checkpoint
from ledger.database import Database
from ledger.keys import VerifyKey
from ledger.merkle import SIZE_MAX
from ledger.note import Note, NoteSignature, parse_note, parse_signatures
from ledger.policy import Policy, open_counted
from ledger.store import Head
from ledger.tables import Int64

PENDING_MAX = 16  # checkpoints without a quorum that are kept, the newest ones

metadata = MetaData()
checkpoints = Table(
    "cosigned_checkpoints",
    metadata,
    Column("size", Int64, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", LargeBinary, nullable=False),  # as the log signed it
)
cosignatures = Table(
    "cosignatures",
    metadata,
    Column("size", Int64, ForeignKey(checkpoints.c.size, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("key_name", Text, primary_key=True),
    Column("key_id", LargeBinary(4), primary_key=True),
    Column("time", Int64, nullable=False),  # Unix seconds, by the witness's clock
    Column("line", Text, nullable=False),  # the verified signature line, with its newline
)


# Built once: building a query costs SQLAlchemy more than the database needs to answer it.
_SIZES = (
    select(checkpoints.c.size).where(checkpoints.c.size <= bindparam("size_max")).order_by(checkpoints.c.size.desc())
)
_CHECKPOINT = select(checkpoints).where(checkpoints.c.size == bindparam("at"))
_COSIGNERS = select(cosignatures.c.key_name, cosignatures.c.key_id).where(cosignatures.c.size == bindparam("at"))
_LINES = (
    select(cosignatures.c.line)
    .join(checkpoints, checkpoints.c.size == cosignatures.c.size)
    .where(checkpoints.c.size == bindparam("at"), checkpoints.c.root == bindparam("of_root"))
    .order_by(cosignatures.c.key_name, cosignatures.c.key_id)
)


class CosignedCheckpoints:
    """The cosignatures by the witnesses of one policy. Safe for threads and for several processes."""

    def __init__(self, database: Database, policy: Policy, log_key: VerifyKey) -> None:
        """Makes the tables where they are missing."""
        self._database = database
        self._policy = policy
        self._log_key = log_key
        self._adding = Lock()  # where the database has no lock of its own for a row that is not there yet
        self._keys = {(key.name, key.key_id): key for key in policy.witness_keys}
        with database.write() as connection:
            metadata.create_all(connection)

    def add(self, note: bytes, line: NoteSignature) -> None:
        """Keep a cosignature of the signed checkpoint `note`; SignatureInvalid if it is not one by our witnesses.

        A later line of the same witness for the same checkpoint replaces the earlier one: its time is newer.
        """
        checkpoint, parsed = parse_checkpoint(note)
        single = Note(parsed.text, (*parsed.signatures, line)).format()
        verified = [
            item
            for item in open_counted(single, self._policy, self._log_key).cosignatures
            if (item.key.name, item.key.key_id) == (line.name, line.key_id)
        ]
        if not verified:
            return
        time = verified[0].time or 0
        row = {"size": checkpoint.size, "key_name": line.name, "key_id": line.key_id}
        with self._adding, self._database.write() as connection:
            found = connection.execute(_CHECKPOINT, {"at": checkpoint.size}).one_or_none()
            if found is None:
                connection.execute(insert(checkpoints).values(size=checkpoint.size, root=checkpoint.root, note=note))
            connection.execute(delete(cosignatures).filter_by(**row))
            connection.execute(insert(cosignatures).values(**row, time=time, line=line.format()))
            self._prune(connection)

    def witnessed(self, size_max: int) -> Head | None:
        """The newest checkpoint that a quorum cosigned, with all lines that it has; None if there is none.

        `size_max` is the size of the log: a log that went back, as by a bad restore, has nothing to show beyond it.
        """
        with self._database.read() as connection:
            for size in connection.scalars(_SIZES, {"size_max": size_max}).all():
                if self._is_met(connection, size):
                    return self._head(connection, size)
        return None

    def with_lines(self, head: Head) -> bytes:
        """The note of this head of the log with the cosignatures that it has, if any."""
        with self._database.read() as connection:
            return _joined(head.note, self._lines(connection, head.size, head.root))

    def _prune(self, connection: Connection) -> None:
        sizes = connection.scalars(_SIZES, {"size_max": SIZE_MAX}).all()
        met = next((size for size in sizes if self._is_met(connection, size)), -1)
        pending = [size for size in sizes if size > met]
        gone = [size for size in sizes if size < met] + pending[PENDING_MAX:]
        if gone:
            connection.execute(delete(cosignatures).where(cosignatures.c.size.in_(gone)))
            connection.execute(delete(checkpoints).where(checkpoints.c.size.in_(gone)))

    def _is_met(self, connection: Connection, size: int) -> bool:
        names = [(name, bytes(key_id)) for name, key_id in connection.execute(_COSIGNERS, {"at": size})]
        return self._policy.is_met([self._keys[name] for name in names if name in self._keys])

    def _head(self, connection: Connection, size: int) -> Head:
        row = connection.execute(_CHECKPOINT, {"at": size}).one()
        root = bytes(row.root)
        return Head(size, root, _joined(bytes(row.note), self._lines(connection, size, root)))

    def _lines(self, connection: Connection, size: int, root: bytes) -> tuple[NoteSignature, ...]:
        texts = connection.scalars(_LINES, {"at": size, "of_root": root})
        return tuple(line for text in texts for line in parse_signatures(text))


def _joined(note: bytes, lines: tuple[NoteSignature, ...]) -> bytes:
    if not lines:
        return note
    parsed = parse_note(note)
    return Note(parsed.text, (*parsed.signatures, *lines)).format()
