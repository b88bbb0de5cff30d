"""The end-of-day run: how far it is, its closing prices, nets and statements, and breaks found."""

from __future__ import annotations

from sqlalchemy import Boolean, ForeignKey, String, Text, true
from sqlalchemy.orm import Mapped, mapped_column

from settlement.tables.base import Base
from settlement.tables.trading import SYMBOL_LENGTH

RUN_ID_LENGTH = 36


class ClearingRun(Base):
    """One trading day's end; `step` is the last one that is done.

    Status: running, waiting (for an operator to approve the delivery), failed, completed.
    """

    __tablename__ = "clearing_runs"

    run_id: Mapped[str] = mapped_column(String(RUN_ID_LENGTH), primary_key=True)
    trading_day: Mapped[int] = mapped_column(unique=True)
    next_trading_day: Mapped[int]
    status: Mapped[str] = mapped_column(String(16))
    reopens: Mapped[bool] = mapped_column(Boolean)  # a demo market goes on around the clock
    step: Mapped[str] = mapped_column(String(16))
    started_time_ns: Mapped[int]
    finished_time_ns: Mapped[int] = mapped_column(default=0)
    # The run settles what happened up to closing_sequence, after what the run before it settled.
    previous_sequence: Mapped[int]
    closing_sequence: Mapped[int] = mapped_column(default=0)
    batches: Mapped[int] = mapped_column(default=0)  # of the delivery; posted ones are counted
    error: Mapped[str | None] = mapped_column(Text)
    approved_by: Mapped[str | None] = mapped_column(String(32))  # the delivery, where it has to be


class ClearingPrice(Base):
    """An instrument that the run settles, with its closing price and the day's figures."""

    __tablename__ = "clearing_prices"

    run_id: Mapped[str] = mapped_column(ForeignKey("clearing_runs.run_id"), primary_key=True)
    instrument: Mapped[int] = mapped_column(ForeignKey("instruments.number"), primary_key=True)
    # The run settles the instrument's trades after this sequence, up to its closing_sequence,
    # unless a seller's blocks were short: then it is the closing_sequence, and a later run does.
    after_sequence: Mapped[int]
    previous_price_ticks: Mapped[int]
    closing_price_ticks: Mapped[int]
    method: Mapped[str] = mapped_column(String(16))
    trades: Mapped[int]
    volume_lots: Mapped[int]
    notional_fen: Mapped[int]
    fees_fen: Mapped[int]
    # Block trades and one-way auctions, which the figures above leave out but for the fees.
    negotiated_lots: Mapped[int] = mapped_column(default=0, server_default="0")
    negotiated_fen: Mapped[int] = mapped_column(default=0, server_default="0")
    is_delivered: Mapped[bool] = mapped_column(default=True, server_default=true())


class ClearingNet(Base):
    """What an account bought and sold of one instrument in the run's trades."""

    __tablename__ = "clearing_nets"

    run_id: Mapped[str] = mapped_column(ForeignKey("clearing_runs.run_id"), primary_key=True)
    instrument: Mapped[int] = mapped_column(ForeignKey("instruments.number"), primary_key=True)
    account: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fills: Mapped[int]
    bought_lots: Mapped[int]
    sold_lots: Mapped[int]
    bought_fen: Mapped[int]
    sold_fen: Mapped[int]
    fees_fen: Mapped[int]


class Statement(Base):
    """An account's day as JSON: opening, deposits, net trading, fees, closing, for each asset."""

    __tablename__ = "statements"

    account: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    trading_day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    run_id: Mapped[str] = mapped_column(ForeignKey("clearing_runs.run_id"), index=True)
    body: Mapped[str] = mapped_column(Text)


class ReconciliationBreak(Base):
    """A balance on which the engine, the ledger and custody did not agree at the end of a run.

    Status: open, pending (an adjustment waits for a second person), resolved.
    """

    __tablename__ = "reconciliation_breaks"

    break_id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("clearing_runs.run_id"), index=True)
    kind: Mapped[str] = mapped_column(String(24))
    account: Mapped[int]
    asset: Mapped[str] = mapped_column(String(SYMBOL_LENGTH))
    engine: Mapped[int]
    ledger: Mapped[int]
    custody: Mapped[int]
    status: Mapped[str] = mapped_column(
        String(16), default="open", server_default="open", index=True
    )
    assigned_to: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str | None] = mapped_column(String(200))
    resolved_by: Mapped[str | None] = mapped_column(String(32))
    resolved_time_ns: Mapped[int | None]
    # Who approved or rejected an adjustment last.
    decided_by: Mapped[str | None] = mapped_column(String(32))
    decided_time_ns: Mapped[int | None]
