"""How the registry comes to an issue: methodologies voted on, reductions reported and claimed once.

Ranges of one batch, of one space of serials and of one source never overlap: triggers of the
migration 0018 refuse it, on every database alike.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from settlement.tables.base import Base
from settlement.tables.registry import CODE_LENGTH, NAME_LENGTH, TEXT_LENGTH

SOURCE_LENGTH = 128


class MethodologyVersion(Base):
    """A version of a methodology on its way: draft, review, vote, then recorded or rejected."""

    __tablename__ = "methodology_versions"
    __table_args__ = (
        UniqueConstraint("methodology", "version"),
        CheckConstraint(
            "status in ('draft', 'review', 'vote', 'recorded', 'rejected')", name="status"
        ),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    methodology: Mapped[str] = mapped_column(ForeignKey("methodologies.code"))
    version: Mapped[str] = mapped_column(String(CODE_LENGTH))
    title: Mapped[str] = mapped_column(String(NAME_LENGTH))
    summary: Mapped[str] = mapped_column(String(TEXT_LENGTH))
    status: Mapped[str] = mapped_column(String(16))
    drafted_by: Mapped[str] = mapped_column(String(CODE_LENGTH))
    # What the review found; none before it.
    review: Mapped[str | None] = mapped_column(String(TEXT_LENGTH))
    created_time_ns: Mapped[int]
    decided_time_ns: Mapped[int | None]


class MethodologyVote(Base):
    """One expert's vote on a version."""

    __tablename__ = "methodology_votes"
    __table_args__ = (
        UniqueConstraint("version_number", "expert"),
        CheckConstraint("choice in ('approve', 'reject', 'abstain')", name="choice"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    version_number: Mapped[int] = mapped_column(ForeignKey("methodology_versions.number"))
    expert: Mapped[str] = mapped_column(String(NAME_LENGTH))
    choice: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(TEXT_LENGTH))
    recorded_by: Mapped[str] = mapped_column(String(CODE_LENGTH))
    time_ns: Mapped[int]


class MonitoringReport(Base):
    """What a project says it reduced from day to day, what a verifier found, what was issued."""

    __tablename__ = "monitoring_reports"
    __table_args__ = (
        CheckConstraint("last_day >= first_day", name="days"),
        CheckConstraint("claimed_quantity >= 1", name="claimed_quantity"),
        CheckConstraint("status in ('submitted', 'verified', 'rejected')", name="status"),
        CheckConstraint(
            "issued_quantity >= 0 and issued_quantity <= verified_quantity"
            " and verified_quantity <= claimed_quantity",
            name="quantities",
        ),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[str] = mapped_column(String(CODE_LENGTH), unique=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.project_id"), index=True)
    # What reduced, by the name that every platform gives it: a meter, a plot, a line of buses.
    source: Mapped[str] = mapped_column(String(SOURCE_LENGTH))
    # Days since 1970-01-01, both included.
    first_day: Mapped[int]
    last_day: Mapped[int]
    claimed_quantity: Mapped[int]
    verified_quantity: Mapped[int]  # none before the verification
    issued_quantity: Mapped[int]
    status: Mapped[str] = mapped_column(String(16))
    verifier: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    created_time_ns: Mapped[int]
    decided_time_ns: Mapped[int | None]


class ReductionClaim(Base):
    """Somebody's claim to all that a source reduced from one day to another."""

    __tablename__ = "reduction_claims"
    __table_args__ = (
        UniqueConstraint("source", "first_day"),
        CheckConstraint("last_day >= first_day", name="days"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(String(SOURCE_LENGTH))
    first_day: Mapped[int]
    last_day: Mapped[int]
    # The monitoring report here, or the batch that came from another registry.
    reference: Mapped[str] = mapped_column(String(CODE_LENGTH), unique=True)
