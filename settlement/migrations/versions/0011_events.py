"""Events, and the orders that buy credits for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("account", INTEGER, nullable=False),
        sa.Column("idempotency_key", sa.String(length=128), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("category", sa.String(length=16), nullable=False),
        sa.Column("attendees", INTEGER, nullable=False),
        sa.Column("starts_time_ns", INTEGER, nullable=False),
        sa.Column("ends_time_ns", INTEGER, nullable=False),
        sa.Column("deadline_time_ns", INTEGER, nullable=False),
        sa.Column("boundary", sa.String(length=2000), nullable=True),
        sa.Column("measures", sa.String(length=2000), nullable=True),
        sa.Column("planned", sa.JSON(), nullable=False),
        sa.Column("planned_quantity", INTEGER, nullable=False),
        sa.Column("actual", sa.JSON(), nullable=True),
        sa.Column("actual_quantity", INTEGER, nullable=True),
        sa.Column("offset_symbol", sa.String(length=16), nullable=True),
        sa.Column("purchase_number", INTEGER, nullable=False),
        sa.Column("purchase_price_ticks", INTEGER, nullable=False),
        sa.Column("purchase_lots", INTEGER, nullable=False),
        sa.Column("is_purchase_open", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.Column("published_time_ns", INTEGER, nullable=True),
        sa.Column("accounted_time_ns", INTEGER, nullable=True),
        sa.Column("cancelled_time_ns", INTEGER, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_events")),
        sa.UniqueConstraint("event_id", name=op.f("uq_events_event_id")),
        sa.UniqueConstraint(
            "account", "idempotency_key", name=op.f("uq_events_account_idempotency_key")
        ),
        sa.CheckConstraint("planned_quantity >= 1", name=op.f("ck_events_planned_quantity")),
        sa.CheckConstraint("actual_quantity >= 1", name=op.f("ck_events_actual_quantity")),
        sa.CheckConstraint("ends_time_ns > starts_time_ns", name=op.f("ck_events_times")),
    )
    op.create_index("ix_events_account_number", "events", ["account", "number"])
    op.create_index(op.f("ix_events_offset_symbol"), "events", ["offset_symbol"])
    op.create_table(
        "event_orders",
        sa.Column("account", INTEGER, autoincrement=False, nullable=False),
        sa.Column("client_id_high", INTEGER, autoincrement=False, nullable=False),
        sa.Column("client_id_low", INTEGER, autoincrement=False, nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.event_id"], name=op.f("fk_event_orders_event_id_events")
        ),
        sa.PrimaryKeyConstraint(
            "account", "client_id_high", "client_id_low", name=op.f("pk_event_orders")
        ),
    )
    op.create_index(op.f("ix_event_orders_event_id"), "event_orders", ["event_id"])
    op.create_index(op.f("ix_retirements_event_id"), "retirements", ["event_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_retirements_event_id"), table_name="retirements")
    op.drop_table("event_orders")
    op.drop_table("events")
