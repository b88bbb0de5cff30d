"""What compliance shows: schemes, obligations and what they leave, surrenders."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from engine.times import format_time
from engine.units import ONE_MILLION
from settlement import certificates, compliance, offset_limits, scheme_rules
from settlement.database import Database
from settlement.identity import account_codes
from settlement.ports import EnginePort, Records
from settlement.registry_views import page
from settlement.scheme_rules import Rule, rule
from settlement.tables.compliance import Obligation, SchemeYear
from settlement.tables.registry import Retirement

Answer = dict[str, Any]


class Standing(NamedTuple):
    """Where an account stands within its cap, as the engine counts it, and within the quota."""

    cap: int
    used: int
    held: int
    open_orders: int
    quota_left: int | None

    @property
    def headroom(self) -> int:
        """What may still be bought or surrendered; bought credits need their part of the quota.

        A cap that was lowered later may lie below what was bought under the old one.
        """
        taken = self.held + self.open_orders
        left = self.cap - self.used - taken
        if self.quota_left is not None:
            left = min(left, self.quota_left - taken)
        return max(left, 0)

    def show(self) -> Answer:
        return {
            "cap": str(self.cap),
            "used": str(self.used),
            "held": str(self.held),
            "open_orders": str(self.open_orders),
            "headroom": str(self.headroom),
            "scheme_quota_left": None if self.quota_left is None else str(self.quota_left),
        }


def headroom(
    database: Database, port: EnginePort, account: int, scheme: str, year: int | None
) -> Answer:
    """What the account may still buy or surrender for compliance. Raises Refused."""
    scheme_year, standing = standing_of(database, port, account, scheme, year)
    return {"scheme": scheme, "year": scheme_year, **standing.show()}


def show_schemes(time_ns: int) -> list[Answer]:
    """Every rule with each of its open years, or with its last if none is open; newest first."""
    items = [
        _show_rule(found, year, time_ns)
        for known in scheme_rules.schemes().values()
        for found in known.rules
        for year in found.open_years(time_ns) or [_last_year(found, time_ns)]
    ]
    return sorted(items, key=lambda item: (-item["year"], item["scheme"]))


class Wanted(NamedTuple):
    """Which obligations or surrenders: of one account, scheme, year, or of all."""

    account: int | None = None
    scheme: str | None = None
    year: int | None = None
    number: int | None = None

    def statement(self) -> Select[Obligation]:
        statement = select(Obligation).join(
            SchemeYear, Obligation.scheme_number == SchemeYear.number
        )
        for column, value in (
            (Obligation.account, self.account),
            (SchemeYear.scheme, self.scheme),
            (SchemeYear.year, self.year),
            (Obligation.number, self.number),
        ):
            if value is not None:
                statement = statement.where(column == value)
        return statement


def obligations(
    database: Database, port: EnginePort, wanted: Wanted, before: int, limit: int
) -> tuple[list[Answer], str | None]:
    """A page of obligations, newest first, each with where it stands."""
    with database.read() as session:
        rows, following = page(session, wanted.statement(), Obligation.number, before, limit)
        return _show_all(session, _allowances(port, wanted.account), rows), following


def every_obligation(database: Database, port: EnginePort, wanted: Wanted) -> list[Answer]:
    """All of them at once, newest first: what alerts and the shortfall report are made of."""
    with database.read() as session:
        rows = session.scalars(wanted.statement().order_by(Obligation.number.desc())).all()
        return _show_all(session, _allowances(port, wanted.account), rows)


def surrenders(
    session: Session, wanted: Wanted, before: int, limit: int
) -> tuple[list[Answer], str | None]:
    """A page of certificates of surrender, newest first."""
    statement = select(Retirement).where(Retirement.kind == "surrender")
    for column, value in (
        (Retirement.account, wanted.account),
        (Retirement.scheme, wanted.scheme),
        (Retirement.year, wanted.year),
    ):
        if value is not None:
            statement = statement.where(column == value)
    rows, following = page(session, statement, Retirement.number, before, limit)
    codes = account_codes(session)
    shown = certificates.certificate_list(session, rows)
    return [
        {"account": codes.get(row.account), **content}
        for row, content in zip(rows, shown, strict=True)
    ], following


def standing_of(
    database: Database, port: EnginePort, account: int, scheme: str, year: int | None
) -> tuple[int, Standing]:
    scheme_rules.scheme(scheme)
    with database.read() as session:
        number = compliance.scheme_number(session, scheme, year, account=account)
        found = session.get_one(SchemeYear, number).year
        left = offset_limits.scheme_quota_left(session, rule(scheme, found), found)
    return found, _counted(_allowances(port, account), account, number, left)


def _allowances(port: EnginePort, account: int | None) -> Records:
    return port.balances().allowances if account is None else port.account(account).allowances


def _counted(allowances: Records, account: int, number: int, left: int | None) -> Standing:
    rows = allowances[(allowances["account"] == account) & (allowances["scheme"] == number)]
    cap, used, held, open_lots = (
        int(rows[name].sum()) for name in ("cap_lots", "used_lots", "held_lots", "open_lots")
    )
    return Standing(cap, used, held, open_lots, left)


def _show_all(session: Session, allowances: Records, rows: Sequence[Obligation]) -> list[Answer]:
    codes = account_codes(session)
    years = {row.number: row for row in session.scalars(select(SchemeYear))}
    wanted = {row.scheme_number for row in rows}
    quotas = {
        number: offset_limits.scheme_quota_left(session, rule(of.scheme, of.year), of.year)
        for number, of in years.items()
        if number in wanted
    }
    return [
        {"account": codes.get(row.account, str(row.account))}
        | _show_obligation(
            session,
            row,
            years[row.scheme_number],
            _counted(allowances, row.account, row.scheme_number, quotas[row.scheme_number]),
        )
        for row in rows
    ]


def _show_obligation(
    session: Session, row: Obligation, of: SchemeYear, standing: Standing
) -> Answer:
    found = rule(of.scheme, of.year)
    shortfall = max(row.obligation_quantity - row.allowances_quantity - standing.used, 0)
    deadline_ns = found.deadline_ns(of.year)
    status = "open" if time.time_ns() < deadline_ns else "in_default"
    used = offset_limits.usage(session, found, row.account, of.year)
    return {
        "obligation_id": str(row.number),
        "scheme": of.scheme,
        "name": found.name,
        "name_zh": found.name_zh,
        "year": of.year,
        "base": found.base,
        "base_quantity": str(row.base_quantity),
        "ratio": _ratio(found.ratio_ppm),
        **standing.show(),
        "parts": [
            {
                "name": part.name,
                "name_zh": part.name_zh,
                "used": str(spent),
                "left": str(offset_limits.left_of_part(index, found, row.base_quantity, used)),
            }
            for index, (part, spent) in enumerate(zip(found.parts, used.parts, strict=True))
        ],
        "obligation_quantity": str(row.obligation_quantity),
        "allowances_surrendered": str(row.allowances_quantity),
        "shortfall": str(shortfall),
        "status": status if shortfall else "met",
        "penalised": row.is_penalised,
        "application_deadline": _iso_or_none(found.application_deadline_ns(of.year)),
        "deadline": format_time(deadline_ns),
        "updated_at": format_time(row.updated_time_ns),
    }


def _show_rule(found: Rule, year: int, time_ns: int) -> Answer:
    return {
        "scheme": found.scheme,
        "name": found.name,
        "name_zh": found.name_zh,
        "year": year,
        "open": year in found.open_years(time_ns),
        "ratio": _ratio(found.ratio_ppm),
        "base": found.base,
        "limits": {
            "admitted": [credits.model_dump(mode="json") for credits in found.admitted],
            "parts": [
                part.model_dump(mode="json", exclude={"maximum_ppm"})
                | {"maximum": _ratio(part.maximum_ppm)}
                for part in found.parts
            ],
            "firm_limit": None if found.firm_limit is None else str(found.firm_limit),
            "application_deadline": _iso_or_none(found.application_deadline_ns(year)),
        },
        "scheme_quota": None if found.scheme_quota is None else str(found.scheme_quota),
        "deadline": format_time(found.deadline_ns(year)),
        "note": found.note,
        "source": found.source,
        "verified": found.verified,
        "unverified": list(found.unverified),
    }


def _last_year(found: Rule, time_ns: int) -> int:
    """The last year that a closed rule covered, or the first one of a rule still to come."""
    this_year = found.this_year(time_ns)
    return max(min(this_year, found.last_year or this_year), found.first_year)


def _ratio(ratio_ppm: int) -> str:
    """Parts per million as a decimal without padding: 50,000 is "0.05"."""
    whole, rest = divmod(ratio_ppm, ONE_MILLION)
    return f"{whole}.{rest:06}".rstrip("0").rstrip(".")


def _iso_or_none(time_ns: int | None) -> str | None:
    return None if time_ns is None else format_time(time_ns)
