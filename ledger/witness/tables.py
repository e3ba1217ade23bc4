"""The tables of a witness: SQLite only, because one witness is one small database."""

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

metadata = MetaData()

# The keys that are trusted for a log; more than one while a log changes its key.
logs = Table(
    "witness_logs",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("vkey", Text, primary_key=True),
)

# The latest checkpoint that was cosigned, of each log. Rows stay when a log is no longer trusted: a log that comes back
# cannot begin anew.
heads = Table(
    "witness_heads",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("origin_hash", Text, nullable=False, unique=True),  # hex of SHA-256(origin): its name in URLs
    Column("size", Integer, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", LargeBinary, nullable=False),  # the log's verified lines, then ours
    Column("time", Integer, nullable=False),  # of our cosignature, Unix seconds
)

# What the log signed and we refused to cosign: with the head beside it, proof that it has two trees, or a hint of it.
evidence = Table(
    "witness_evidence",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("reason", Text, nullable=False),  # code of the refusal
    Column("refused", LargeBinary, nullable=False),  # the refused note
    Column("known", LargeBinary, nullable=False),  # the note of the head at that time
    Column("time", Integer, nullable=False),
    UniqueConstraint("origin", "size", "root"),
)
