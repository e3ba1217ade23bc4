"""Version 2: keys end. The table `operator_ends`, empty, because version 1 admitted no statement that ends a key."""

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, PrimaryKeyConstraint, UniqueConstraint

revision = "0002"
down_revision = "0001"

_INT64 = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    """Adds the table and the triggers that make it append-only."""
    op.create_table(
        "operator_ends",
        Column(
            "operator_index",
            _INT64,
            ForeignKey("operators.leaf_index", name="fk_operator_ends_operator_index"),
            nullable=False,
            autoincrement=False,
        ),
        Column(
            "leaf_index",
            _INT64,
            ForeignKey("entries.leaf_index", name="fk_operator_ends_leaf_index"),
            nullable=False,
        ),
        PrimaryKeyConstraint("operator_index", name="pk_operator_ends"),
        UniqueConstraint("leaf_index", name="uq_operator_ends_leaf_index"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for name, when in (("no_update", "UPDATE"), ("no_delete", "DELETE")):
            op.execute(
                f"CREATE TRIGGER operator_ends_{name} BEFORE {when} ON operator_ends "
                "BEGIN SELECT RAISE(ABORT, 'operator_ends: append-only'); END"
            )
    else:
        op.execute(
            "CREATE TRIGGER operator_ends_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_ends "
            "EXECUTE FUNCTION rail_refuse('operator_ends: append-only')"
        )
