"""Carbon accounts of organisations and persons, and points for what persons do."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from settlement.tables.base import Base
from settlement.tables.registry import CODE_LENGTH, NAME_LENGTH, TEXT_LENGTH

KEY_LENGTH = 128


class CarbonEntry(Base):
    """What an organisation emitted or reduced in a year, as it states it itself."""

    __tablename__ = "carbon_entries"
    __table_args__ = (
        UniqueConstraint("account", "idempotency_key"),
        CheckConstraint("kind in ('emission', 'reduction')", name="kind"),
        CheckConstraint("quantity_kg >= 1", name="quantity_kg"),
        Index("ix_carbon_entries_account_year", "account", "year"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[int]
    year: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    category: Mapped[str] = mapped_column(String(CODE_LENGTH))
    quantity_kg: Mapped[int]
    evidence: Mapped[str] = mapped_column(String(TEXT_LENGTH))
    # The entry that this one replaces; nothing is changed or deleted.
    replaces: Mapped[int | None] = mapped_column(ForeignKey("carbon_entries.number"), unique=True)
    idempotency_key: Mapped[str | None] = mapped_column(String(KEY_LENGTH))
    fingerprint: Mapped[str] = mapped_column(String(64))
    created_time_ns: Mapped[int]


class PersonalAccount(Base):
    """A person's carbon account; without consent nothing of it enters a batch."""

    __tablename__ = "personal_accounts"

    account: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    consents: Mapped[bool]
    changed_time_ns: Mapped[int]


class SceneOperator(Base):
    """Who may report what persons do in a scene."""

    __tablename__ = "scene_operators"

    scene: Mapped[str] = mapped_column(String(CODE_LENGTH), primary_key=True)
    account: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Aggregation(Base):
    """Many persons' reductions of a year made one batch; what is no whole tonne goes on."""

    __tablename__ = "aggregations"
    __table_args__ = (
        CheckConstraint("carried_grams >= 0 and carried_grams < 1000000", name="carried_grams"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.project_id"), index=True)
    year: Mapped[int]
    batch_id: Mapped[str] = mapped_column(ForeignKey("batches.batch_id"), unique=True)
    persons: Mapped[int]
    reports: Mapped[int]
    reduction_grams: Mapped[int]
    # Brought from the project's and year's aggregation before, and left for the next one.
    brought_grams: Mapped[int]
    carried_grams: Mapped[int]
    time_ns: Mapped[int]


class SceneReport(Base):
    """One act of a person, as a scene's operator reports it, converted by the rule of its day."""

    __tablename__ = "scene_reports"
    __table_args__ = (
        # The same act counts once, whichever platforms report it.
        UniqueConstraint("scene", "act_id"),
        CheckConstraint("reduction_grams >= 0", name="reduction_grams"),
        Index("ix_scene_reports_account_number", "account", "number"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    scene: Mapped[str] = mapped_column(String(CODE_LENGTH))
    act_id: Mapped[str] = mapped_column(String(CODE_LENGTH))
    operator_account: Mapped[int]
    account: Mapped[int]
    day: Mapped[int]
    # In thousandths of the scene's unit.
    amount_milli: Mapped[int]
    reduction_grams: Mapped[int]
    points: Mapped[int]
    rules_version: Mapped[str] = mapped_column(String(CODE_LENGTH))
    aggregation_number: Mapped[int | None] = mapped_column(
        ForeignKey("aggregations.number"), index=True
    )
    time_ns: Mapped[int]


class PointsEntry(Base):
    """Points earned by a report or spent on a reward; their sum is what the person has."""

    __tablename__ = "points_entries"
    __table_args__ = (
        UniqueConstraint("account", "reference"),
        CheckConstraint("kind in ('earned', 'redeemed')", name="kind"),
        CheckConstraint("(kind = 'earned') = (points > 0)", name="points"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    points: Mapped[int]
    # The report, or the redemption's idempotency key.
    reference: Mapped[str] = mapped_column(String(KEY_LENGTH + 16))
    reward: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    time_ns: Mapped[int]
