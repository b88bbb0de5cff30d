"""Oversight: who belongs together, what surveillance found, what participants complain about."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from settlement.tables.base import Base


class AccountOwner(Base):
    """Whom an account belongs to in the end; accounts of one owner are linked."""

    __tablename__ = "account_owners"

    account: Mapped[int] = mapped_column(
        ForeignKey("accounts.number"), primary_key=True, autoincrement=False
    )
    owner: Mapped[str] = mapped_column(String(64), index=True)
    reason: Mapped[str] = mapped_column(String(200))
    changed_by: Mapped[str] = mapped_column(String(32))
    changed_time_ns: Mapped[int]


class SurveillanceRun(Base):
    """A day that was searched; the latest search counts. Final: after the day was settled."""

    __tablename__ = "surveillance_runs"

    trading_day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    is_final: Mapped[bool]
    trades: Mapped[int]
    findings: Mapped[int]
    time_ns: Mapped[int]


class Alert(Base):
    """A finding of surveillance and what became of it; its key makes a second one update it."""

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("kind", "instrument", "trading_day", "subject"),
        CheckConstraint("state in ('open', 'in_review', 'closed')", name="state"),
        CheckConstraint("(state = 'closed') = (reason is not null)", name="reason"),
        Index("ix_alerts_state_number", "state", "number"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(24))
    instrument: Mapped[int] = mapped_column(ForeignKey("instruments.number"))
    trading_day: Mapped[int]
    subject: Mapped[str] = mapped_column(String(100))
    first_time_ns: Mapped[int]
    last_time_ns: Mapped[int]
    # Accounts, ids of trades and orders, figures, and the parameters that it was found with.
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(500))
    raised_time_ns: Mapped[int]
    changed_by: Mapped[str | None] = mapped_column(String(32))
    changed_time_ns: Mapped[int]


class Complaint(Base):
    """What a participant objects to, and the answer."""

    __tablename__ = "complaints"
    __table_args__ = (
        UniqueConstraint("account", "idempotency_key"),
        CheckConstraint("state in ('open', 'in_review', 'answered', 'withdrawn')", name="state"),
        CheckConstraint("(state = 'answered') = (answer is not null)", name="answer"),
        Index("ix_complaints_account_number", "account", "number"),
        Index("ix_complaints_state_number", "state", "number"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[int] = mapped_column(ForeignKey("accounts.number"))
    filed_by: Mapped[str] = mapped_column(String(32))
    idempotency_key: Mapped[str | None] = mapped_column(String(128))
    fingerprint: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    # An order, a trade or a certificate, and its id.
    reference_kind: Mapped[str | None] = mapped_column(String(16))
    reference_id: Mapped[str | None] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(16))
    answer: Mapped[str | None] = mapped_column(Text)
    filed_time_ns: Mapped[int]
    answer_until_ns: Mapped[int]
    handled_by: Mapped[str | None] = mapped_column(String(32))
    changed_time_ns: Mapped[int]
