"""The witness's rules: what it checks, in which order, and what it has written down before it answers.

    request malformed, or its checkpoint                          ParseError          400
    no such log                                                   NotFound            404
    signed by no trusted key, or badly by one                     SignatureInvalid    403
    more requests than the log's rate allows                      RateLimited         429
    old size above the checkpoint's                               ParseError          400
    old size is not that of our head (0: none)                    StaleSize           409, with our size
    size 0 with another root, a proof where none belongs,
    a proof that does not hold, another root for our size         ProofInvalid        422
    the disk, the lock or the clock                               StoreError          503
    otherwise: head replaced in the same transaction, committed, then cosigned

Between the look at the head and its replacement nobody else can write (BEGIN IMMEDIATE). A crash after the commit and
before the answer leaves a head that nobody has a cosignature of; the log then hears 409 and asks again.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from ledger.checkpoint import parse_lines
from ledger.cosignature import TIMED
from ledger.database import Database
from ledger.errors import LogConflict, NotFound, ParseError, ProofInvalid, SignatureInvalid, StoreError
from ledger.keys import COSIGNATURE_V1, SigningKey, VerifyKey
from ledger.merkle import EMPTY_ROOT, HASH_BYTES, check_consistency
from ledger.note import Note, NoteSignature, parse_note, sign_text, verify_signatures
from ledger.witness.rates import Rates
from ledger.witness.request import AddCheckpoint, parse_add_checkpoint
from ledger.witness.tables import evidence, heads, logs, metadata

# Built once: building a query costs SQLAlchemy more than SQLite needs to answer it.
_HEAD = select(heads).where(heads.c.origin == bindparam("of_origin"))
_KEYS = select(logs.c.vkey).where(logs.c.origin == bindparam("of_origin"))
_LATEST = select(heads.c.note).where(heads.c.origin_hash == bindparam("of_hash"))
_INSERT_HEAD = insert(heads)
_UPDATE_HEAD = (
    update(heads)
    .where(heads.c.origin == bindparam("of_origin"))
    .values({name: bindparam(f"new_{name}") for name in ("size", "root", "note", "time")})
)

EVIDENCE_MAX = 100  # refused checkpoints that are kept, of each log

_logger = logging.getLogger(__name__)


class StaleSize(LogConflict):
    """The log believes that we have another checkpoint; `size` is that of ours."""

    def __init__(self, size: int, old_size: int) -> None:
        super().__init__("witness_size", f"the witness has the log at size {size}, not {old_size}")
        self.size = size


@dataclass(frozen=True, slots=True)
class WitnessedLog:
    """A trusted log and how far it was cosigned."""

    origin: str
    vkeys: tuple[str, ...]
    size: int | None  # None: no checkpoint was cosigned yet
    time: int | None  # of the last cosignature, Unix seconds; None likewise
    refused: int  # checkpoints kept as evidence against it


@dataclass(frozen=True, slots=True)
class Refused:
    """A checkpoint that a log signed and that did not extend what was cosigned before; it signed both notes."""

    origin: str
    reason: str  # code of the refusal
    time: int  # Unix seconds
    refused: bytes  # the note
    known: bytes  # the note that was cosigned before


@dataclass(frozen=True, slots=True)
class _Signed:
    """A checkpoint that a trusted key signed; its size and root may contradict each other."""

    note: Note  # with the verified lines only
    origin: str
    size: int
    root: bytes


class Witness:
    """One witness over one SQLite file. Safe for threads and for several processes."""

    def __init__(
        self,
        database: Database,
        keys: Sequence[SigningKey],
        clock: Callable[[], float] = time.time,
        rates: Rates | None = None,
    ) -> None:
        """`keys` are the witness's own, at least one of algorithm 0x04; each gives a line of every answer."""
        if not keys or any(key.algorithm not in TIMED for key in keys):
            raise ParseError("key_algorithm", "a witness signs with cosignature keys (0x04, 0x06)")
        self.keys = tuple(keys)
        self._database = database
        self._clock = clock
        self._rates = rates

    @classmethod
    def open(cls, path: Path, keys: Sequence[SigningKey], create: bool = False, rates: Rates | None = None) -> Self:
        """The witness in this file; only `create` makes one. NotFound `database_missing`, StoreError."""
        database = Database(f"sqlite:///{path}", create=create)
        if create:
            with database.write() as connection:
                metadata.create_all(connection)
        return cls(database, keys, rates=rates)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Which logs

    def add_log(self, key: VerifyKey, origin: str | None = None) -> bool:
        """Trust `key` for the log `origin` (None: the key's name). False if it was trusted before.

        ParseError `witness_key` for a key of ours: we would take our cosignature for the log's signature.
        """
        if key.algorithm == COSIGNATURE_V1 or any(key.public == own.public for own in self.keys):
            raise ParseError("witness_key", f"the key of {key.name} is a witness's, not a log's")
        row = {"origin": origin or key.name, "vkey": key.vkey}
        with self._database.write() as connection:
            if connection.execute(select(logs).filter_by(**row)).first() is not None:
                return False
            connection.execute(insert(logs).values(**row))
        return True

    def remove_log(self, origin: str) -> None:
        """Trust no key for the log any more. What was cosigned is remembered. NotFound `witness_origin`."""
        with self._database.write() as connection:
            if connection.execute(delete(logs).where(logs.c.origin == origin)).rowcount == 0:
                raise _unknown(origin)

    def logs(self) -> list[WitnessedLog]:
        """All trusted logs, by origin."""
        with self._database.read() as connection:
            trusted = connection.execute(select(logs).order_by(logs.c.origin, logs.c.vkey)).all()
            known = {row.origin: row for row in connection.execute(select(heads))}
            counts = select(evidence.c.origin, func.count().label("number")).group_by(evidence.c.origin)
            refused = {row.origin: row.number for row in connection.execute(counts)}
        vkeys: dict[str, list[str]] = {}
        for row in trusted:
            vkeys.setdefault(row.origin, []).append(row.vkey)
        return [
            WitnessedLog(
                origin,
                tuple(keys),
                known[origin].size if origin in known else None,
                known[origin].time if origin in known else None,
                refused.get(origin, 0),
            )
            for origin, keys in vkeys.items()
        ]

    def evidence(self, origin: str | None = None) -> list[Refused]:
        """The refused checkpoints that are kept, of one log or of all, oldest first."""
        query = select(evidence).order_by(evidence.c.id)
        if origin is not None:
            query = query.where(evidence.c.origin == origin)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [Refused(row.origin, row.reason, row.time, bytes(row.refused), bytes(row.known)) for row in rows]

    # The protocol

    def add_checkpoint(self, body: bytes) -> bytes:
        """Our cosignature lines for the checkpoint in this request, once it is written down; errors as above."""
        request = parse_add_checkpoint(body)
        signed = self._verify(request.checkpoint)
        if self._rates is not None:
            self._rates.take(signed.origin)
        if request.old_size > signed.size:
            raise ParseError(
                "add_checkpoint_old", f"the old size {request.old_size} is above the checkpoint's {signed.size}"
            )
        refusal: StaleSize | ProofInvalid
        with self._database.write() as connection:
            head = connection.execute(_HEAD, {"of_origin": signed.origin}).one_or_none()
            try:
                _check(request, signed, head)
            except (StaleSize, ProofInvalid) as error:
                refusal = error
                if head is not None:
                    self._keep_evidence(connection, signed, head, error)
            else:
                return _format(self._cosign(connection, signed, head))
        _logger.warning("refused", extra={"origin": signed.origin, "size": signed.size, "code": refusal.code})
        raise refusal

    def latest(self, origin_hash: str) -> bytes:
        """The latest cosigned checkpoint of the log with this hash (hex of SHA-256). NotFound `witness_origin`."""
        with self._database.read() as connection:
            note = connection.scalar(_LATEST, {"of_hash": origin_hash})
        if note is None:
            raise NotFound("witness_origin", "no checkpoint of such a log was cosigned here")
        return bytes(note)

    def _verify(self, note: bytes) -> _Signed:
        """The checkpoint, if a key that we trust for its log signed it, and none that we trust signed it badly."""
        parsed = parse_note(note)
        origin, size, root = parse_lines(parsed.text)
        if len(root) != HASH_BYTES:
            raise ParseError("checkpoint_root", f"the checkpoint's root has {len(root)} bytes, not {HASH_BYTES}")
        with self._database.read() as connection:
            keys = [VerifyKey.parse(text) for text in connection.scalars(_KEYS, {"of_origin": origin})]
        if not keys:
            raise _unknown(origin)
        verified = [item.key for item in verify_signatures(parsed, keys)]
        if not verified:
            raise SignatureInvalid(
                "checkpoint_unsigned", f"no key that is trusted for {origin!r} signed the checkpoint"
            )
        names = {(key.name, key.key_id) for key in verified}
        lines = tuple(line for line in parsed.signatures if (line.name, line.key_id) in names)
        return _Signed(Note(parsed.text, lines), origin, size, root)

    def _cosign(self, connection: Connection, signed: _Signed, head: Row[Any] | None) -> tuple[NoteSignature, ...]:
        now = int(self._clock())
        if head is not None and now < head.time:
            raise StoreError(
                "witness_clock", f"the clock is {head.time - now} s behind our last cosignature", retryable=True
            )
        if head is not None and now == head.time:
            stored = parse_note(bytes(head.note))
            ours = {(key.name, key.key_id) for key in self.keys}
            again = tuple(line for line in stored.signatures if (line.name, line.key_id) in ours)
            if stored.text == signed.note.text and len(again) == len(ours):
                return again  # the same within a second costs no write
        lines = tuple(sign_text(signed.note.text, key, now) for key in self.keys)
        note = Note(signed.note.text, (*signed.note.signatures, *lines)).format()
        values = {"size": signed.size, "root": signed.root, "note": note, "time": now}
        if head is None:
            digest = sha256(signed.origin.encode()).hexdigest()
            connection.execute(_INSERT_HEAD, {"origin": signed.origin, "origin_hash": digest, **values})
        else:
            new = {f"new_{name}": value for name, value in values.items()}
            connection.execute(_UPDATE_HEAD, {"of_origin": signed.origin, **new})
        return lines

    def _keep_evidence(
        self, connection: Connection, signed: _Signed, head: Row[Any], error: LogConflict | ProofInvalid
    ) -> None:
        """Once for each checkpoint, and only if it contradicts the head or was said to extend it and does not."""
        if isinstance(error, StaleSize) and (signed.size != head.size or signed.root == head.root):
            return
        key = {"origin": signed.origin, "size": signed.size, "root": signed.root}
        kept = connection.scalar(select(func.count()).select_from(evidence).filter_by(origin=signed.origin)) or 0
        if kept >= EVIDENCE_MAX or connection.execute(select(evidence.c.id).filter_by(**key)).first() is not None:
            return
        row = {"reason": error.code, "refused": signed.note.format(), "known": head.note, "time": int(self._clock())}
        connection.execute(insert(evidence).values(**key, **row))


def _check(request: AddCheckpoint, signed: _Signed, head: Row[Any] | None) -> None:
    """Raise StaleSize or ProofInvalid unless the signed checkpoint extends the head, as the request shows."""
    known_size, known_root = (head.size, bytes(head.root)) if head is not None else (0, EMPTY_ROOT)
    if request.old_size != known_size:
        raise StaleSize(known_size, request.old_size)
    if signed.size == 0 and signed.root != EMPTY_ROOT:
        raise ProofInvalid("consistency_new_root", "a checkpoint of size 0 has the root of the empty tree")
    check_consistency(known_size, known_root, signed.size, signed.root, request.proof)


def _format(lines: Sequence[NoteSignature]) -> bytes:
    return "".join(line.format() for line in lines).encode()


def _unknown(origin: str) -> NotFound:
    return NotFound("witness_origin", f"this witness knows no log {origin[:80]!r}")
