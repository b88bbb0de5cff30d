"""The end of the day: runs, closing prices, nets, statements, breaks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_clearing_runs()
    _create_clearing_nets()
    _create_clearing_prices()
    _create_reconciliation_breaks()
    _create_statements()


def downgrade() -> None:
    op.drop_table("statements")
    op.drop_table("reconciliation_breaks")
    op.drop_table("clearing_prices")
    op.drop_table("clearing_nets")
    op.drop_table("clearing_runs")


def _create_clearing_runs() -> None:
    op.create_table(
        "clearing_runs",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("trading_day", INTEGER, nullable=False),
        sa.Column("next_trading_day", INTEGER, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reopens", sa.Boolean(), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("started_time_ns", INTEGER, nullable=False),
        sa.Column("finished_time_ns", INTEGER, nullable=False),
        sa.Column("previous_sequence", INTEGER, nullable=False),
        sa.Column("closing_sequence", INTEGER, nullable=False),
        sa.Column("batches", INTEGER, nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_clearing_runs")),
        sa.UniqueConstraint("trading_day", name=op.f("uq_clearing_runs_trading_day")),
    )


def _create_clearing_nets() -> None:
    op.create_table(
        "clearing_nets",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("instrument", INTEGER, nullable=False),
        sa.Column("account", INTEGER, autoincrement=False, nullable=False),
        sa.Column("fills", INTEGER, nullable=False),
        sa.Column("bought_lots", INTEGER, nullable=False),
        sa.Column("sold_lots", INTEGER, nullable=False),
        sa.Column("bought_fen", INTEGER, nullable=False),
        sa.Column("sold_fen", INTEGER, nullable=False),
        sa.Column("fees_fen", INTEGER, nullable=False),
        sa.ForeignKeyConstraint(
            ["instrument"],
            ["instruments.number"],
            name=op.f("fk_clearing_nets_instrument_instruments"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["clearing_runs.run_id"], name=op.f("fk_clearing_nets_run_id_clearing_runs")
        ),
        sa.PrimaryKeyConstraint("run_id", "instrument", "account", name=op.f("pk_clearing_nets")),
    )


def _create_clearing_prices() -> None:
    op.create_table(
        "clearing_prices",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("instrument", INTEGER, nullable=False),
        sa.Column("after_sequence", INTEGER, nullable=False),
        sa.Column("previous_price_ticks", INTEGER, nullable=False),
        sa.Column("closing_price_ticks", INTEGER, nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("trades", INTEGER, nullable=False),
        sa.Column("volume_lots", INTEGER, nullable=False),
        sa.Column("notional_fen", INTEGER, nullable=False),
        sa.Column("fees_fen", INTEGER, nullable=False),
        sa.ForeignKeyConstraint(
            ["instrument"],
            ["instruments.number"],
            name=op.f("fk_clearing_prices_instrument_instruments"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["clearing_runs.run_id"],
            name=op.f("fk_clearing_prices_run_id_clearing_runs"),
        ),
        sa.PrimaryKeyConstraint("run_id", "instrument", name=op.f("pk_clearing_prices")),
    )


def _create_reconciliation_breaks() -> None:
    op.create_table(
        "reconciliation_breaks",
        sa.Column("break_id", INTEGER, nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("account", INTEGER, nullable=False),
        sa.Column("asset", sa.String(length=16), nullable=False),
        sa.Column("engine", INTEGER, nullable=False),
        sa.Column("ledger", INTEGER, nullable=False),
        sa.Column("custody", INTEGER, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["clearing_runs.run_id"],
            name=op.f("fk_reconciliation_breaks_run_id_clearing_runs"),
        ),
        sa.PrimaryKeyConstraint("break_id", name=op.f("pk_reconciliation_breaks")),
    )
    op.create_index(
        op.f("ix_reconciliation_breaks_run_id"), "reconciliation_breaks", ["run_id"], unique=False
    )


def _create_statements() -> None:
    op.create_table(
        "statements",
        sa.Column("account", INTEGER, autoincrement=False, nullable=False),
        sa.Column("trading_day", INTEGER, autoincrement=False, nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["clearing_runs.run_id"], name=op.f("fk_statements_run_id_clearing_runs")
        ),
        sa.PrimaryKeyConstraint("account", "trading_day", name=op.f("pk_statements")),
    )
    op.create_index(op.f("ix_statements_run_id"), "statements", ["run_id"], unique=False)
