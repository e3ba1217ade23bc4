"""Alembic's environment and steps; `ledger.schema` runs them."""
