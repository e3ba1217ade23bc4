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

# SQLite keeps a table in the order of an INTEGER key, and of no other, without a second tree for it.
_Key: Final = BigInteger().with_variant(Integer, "sqlite")

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
    Column("record_id", _Key, primary_key=True, autoincrement=False),
    Column("raw_digest", BigInteger, nullable=False),
    Column("normal_digest", BigInteger, nullable=False),
    Column("echo_permille", SmallInteger, nullable=False),
    Column("places", LargeBinary, nullable=False),  # first 16 bits of each of its fingerprints, for its removal
    Column("term_places", LargeBinary, nullable=False),  # first 16 bits of each of its terms, for the same
    Index("index_records_raw", "raw_digest", "record_id"),
    Index("index_records_normal", "normal_digest", "record_id"),
)

# The fingerprints and terms of a range of records: `blocks.py`. Ranges are disjoint, but for a merge in progress.
segments: Final = Table(
    "index_segments",
    metadata,
    Column("segment", _Key, primary_key=True, autoincrement=False),
    Column("first", BigInteger, nullable=False),  # record
    Column("last", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("postings", BigInteger, nullable=False),  # when it was written: erased ones are not subtracted
    Column("posting_bits", SmallInteger, nullable=False),  # of a fingerprint, that name its block
    Column("term_bits", SmallInteger, nullable=False),
    Column("into", BigInteger),  # the segment that it is being merged into; NULL: none
    Column("done", Integer, nullable=False),  # of 65,536 parts of all hashes: how many this merged segment has
)

# Blocks by segment << 25 | bucket << 1 | spilled. Postings and terms apart, so that PostgreSQL can spread each.
postings: Final = Table(
    "index_postings",
    metadata,
    Column("block", _Key, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

terms: Final = Table(
    "index_terms",
    metadata,
    Column("block", _Key, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

# In how many records each term is, whether or not it is one of their rarest. ALL_TEXTS counts the records.
ALL_TEXTS: Final = -1
vocabulary: Final = Table(
    "index_vocabulary",
    metadata,
    Column("term", _Key, primary_key=True, autoincrement=False),
    Column("texts", Integer, nullable=False),
)
