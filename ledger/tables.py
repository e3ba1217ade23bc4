"""The tables of a log: SQLAlchemy Core, one definition for SQLite and PostgreSQL, and the triggers that guard them.

What is in the tree (`entries`, `nodes`) and what names it (`log`, the operators, `models`) can only be added to:
UPDATE and DELETE are refused by the database itself. `checkpoint` is one row that can only grow. `contents` is
outside the tree; its rows cannot be changed, but they can be deleted (erasure). SPEC.md, "Tables", says why the
hashes are kept this way and what a leaf costs.
"""

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
)

SCHEMA_VERSION = 2  # migrations/versions has the way from each to the next

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# 64-bit signed. In SQLite the type must be called INTEGER for the primary key to be the row id itself.
Int64 = BigInteger().with_variant(Integer(), "sqlite")

log = Table(
    "log",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("schema_version", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("vkey", Text, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("size", Int64, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

# The columns after leaf_hash and before statement are read out of the statement once, when it is appended, so that
# queries need not parse. The statement is last: a row's small columns are read without its overflow pages.
entries = Table(
    "entries",
    metadata,
    Column("leaf_index", Int64, primary_key=True, autoincrement=False),
    Column("leaf_hash", LargeBinary(32), nullable=False),
    Column("kind", Text, nullable=False),
    # Leaf index of the signer's registration; an `operator` statement names itself.
    Column("operator_index", Int64, ForeignKey("entries.leaf_index"), nullable=False),
    Column("counter", Int64, nullable=False),
    Column("time", Int64, nullable=False),
    Column("logged", Int64, nullable=False),  # Unix seconds by the log's clock; `time` is what the operator states
    # The entry that a `replay` or `erasure` statement is about; null for all other kinds.
    Column("subject_index", Int64, ForeignKey("entries.leaf_index"), nullable=True),
    Column("statement", LargeBinary, nullable=False),
    UniqueConstraint("leaf_hash"),
    UniqueConstraint("operator_index", "counter"),
    CheckConstraint("leaf_index >= 0", name="leaf_index"),
)
_not_generation = entries.c.kind != "generation"
Index("ix_entries_kind", entries.c.kind, sqlite_where=_not_generation, postgresql_where=_not_generation)
_about_an_entry = entries.c.subject_index.is_not(None)
Index(
    "ix_entries_subject_index", entries.c.subject_index, sqlite_where=_about_an_entry, postgresql_where=_about_an_entry
)

# Hash `position` of tile level `level` >= 1: the root of the complete subtree of 256^level leaves that starts at leaf
# position * 256^level. Level 0 is entries.leaf_hash.
nodes = Table(
    "nodes",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("position", Int64, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
    CheckConstraint("level >= 1", name="level"),
    sqlite_with_rowid=False,
)

operators = Table(
    "operators",
    metadata,
    Column("operator_id", LargeBinary(32), primary_key=True),
    Column("leaf_index", Int64, ForeignKey("entries.leaf_index"), nullable=False, unique=True),
    sqlite_with_rowid=False,
)

# The keys that were rotated or revoked, by the leaf of their registration: nothing later of theirs counts.
operator_ends = Table(
    "operator_ends",
    metadata,
    Column("operator_index", Int64, ForeignKey("operators.leaf_index"), primary_key=True, autoincrement=False),
    Column("leaf_index", Int64, ForeignKey("entries.leaf_index"), nullable=False, unique=True),
)

models = Table(
    "models",
    metadata,
    Column("model_root", LargeBinary(32), primary_key=True),
    # The first entry that registers the model; later ones are found by kind.
    Column("leaf_index", Int64, ForeignKey("entries.leaf_index"), nullable=False, unique=True),
    sqlite_with_rowid=False,
)

contents = Table(
    "contents",
    metadata,
    Column("leaf_index", Int64, ForeignKey("entries.leaf_index"), primary_key=True, autoincrement=False),
    Column("visibility", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    CheckConstraint("visibility IN ('public', 'matchable', 'private')", name="visibility"),
)

# Alembic's own table, as Alembic makes it: which version the tables have. schema.py reads and writes it.
alembic_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

APPEND_ONLY = (log, entries, nodes, operators, operator_ends, models)


def _sqlite_trigger(table: Table, name: str, when: str, reason: str) -> DDL:
    text = f"CREATE TRIGGER {table.name}_{name} {when} BEGIN SELECT RAISE(ABORT, '{table.name}: {reason}'); END"
    return DDL(text).execute_if(dialect="sqlite")


def _postgresql_trigger(table: Table, name: str, when: str, reason: str) -> DDL:
    text = f"CREATE TRIGGER {table.name}_{name} {when} EXECUTE FUNCTION rail_refuse('{table.name}: {reason}')"
    return DDL(text).execute_if(dialect="postgresql")


def _guard(table: Table, *triggers: DDL) -> None:
    for trigger in triggers:
        event.listen(table, "after_create", trigger)


def guard_append_only(table: Table) -> None:
    """Triggers, made with the table, that refuse every change of its rows."""
    _guard(
        table,
        _sqlite_trigger(table, "no_update", f"BEFORE UPDATE ON {table.name}", "append-only"),
        _sqlite_trigger(table, "no_delete", f"BEFORE DELETE ON {table.name}", "append-only"),
        _postgresql_trigger(table, "no_change", f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table.name}", "append-only"),
    )


event.listen(
    metadata,
    "before_create",
    DDL(
        "CREATE FUNCTION rail_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation'; END $$"
    ).execute_if(dialect="postgresql"),
)

for _table in APPEND_ONLY:
    guard_append_only(_table)

# INSERT OR REPLACE deletes a row in SQLite without firing its delete trigger, so there each insert must also be the
# next one. PostgreSQL has no such statement (ON CONFLICT DO UPDATE fires the update trigger).
_guard(
    entries,
    _sqlite_trigger(
        entries,
        "dense",
        "BEFORE INSERT ON entries WHEN NEW.leaf_index <> (SELECT coalesce(max(leaf_index) + 1, 0) FROM entries)",
        "not the next leaf",
    ),
)
_guard(
    nodes,
    _sqlite_trigger(
        nodes,
        "dense",
        "BEFORE INSERT ON nodes WHEN NEW.position <> "
        "(SELECT coalesce(max(position) + 1, 0) FROM nodes WHERE level = NEW.level)",
        "not the next hash of its level",
    ),
)
_guard(
    checkpoint,
    _sqlite_trigger(checkpoint, "grows", "BEFORE UPDATE ON checkpoint WHEN NEW.size <= OLD.size", "can only grow"),
    _sqlite_trigger(checkpoint, "no_delete", "BEFORE DELETE ON checkpoint", "can only grow"),
    _postgresql_trigger(
        checkpoint, "grows", "BEFORE UPDATE ON checkpoint FOR EACH ROW WHEN (NEW.size <= OLD.size)", "can only grow"
    ),
    _postgresql_trigger(checkpoint, "no_delete", "BEFORE DELETE OR TRUNCATE ON checkpoint", "can only grow"),
)
_guard(
    contents,
    _sqlite_trigger(contents, "no_update", "BEFORE UPDATE ON contents", "can be erased, not changed"),
    _postgresql_trigger(contents, "no_update", "BEFORE UPDATE ON contents", "can be erased, not changed"),
)
