"""What Alembic runs: the steps, in the transaction of the connection that `ledger.schema` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
