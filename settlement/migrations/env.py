"""Runs the migrations on the connection that `Database` hands in, inside its transaction."""

from __future__ import annotations

from alembic import context

from settlement.tables import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    # `Database` has begun the transaction, on SQLite too: a migration is done whole or not at all.
    transactional_ddl=True,
    # SQLite changes a table by copying it, which alembic calls batch mode.
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
