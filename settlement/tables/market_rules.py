"""The market's rules outside the engine: the operators' versions, and where each market stands."""

from __future__ import annotations

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from settlement.tables.base import Base


class MarketRule(Base):
    """One version of one rule; `body` is JSON, null: as shipped.

    Status: pending, in_force, rejected; the latest in force of a kind and key counts.
    """

    __tablename__ = "market_rules"
    __table_args__ = (Index("ix_market_rules_kind_key", "kind", "key"),)

    version: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    key: Mapped[str] = mapped_column(String(16))
    body: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    changed_by: Mapped[str] = mapped_column(String(32))
    changed_time_ns: Mapped[int]
    decided_by: Mapped[str | None] = mapped_column(String(32))
    decided_time_ns: Mapped[int | None]


class MarketPhase(Base):
    """How far an instrument has followed the calendar, and the operator's halt, if there is one."""

    __tablename__ = "market_phases"

    instrument: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # The calendar's borders up to here are carried out, or an operator has taken their place.
    done_time_ns: Mapped[int]
    # The end of the call auction after a halt; 0: there is none.
    resumes_time_ns: Mapped[int] = mapped_column(default=0, server_default="0")
    halt_reason: Mapped[str | None] = mapped_column(String(200))
    halted_by: Mapped[str | None] = mapped_column(String(32))
    halted_time_ns: Mapped[int | None]


class QuotingTime(Base):
    """How long an instrument traded continuously on a day, up to `time_ns`."""

    __tablename__ = "quoting_times"

    instrument: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    trading_day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    time_ns: Mapped[int]
    is_continuous: Mapped[bool]
    continuous_ns: Mapped[int] = mapped_column(default=0, server_default="0")


class QuotingDay(Base):
    """An account's two-sided quote in an instrument on a day: as it stands, and as measured.

    The rule is the one that was in force when the account first quoted that day. The average
    spread is spread_tick_seconds + spread_tick_ns / 10^9 over the quoted time: one 64-bit integer
    would not hold the sum.
    """

    __tablename__ = "quoting_days"
    __table_args__ = (Index("ix_quoting_days_account_trading_day", "account", "trading_day"),)

    instrument: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    trading_day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    account: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # Lots of 0: that side has no order.
    bid_price_ticks: Mapped[int] = mapped_column(default=0)
    bid_lots: Mapped[int] = mapped_column(default=0)
    ask_price_ticks: Mapped[int] = mapped_column(default=0)
    ask_lots: Mapped[int] = mapped_column(default=0)
    time_ns: Mapped[int]  # measured up to here
    quoted_ns: Mapped[int] = mapped_column(default=0)
    spread_tick_seconds: Mapped[int] = mapped_column(default=0)
    spread_tick_ns: Mapped[int] = mapped_column(default=0)
    minimum_share_ppm: Mapped[int]
    maximum_spread_ticks: Mapped[int]
    maximum_spread_ppm: Mapped[int]
    minimum_lots: Mapped[int]
