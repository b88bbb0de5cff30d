"""Instruments, orders, trades and the intake's checkpoint."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_calendar_days()
    _create_instruments()
    _create_intake_checkpoint()
    _create_orders()
    _create_trades()


def downgrade() -> None:
    op.drop_table("trades")
    op.drop_table("orders")
    op.drop_table("intake_checkpoint")
    op.drop_table("instruments")
    op.drop_table("calendar_days")


def _create_calendar_days() -> None:
    op.create_table(
        "calendar_days",
        sa.Column("day", INTEGER, autoincrement=False, nullable=False),
        sa.Column("is_trading", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(length=200), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_calendar_days")),
    )


def _create_instruments() -> None:
    op.create_table(
        "instruments",
        sa.Column("number", INTEGER, autoincrement=False, nullable=False),
        sa.Column("symbol", sa.String(length=16), nullable=False),
        sa.Column("tick_fen", INTEGER, nullable=False),
        sa.Column("reference_price_ticks", INTEGER, nullable=False),
        sa.Column("lower_limit_ticks", INTEGER, nullable=False),
        sa.Column("upper_limit_ticks", INTEGER, nullable=False),
        sa.Column("price_limit_ppm", INTEGER, nullable=False),
        sa.Column("maximum_order_lots", INTEGER, nullable=False),
        sa.Column("maximum_holding_lots", INTEGER, nullable=False),
        sa.Column("maker_fee_ppm", INTEGER, nullable=False),
        sa.Column("taker_fee_ppm", INTEGER, nullable=False),
        sa.Column("ladder_levels", INTEGER, nullable=False),
        sa.Column("trading_day", INTEGER, nullable=False),
        sa.Column("flags", INTEGER, nullable=False),
        sa.Column("phase", INTEGER, nullable=False),
        sa.Column("sequence", INTEGER, nullable=False),
        sa.Column("thin_market_lots", INTEGER, server_default="100", nullable=False),
        sa.Column("settled_sequence", INTEGER, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_instruments")),
        sa.UniqueConstraint("symbol", name=op.f("uq_instruments_symbol")),
    )


def _create_intake_checkpoint() -> None:
    op.create_table(
        "intake_checkpoint",
        sa.Column("number", INTEGER, autoincrement=False, nullable=False),
        sa.Column("sequence", INTEGER, nullable=False),
        sa.CheckConstraint("number = 1", name=op.f("ck_intake_checkpoint_one_row")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_intake_checkpoint")),
    )


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("order_id", INTEGER, autoincrement=False, nullable=False),
        sa.Column("account", INTEGER, nullable=False),
        sa.Column("instrument", INTEGER, nullable=False),
        sa.Column("client_id_high", INTEGER, nullable=False),
        sa.Column("client_id_low", INTEGER, nullable=False),
        sa.Column("side", INTEGER, nullable=False),
        sa.Column("order_type", INTEGER, nullable=False),
        sa.Column("time_in_force", INTEGER, nullable=False),
        sa.Column("flags", INTEGER, nullable=False),
        sa.Column("self_trade_prevention", INTEGER, nullable=False),
        sa.Column("purpose", INTEGER, nullable=False),
        sa.Column("scheme", INTEGER, nullable=False),
        sa.Column("price_ticks", INTEGER, nullable=False),
        sa.Column("quantity_lots", INTEGER, nullable=False),
        sa.Column("entered_price_ticks", INTEGER, nullable=False),
        sa.Column("entered_quantity_lots", INTEGER, nullable=False),
        sa.Column("remaining_lots", INTEGER, nullable=False),
        sa.Column("filled_lots", INTEGER, nullable=False),
        sa.Column("filled_ticks", INTEGER, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", INTEGER, nullable=False),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.Column("updated_time_ns", INTEGER, nullable=False),
        sa.Column("sequence", INTEGER, nullable=False),
        sa.CheckConstraint(
            "filled_lots + remaining_lots <= quantity_lots", name=op.f("ck_orders_quantities")
        ),
        sa.ForeignKeyConstraint(
            ["instrument"], ["instruments.number"], name=op.f("fk_orders_instrument_instruments")
        ),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_orders")),
    )
    op.create_index(
        "ix_orders_account_client_id",
        "orders",
        ["account", "client_id_high", "client_id_low"],
        unique=True,
        sqlite_where=sa.text("client_id_high <> 0 OR client_id_low <> 0"),
        postgresql_where=sa.text("client_id_high <> 0 OR client_id_low <> 0"),
    )
    op.create_index("ix_orders_account_order_id", "orders", ["account", "order_id"], unique=False)


def _create_trades() -> None:
    op.create_table(
        "trades",
        sa.Column("trade_id", INTEGER, autoincrement=False, nullable=False),
        sa.Column("sequence", INTEGER, nullable=False),
        sa.Column("time_ns", INTEGER, nullable=False),
        sa.Column("trading_day", INTEGER, nullable=False),
        sa.Column("instrument", INTEGER, nullable=False),
        sa.Column("price_ticks", INTEGER, nullable=False),
        sa.Column("quantity_lots", INTEGER, nullable=False),
        sa.Column("notional_fen", INTEGER, nullable=False),
        sa.Column("maker_order_id", INTEGER, nullable=False),
        sa.Column("taker_order_id", INTEGER, nullable=False),
        sa.Column("maker_account", INTEGER, nullable=False),
        sa.Column("taker_account", INTEGER, nullable=False),
        sa.Column("maker_fee_fen", INTEGER, nullable=False),
        sa.Column("taker_fee_fen", INTEGER, nullable=False),
        sa.Column("taker_side", INTEGER, nullable=False),
        sa.ForeignKeyConstraint(
            ["instrument"], ["instruments.number"], name=op.f("fk_trades_instrument_instruments")
        ),
        sa.PrimaryKeyConstraint("trade_id", name=op.f("pk_trades")),
    )
    op.create_index(
        "ix_trades_instrument_sequence", "trades", ["instrument", "sequence"], unique=False
    )
    op.create_index(
        "ix_trades_maker_account_trade_id", "trades", ["maker_account", "trade_id"], unique=False
    )
    op.create_index(op.f("ix_trades_maker_order_id"), "trades", ["maker_order_id"], unique=False)
    op.create_index(
        "ix_trades_taker_account_trade_id", "trades", ["taker_account", "trade_id"], unique=False
    )
    op.create_index(op.f("ix_trades_taker_order_id"), "trades", ["taker_order_id"], unique=False)
