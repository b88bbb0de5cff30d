"""Event neutrality: events with their footprints, and the orders that buy credits for them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from settlement.tables.base import Base
from settlement.tables.registry import CODE_LENGTH, NAME_LENGTH, TEXT_LENGTH
from settlement.tables.trading import SYMBOL_LENGTH


class Event(Base):
    """An event from its plan to its neutrality; what has happened to it is in its times.

    A footprint is kept as it was calculated, with its factors, next to its whole tonnes.
    """

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("account", "idempotency_key"),
        CheckConstraint("planned_quantity >= 1", name="planned_quantity"),
        CheckConstraint("actual_quantity >= 1", name="actual_quantity"),
        CheckConstraint("ends_time_ns > starts_time_ns", name="times"),
        Index("ix_events_account_number", "account", "number"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(String(CODE_LENGTH), unique=True)
    account: Mapped[int]
    idempotency_key: Mapped[str | None] = mapped_column(String(128))
    fingerprint: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    category: Mapped[str] = mapped_column(String(16))
    attendees: Mapped[int]
    starts_time_ns: Mapped[int]
    ends_time_ns: Mapped[int]
    deadline_time_ns: Mapped[int]
    boundary: Mapped[str | None] = mapped_column(String(TEXT_LENGTH))
    measures: Mapped[str | None] = mapped_column(String(TEXT_LENGTH))
    planned: Mapped[dict[str, Any]] = mapped_column(JSON)
    planned_quantity: Mapped[int]
    actual: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    actual_quantity: Mapped[int | None]
    # The credits it is to be offset with, once that is asked for.
    offset_symbol: Mapped[str | None] = mapped_column(String(SYMBOL_LENGTH), index=True)
    # The latest order for what was missing; until the engine's answer is written down as well,
    # the same order is sent again before another one is made.
    purchase_number: Mapped[int] = mapped_column(default=0)
    purchase_price_ticks: Mapped[int] = mapped_column(default=0)
    purchase_lots: Mapped[int] = mapped_column(default=0)
    is_purchase_open: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    created_time_ns: Mapped[int]
    published_time_ns: Mapped[int | None]
    accounted_time_ns: Mapped[int | None]
    cancelled_time_ns: Mapped[int | None]


class EventOrder(Base):
    """An order for an event, by its client id: written down before the order is sent."""

    __tablename__ = "event_orders"

    account: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    client_id_high: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    client_id_low: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[str] = mapped_column(ForeignKey("events.event_id"), index=True)
