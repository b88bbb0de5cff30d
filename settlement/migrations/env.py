"""Runs the migrations on the connection that `Database` hands in, inside its transaction."""

from __future__ import annotations

from alembic import context

from settlement.tables import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    # SQLite changes a table by copying it, which alembic calls batch mode.
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
