"""Stop prices and display quantities of orders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# An order of an older release has neither.
COLUMNS = ("stop_price_ticks", "display_quantity_lots")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("orders", sa.Column(name, INTEGER, nullable=False, server_default="0"))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("orders", name)
