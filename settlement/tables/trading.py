"""What the intake keeps of the engine's events: instruments, orders, trades, and how far it is."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from settlement.tables.base import Base

SYMBOL_LENGTH = 16
_HAS_CLIENT_ID = text("client_id_high <> 0 OR client_id_low <> 0")


class Instrument(Base):
    """An instrument as the latest event left it; `settled_sequence` belongs to clearing."""

    __tablename__ = "instruments"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    symbol: Mapped[str] = mapped_column(String(SYMBOL_LENGTH), unique=True)
    tick_fen: Mapped[int]
    reference_price_ticks: Mapped[int]
    lower_limit_ticks: Mapped[int]
    upper_limit_ticks: Mapped[int]
    price_limit_ppm: Mapped[int]
    maximum_order_lots: Mapped[int]
    maximum_holding_lots: Mapped[int]
    maker_fee_ppm: Mapped[int]
    taker_fee_ppm: Mapped[int]
    ladder_levels: Mapped[int]
    trading_day: Mapped[int]  # days since 1970-01-01
    flags: Mapped[int]
    phase: Mapped[int]
    sequence: Mapped[int]
    # Every trade up to this sequence is in the ledger and its blocks are delivered.
    settled_sequence: Mapped[int] = mapped_column(default=0, server_default="0")


class Order(Base):
    """An order from its acceptance to its end; numbers mean what engine.codes says."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_account_order_id", "account", "order_id"),
        Index(
            "ix_orders_account_client_id",
            *("account", "client_id_high", "client_id_low"),
            unique=True,
            sqlite_where=_HAS_CLIENT_ID,
            postgresql_where=_HAS_CLIENT_ID,
        ),
        CheckConstraint("filled_lots + remaining_lots <= quantity_lots", name="quantities"),
    )

    order_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    account: Mapped[int]
    instrument: Mapped[int] = mapped_column(ForeignKey("instruments.number"))
    client_id_high: Mapped[int]
    client_id_low: Mapped[int]
    side: Mapped[int]
    order_type: Mapped[int]
    time_in_force: Mapped[int]
    flags: Mapped[int]
    self_trade_prevention: Mapped[int]
    purpose: Mapped[int]
    scheme: Mapped[int]
    price_ticks: Mapped[int]  # the limit in force; a market order's protection
    quantity_lots: Mapped[int]
    # As it was entered, before any amendment: what a repeated request is compared with.
    entered_price_ticks: Mapped[int]
    entered_quantity_lots: Mapped[int]
    expires_at_ns: Mapped[int] = mapped_column(default=0, server_default="0")  # 0: not gtd
    minimum_quantity_lots: Mapped[int] = mapped_column(default=0, server_default="0")
    stop_price_ticks: Mapped[int] = mapped_column(default=0, server_default="0")  # 0: none
    display_quantity_lots: Mapped[int] = mapped_column(default=0, server_default="0")  # 0: all
    remaining_lots: Mapped[int]  # still open; 0 once the order is closed
    filled_lots: Mapped[int]
    filled_ticks: Mapped[int]  # sum of price times quantity: the average price's numerator
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[int]  # why it was cancelled; 0: it was not
    created_time_ns: Mapped[int]
    updated_time_ns: Mapped[int]
    sequence: Mapped[int]  # of the command that touched it last


class Trade(Base):
    """One match; its trading day is the instrument's when it happened."""

    __tablename__ = "trades"
    __table_args__ = (
        Index("ix_trades_maker_account_trade_id", "maker_account", "trade_id"),
        Index("ix_trades_taker_account_trade_id", "taker_account", "trade_id"),
        Index("ix_trades_instrument_sequence", "instrument", "sequence"),
    )

    trade_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int]
    time_ns: Mapped[int]
    trading_day: Mapped[int]
    instrument: Mapped[int] = mapped_column(ForeignKey("instruments.number"))
    price_ticks: Mapped[int]
    quantity_lots: Mapped[int]
    notional_fen: Mapped[int]
    maker_order_id: Mapped[int] = mapped_column(index=True)
    taker_order_id: Mapped[int] = mapped_column(index=True)
    maker_account: Mapped[int]
    taker_account: Mapped[int]
    maker_fee_fen: Mapped[int]
    taker_fee_fen: Mapped[int]
    taker_side: Mapped[int]


class IntakeCheckpoint(Base):
    """One row: the last sequence whose events are in these tables."""

    __tablename__ = "intake_checkpoint"
    __table_args__ = (CheckConstraint("number = 1", name="one_row"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int]
