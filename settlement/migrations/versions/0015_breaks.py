"""Breaks as a queue: who has them, how they were resolved; deliveries that are carried over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLE = "reconciliation_breaks"
_COLUMNS = (
    ("assigned_to", sa.String(32)),
    ("reason", sa.String(200)),
    ("resolved_by", sa.String(32)),
    ("resolved_time_ns", INTEGER),
    ("decided_by", sa.String(32)),
    ("decided_time_ns", INTEGER),
)


def upgrade() -> None:
    op.add_column("clearing_runs", sa.Column("approved_by", sa.String(32), nullable=True))
    op.add_column(
        "clearing_prices",
        sa.Column("is_delivered", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
    op.add_column(_TABLE, sa.Column("status", sa.String(16), nullable=False, server_default="open"))
    for name, kind in _COLUMNS:
        op.add_column(_TABLE, sa.Column(name, kind, nullable=True))
    op.create_index(op.f("ix_reconciliation_breaks_status"), _TABLE, ["status"])


def downgrade() -> None:
    op.drop_index(op.f("ix_reconciliation_breaks_status"), _TABLE)
    for name, _ in reversed(_COLUMNS):
        op.drop_column(_TABLE, name)
    op.drop_column(_TABLE, "status")
    op.drop_column("clearing_prices", "is_delivered")
    op.drop_column("clearing_runs", "approved_by")
