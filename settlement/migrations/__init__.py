"""Schema migrations (alembic), run by `Database.migrate`."""
