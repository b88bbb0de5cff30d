"""Compliance: which account owes how much under which scheme, and what it has surrendered."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from settlement.tables.base import Base
from settlement.tables.registry import CODE_LENGTH


class SchemeYear(Base):
    """The number by which the engine knows a scheme's compliance year."""

    __tablename__ = "scheme_years"
    __table_args__ = (UniqueConstraint("scheme", "year"),)

    number: Mapped[int] = mapped_column(primary_key=True)
    scheme: Mapped[str] = mapped_column(String(CODE_LENGTH))
    year: Mapped[int]


class Obligation(Base):
    """What an account must surrender, and how much of it may be offset.

    The cap is a ratio of the base, rounded down to whole tonnes. Allowances are surrendered
    elsewhere and reported here; `is_penalised` says that a penalty has followed a shortfall.
    """

    __tablename__ = "obligations"
    __table_args__ = (
        UniqueConstraint("account", "scheme_number"),
        CheckConstraint("base_quantity >= 0", name="base_quantity"),
        CheckConstraint("cap_quantity >= 0", name="cap_quantity"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[int]
    scheme_number: Mapped[int] = mapped_column(ForeignKey("scheme_years.number"))
    base_quantity: Mapped[int]
    cap_quantity: Mapped[int]
    obligation_quantity: Mapped[int] = mapped_column(server_default="0")
    allowances_quantity: Mapped[int] = mapped_column(server_default="0")
    is_penalised: Mapped[bool] = mapped_column(Boolean, server_default=false())
    # Whether the engine has taken the cap; until then it is sent again at every start.
    is_applied: Mapped[bool] = mapped_column(Boolean)
    updated_time_ns: Mapped[int]
