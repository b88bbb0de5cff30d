"""Versions of the market's rules, where each market stands, and market makers' quoted time.

The calendar's exceptions and the thin-market volumes become versions of their rules.
"""

from __future__ import annotations

import json
from datetime import date, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EPOCH = date(1970, 1, 1)
SHIPPED_THIN_MARKET = 100


def upgrade() -> None:
    _create_market_rules()
    _create_market_phases()
    _create_quoting()
    connection = op.get_bind()
    days = connection.exec_driver_sql("SELECT day, is_trading, note FROM calendar_days").all()
    for day, is_trading, note in days:
        rule = {"is_trading": bool(is_trading), "note": note}
        _insert("day", (EPOCH + timedelta(days=day)).isoformat(), rule)
    thin = connection.exec_driver_sql("SELECT symbol, thin_market_lots FROM instruments").all()
    for symbol, lots in thin:
        if lots != SHIPPED_THIN_MARKET:
            rule = {"thin_market_quantity": lots, "source": "operator"}
            _insert("closing_price", symbol, rule)
    op.drop_table("calendar_days")
    op.drop_column("instruments", "thin_market_lots")


def downgrade() -> None:
    op.add_column(
        "instruments",
        sa.Column("thin_market_lots", INTEGER, server_default="100", nullable=False),
    )
    op.create_table(
        "calendar_days",
        sa.Column("day", INTEGER, autoincrement=False, nullable=False),
        sa.Column("is_trading", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(length=200), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_calendar_days")),
    )
    for table in ("quoting_days", "quoting_times", "market_phases", "market_rules"):
        op.drop_table(table)


def _insert(kind: str, key: str, rule: dict[str, object]) -> None:
    statement = sa.text(
        "INSERT INTO market_rules (kind, key, body, status, changed_by, changed_time_ns)"
        " VALUES (:kind, :key, :body, 'in_force', 'migration', 0)"
    )
    op.execute(statement.bindparams(kind=kind, key=key, body=json.dumps(rule)))


def _create_market_rules() -> None:
    op.create_table(
        "market_rules",
        sa.Column("version", INTEGER, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("changed_by", sa.String(length=32), nullable=False),
        sa.Column("changed_time_ns", INTEGER, nullable=False),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("decided_time_ns", INTEGER, nullable=True),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_market_rules")),
    )
    op.create_index("ix_market_rules_kind_key", "market_rules", ["kind", "key"])


def _create_market_phases() -> None:
    op.create_table(
        "market_phases",
        sa.Column("instrument", INTEGER, autoincrement=False, nullable=False),
        sa.Column("done_time_ns", INTEGER, nullable=False),
        sa.Column("resumes_time_ns", INTEGER, server_default="0", nullable=False),
        sa.Column("halt_reason", sa.String(length=200), nullable=True),
        sa.Column("halted_by", sa.String(length=32), nullable=True),
        sa.Column("halted_time_ns", INTEGER, nullable=True),
        sa.PrimaryKeyConstraint("instrument", name=op.f("pk_market_phases")),
    )


def _create_quoting() -> None:
    op.create_table(
        "quoting_times",
        sa.Column("instrument", INTEGER, autoincrement=False, nullable=False),
        sa.Column("trading_day", INTEGER, autoincrement=False, nullable=False),
        sa.Column("time_ns", INTEGER, nullable=False),
        sa.Column("is_continuous", sa.Boolean(), nullable=False),
        sa.Column("continuous_ns", INTEGER, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("instrument", "trading_day", name=op.f("pk_quoting_times")),
    )
    names = (
        *("bid_price_ticks", "bid_lots", "ask_price_ticks", "ask_lots", "time_ns", "quoted_ns"),
        *("spread_tick_seconds", "spread_tick_ns", "minimum_share_ppm", "maximum_spread_ticks"),
        *("maximum_spread_ppm", "minimum_lots"),
    )
    op.create_table(
        "quoting_days",
        sa.Column("instrument", INTEGER, autoincrement=False, nullable=False),
        sa.Column("trading_day", INTEGER, autoincrement=False, nullable=False),
        sa.Column("account", INTEGER, autoincrement=False, nullable=False),
        *(sa.Column(name, INTEGER, nullable=False) for name in names),
        sa.PrimaryKeyConstraint(
            "instrument", "trading_day", "account", name=op.f("pk_quoting_days")
        ),
    )
    op.create_index(
        "ix_quoting_days_account_trading_day", "quoting_days", ["account", "trading_day"]
    )
