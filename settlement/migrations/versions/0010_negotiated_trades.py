"""Block trades, one-way auctions with their bids, and how a trade came about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# 64 bits on every database; on SQLite only its own INTEGER counts up as a primary key.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Every trade of an older release was a continuous one.
COLUMNS = (
    ("trades", "trade_type"),
    ("clearing_prices", "negotiated_lots"),
    ("clearing_prices", "negotiated_fen"),
)


def upgrade() -> None:
    for table, name in COLUMNS:
        op.add_column(table, sa.Column(name, INTEGER, nullable=False, server_default="0"))
    _create_block_trades()
    _create_auctions()
    _create_bids()


def downgrade() -> None:
    for table in ("auction_bids", "one_way_auctions", "block_trades"):
        op.drop_table(table)
    for table, name in COLUMNS:
        op.drop_column(table, name)


def _create_block_trades() -> None:
    op.create_table(
        "block_trades",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("block_trade_id", sa.String(length=36), nullable=False),
        sa.Column("client_order_id", sa.String(length=36), nullable=False),
        sa.Column("proposer", INTEGER, nullable=False),
        sa.Column("counterparty", INTEGER, nullable=False),
        sa.Column("instrument", INTEGER, nullable=False),
        sa.Column("side", INTEGER, nullable=False),
        sa.Column("price_ticks", INTEGER, nullable=False),
        sa.Column("quantity_lots", INTEGER, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("proposer_order_id", INTEGER, nullable=True),
        sa.Column("counterparty_order_id", INTEGER, nullable=True),
        sa.Column("attempts", INTEGER, nullable=False, server_default="0"),
        sa.Column("refused_code", INTEGER, nullable=True),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.Column("updated_time_ns", INTEGER, nullable=False),
        sa.CheckConstraint("proposer <> counterparty", name=op.f("ck_block_trades_two_accounts")),
        sa.ForeignKeyConstraint(
            ["proposer"], ["accounts.number"], name=op.f("fk_block_trades_proposer_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["counterparty"],
            ["accounts.number"],
            name=op.f("fk_block_trades_counterparty_accounts"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_block_trades")),
        sa.UniqueConstraint("block_trade_id", name=op.f("uq_block_trades_block_trade_id")),
        sa.UniqueConstraint(
            "proposer", "client_order_id", name=op.f("uq_block_trades_proposer_client_order_id")
        ),
    )
    for name in ("proposer", "counterparty", "status"):
        op.create_index(op.f(f"ix_block_trades_{name}"), "block_trades", [name])


def _create_auctions() -> None:
    op.create_table(
        "one_way_auctions",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("auction_id", sa.String(length=36), nullable=False),
        sa.Column("idempotency_key", sa.String(length=128), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("initiator", INTEGER, nullable=False),
        sa.Column("instrument", INTEGER, nullable=False),
        sa.Column("side", INTEGER, nullable=False),
        sa.Column("quantity_lots", INTEGER, nullable=False),
        sa.Column("reserve_price_ticks", INTEGER, nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("share_cap_ppm", INTEGER, nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("starts_at_ns", INTEGER, nullable=False),
        sa.Column("ends_at_ns", INTEGER, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("order_id", INTEGER, nullable=True),
        sa.Column("refused_code", INTEGER, nullable=True),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.Column("closed_time_ns", INTEGER, nullable=True),
        sa.CheckConstraint("starts_at_ns < ends_at_ns", name=op.f("ck_one_way_auctions_times")),
        sa.ForeignKeyConstraint(
            ["initiator"], ["accounts.number"], name=op.f("fk_one_way_auctions_initiator_accounts")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_one_way_auctions")),
        sa.UniqueConstraint("auction_id", name=op.f("uq_one_way_auctions_auction_id")),
        sa.UniqueConstraint(
            "initiator",
            "idempotency_key",
            name=op.f("uq_one_way_auctions_initiator_idempotency_key"),
        ),
    )
    for name in ("initiator", "status"):
        op.create_index(op.f(f"ix_one_way_auctions_{name}"), "one_way_auctions", [name])


def _create_bids() -> None:
    op.create_table(
        "auction_bids",
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("bid_id", sa.String(length=36), nullable=False),
        sa.Column("auction", INTEGER, nullable=False),
        sa.Column("client_order_id", sa.String(length=36), nullable=False),
        sa.Column("account", INTEGER, nullable=False),
        sa.Column("price_ticks", INTEGER, nullable=False),
        sa.Column("quantity_lots", INTEGER, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("order_id", INTEGER, nullable=True),
        sa.Column("refused_code", INTEGER, nullable=True),
        sa.Column("allotted_lots", INTEGER, nullable=False, server_default="0"),
        sa.Column("allotted_price_ticks", INTEGER, nullable=False, server_default="0"),
        sa.Column("created_time_ns", INTEGER, nullable=False),
        sa.ForeignKeyConstraint(
            ["auction"],
            ["one_way_auctions.number"],
            name=op.f("fk_auction_bids_auction_one_way_auctions"),
        ),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.number"], name=op.f("fk_auction_bids_account_accounts")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_auction_bids")),
        sa.UniqueConstraint("bid_id", name=op.f("uq_auction_bids_bid_id")),
        sa.UniqueConstraint(
            "account", "client_order_id", name=op.f("uq_auction_bids_account_client_order_id")
        ),
    )
    op.create_index(op.f("ix_auction_bids_auction"), "auction_bids", ["auction"])
