"""What is negotiated outside the book: block trades, one-way auctions and their bids."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from settlement.tables.base import Base


class BlockTrade(Base):
    """A proposal of one account to another; its statuses are settlement.block_trades.Status."""

    __tablename__ = "block_trades"
    __table_args__ = (
        UniqueConstraint("proposer", "client_order_id"),
        CheckConstraint("proposer <> counterparty", name="two_accounts"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    block_trade_id: Mapped[str] = mapped_column(String(36), unique=True)
    client_order_id: Mapped[str] = mapped_column(String(36))
    proposer: Mapped[int] = mapped_column(ForeignKey("accounts.number"), index=True)
    counterparty: Mapped[int] = mapped_column(ForeignKey("accounts.number"), index=True)
    instrument: Mapped[int]
    side: Mapped[int]  # the proposer's
    price_ticks: Mapped[int]
    quantity_lots: Mapped[int]
    status: Mapped[str] = mapped_column(String(16), index=True)
    # What it becomes once the engine has done what is under way.
    outcome: Mapped[str | None] = mapped_column(String(16))
    proposer_order_id: Mapped[int | None]
    counterparty_order_id: Mapped[int | None]
    # Of acceptances: each gives the engine client ids of its own.
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    refused_code: Mapped[int | None]
    created_time_ns: Mapped[int]
    updated_time_ns: Mapped[int]


class Auction(Base):
    """A one-way auction; its statuses are settlement.one_way_auctions.Status."""

    __tablename__ = "one_way_auctions"
    __table_args__ = (
        UniqueConstraint("initiator", "idempotency_key"),
        CheckConstraint("starts_at_ns < ends_at_ns", name="times"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    auction_id: Mapped[str] = mapped_column(String(36), unique=True)
    idempotency_key: Mapped[str | None] = mapped_column(String(128))
    fingerprint: Mapped[str] = mapped_column(String(64))
    initiator: Mapped[int] = mapped_column(ForeignKey("accounts.number"), index=True)
    instrument: Mapped[int]
    side: Mapped[int]  # the initiator's
    quantity_lots: Mapped[int]
    reserve_price_ticks: Mapped[int]
    mode: Mapped[str] = mapped_column(String(16))
    # The most that one account may win, in parts per million of the lot; 1,000,000: no cap.
    share_cap_ppm: Mapped[int]
    notice: Mapped[str] = mapped_column(Text)
    starts_at_ns: Mapped[int]
    ends_at_ns: Mapped[int]
    status: Mapped[str] = mapped_column(String(16), index=True)
    outcome: Mapped[str | None] = mapped_column(String(16))
    order_id: Mapped[int | None]  # the lot's
    refused_code: Mapped[int | None]
    decided_by: Mapped[str | None] = mapped_column(String(32))
    created_time_ns: Mapped[int]
    closed_time_ns: Mapped[int | None]


class AuctionBid(Base):
    """A sealed bid; its statuses are settlement.one_way_auctions.BidStatus."""

    __tablename__ = "auction_bids"
    __table_args__ = (UniqueConstraint("account", "client_order_id"),)

    number: Mapped[int] = mapped_column(primary_key=True)  # in the order in which they came
    bid_id: Mapped[str] = mapped_column(String(36), unique=True)
    auction: Mapped[int] = mapped_column(ForeignKey("one_way_auctions.number"), index=True)
    client_order_id: Mapped[str] = mapped_column(String(36))
    account: Mapped[int] = mapped_column(ForeignKey("accounts.number"))
    price_ticks: Mapped[int]
    quantity_lots: Mapped[int]
    status: Mapped[str] = mapped_column(String(16))
    order_id: Mapped[int | None]
    refused_code: Mapped[int | None]
    # What it was allotted when the auction closed, and at which price it trades.
    allotted_lots: Mapped[int] = mapped_column(default=0, server_default="0")
    allotted_price_ticks: Mapped[int] = mapped_column(default=0, server_default="0")
    created_time_ns: Mapped[int]
