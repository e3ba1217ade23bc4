"""Tables of the content index. Derived data: all of it can be dropped and rebuilt from the log. SPEC.md section 9."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
)

# Apart from the log's own tables: the log's schema and fsck know nothing of the index.
metadata: Final = MetaData()

state: Final = Table(
    "index_state",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("rules", String(64), nullable=False),  # of the rows; other rules mean: rebuild
    Column("cursor", BigInteger, nullable=False),  # last record seen; -1: none
    Column("epoch", BigInteger, nullable=False),  # grows when rows are removed: what was read before is stale
    Column("complete", Boolean, nullable=False),  # the cursor has reached the end of the log since it was last reset
)

records: Final = Table(
    "index_records",
    metadata,
    Column("record_id", BigInteger, primary_key=True, autoincrement=False),
    Column("raw_digest", BigInteger, nullable=False),
    Column("normal_digest", BigInteger, nullable=False),
    Column("echo_permille", SmallInteger, nullable=False),
    Column("prefixes", LargeBinary, nullable=False),  # first 3 bytes of each of the record's hashes, for its removal
    Column("term_prefixes", LargeBinary, nullable=False),  # upper 15 bits of each of its terms, for the same
    Index("index_records_raw", "raw_digest", "record_id"),
    Index("index_records_normal", "normal_digest", "record_id"),
)

# One row for each fingerprint of each record, in the order in which they are looked up.
postings: Final = Table(
    "index_postings",
    metadata,
    Column("hash", BigInteger, primary_key=True, autoincrement=False),
    Column("record_id", BigInteger, primary_key=True, autoincrement=False),
    Column("edges", SmallInteger, primary_key=True, autoincrement=False),  # winnow.edges_of, less 32768
    sqlite_with_rowid=False,
)

# The rarest terms of each record.
terms: Final = Table(
    "index_terms",
    metadata,
    Column("term", Integer, primary_key=True, autoincrement=False),
    Column("record_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# In how many records each term is, whether or not it is one of their rarest. ALL_TEXTS counts the records.
ALL_TEXTS: Final = -1
vocabulary: Final = Table(
    "index_vocabulary",
    metadata,
    Column("term", Integer, primary_key=True, autoincrement=False),
    Column("texts", Integer, nullable=False),
    sqlite_with_rowid=False,
)
