"""What rules ask of credits, and what is owed and was surrendered besides offsets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("projects", sa.Column("labels", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("batches", sa.Column("first_day", INTEGER, nullable=True))
    for name in ("obligation_quantity", "allowances_quantity"):
        op.add_column("obligations", sa.Column(name, INTEGER, nullable=False, server_default="0"))
    op.add_column(
        "obligations",
        sa.Column("is_penalised", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    # Every rule of an older release was a ratio of what is to be surrendered.
    op.execute("UPDATE obligations SET obligation_quantity = base_quantity")


def downgrade() -> None:
    for name in ("is_penalised", "allowances_quantity", "obligation_quantity"):
        op.drop_column("obligations", name)
    op.drop_column("batches", "first_day")
    op.drop_column("projects", "labels")
