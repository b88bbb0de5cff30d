"""Compliance: obligations, the offset caps that they give, and surrenders against them.

A cap is enforced twice: the engine counts it before an order trades, and `surrender` lets pass only
blocks that the scheme's rule admits, while the engine counts them as used.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine.codes import Code, CommandKind
from engine.times import format_time
from engine.units import MAX_TOTAL_CREDITS_LOTS
from settlement import custody, identity
from settlement.blocks import Status
from settlement.database import Database
from settlement.engine_steps import Step, refusal, send
from settlement.errors import Refused
from settlement.operations import Plan, Prepare, Request
from settlement.ports import EnginePort
from settlement.retirement import usable
from settlement.scheme_rules import Rule, rule, rules
from settlement.tables.compliance import Obligation, SchemeYear
from settlement.tables.identity import Account
from settlement.tables.registry import Operation, Retirement

# Of two changes of one cap, the one written last must also be sent last.
_LOCK = "obligations"


def set_obligation(
    database: Database,
    port: EnginePort,
    *,
    account: str,
    scheme: str,
    year: int,
    base_quantity: int,
    actor: str = "system",
) -> dict[str, Any]:
    """Lay down what the account owes, and give the engine the cap that follows. Raises Refused.

    The same call with another base replaces the obligation.
    """

    def work(session: Session) -> int:
        subject = {"account": account, "scheme": scheme, "year": year, "base": str(base_quantity)}
        identity.audit(session, actor, "obligation_set", subject)
        return _write_obligation(session, account, scheme, year, base_quantity)

    number = database.write(work).result()
    apply_obligation(database, port, number)
    with database.read() as session:
        obligation = session.get_one(Obligation, number)
        return {
            "account": account,
            "scheme": scheme,
            "year": year,
            "base_quantity": str(obligation.base_quantity),
            "cap": str(obligation.cap_quantity),
        }


def apply_obligation(database: Database, port: EnginePort, number: int) -> None:
    """Send the cap of an obligation to the engine; sending it again changes nothing."""
    with database.exclusive(_LOCK):
        with database.read() as session:
            obligation = session.get_one(Obligation, number)
        cap = obligation.cap_quantity
        step = Step(CommandKind.SET_HEADROOM, cap, scheme=obligation.scheme_number)
        code = send(port, obligation.account, step)
        if code is not Code.OK:
            raise refusal(code)

        def applied(session: Session) -> None:
            current = session.get_one(Obligation, number)
            # A newer cap that was written meanwhile is still to be sent.
            current.is_applied = current.cap_quantity == cap

        database.write(applied).result()


def resume_obligations(database: Database, port: EnginePort) -> int:
    """Send the caps that a crash kept from the engine; returns how many."""
    with database.read() as session:
        unapplied = session.scalars(
            select(Obligation.number).where(Obligation.is_applied.is_(False))
        ).all()
    for number in unapplied:
        apply_obligation(database, port, number)
    return len(unapplied)


def scheme_number(
    session: Session, scheme: str, year: int | None = None, *, account: int | None = None
) -> int:
    """The engine's number of a scheme's compliance year. Raises Refused `not_eligible`.

    Without a year it is the oldest that can still be surrendered for (of `account`, if given).
    """
    known = rules().get(scheme)
    years = [] if known is None else known.open_years(time.time_ns())
    statement = select(SchemeYear.number).where(SchemeYear.scheme == scheme)
    if account is not None:
        statement = statement.join(Obligation, Obligation.scheme_number == SchemeYear.number).where(
            Obligation.account == account
        )
    if year is None:
        statement = statement.where(SchemeYear.year.in_(years)).order_by(SchemeYear.year)
    else:
        statement = statement.where(SchemeYear.year == year)
    number = session.scalars(statement.limit(1)).first()
    if number is None:
        raise Refused(
            "not_eligible", "There is no obligation under this scheme and year.", field="scheme"
        )
    return number


def headroom(
    database: Database, port: EnginePort, account: int, scheme: str, year: int | None
) -> dict[str, Any]:
    """What the account may still buy or surrender for compliance. Raises Refused."""
    found = rule(scheme)
    with database.read() as session:
        number = scheme_number(session, scheme, year, account=account)
        scheme_year = session.get_one(SchemeYear, number)
        left = _scheme_quota_left(session, found, scheme_year.year)
    allowances = port.account(account).allowances
    row = allowances[allowances["scheme"] == number]
    cap, used, held, open_orders = (
        int(row[name].sum()) for name in ("cap_lots", "used_lots", "held_lots", "open_lots")
    )
    return {
        "scheme": scheme,
        "year": scheme_year.year,
        "cap": str(cap),
        "used": str(used),
        "held": str(held),
        "open_orders": str(open_orders),
        # A cap that was lowered later may lie below what was bought under the old one.
        "headroom": str(max(cap - used - held - open_orders, 0)),
        "scheme_quota_left": None if left is None else str(left),
    }


def surrender(scheme: str, year: int, quantity: int) -> Prepare:
    """Hand in eligible credits for an obligation: they are retired and counted against the cap."""

    def prepare(session: Session, request: Request) -> Plan:
        found = rule(scheme)
        number = scheme_number(session, scheme, year, account=request.account)
        deadline_ns = found.deadline_ns(year)
        if deadline_ns is not None and time.time_ns() >= deadline_ns:
            raise Refused("not_eligible", "The deadline for this year has passed.", field="year")
        left = _scheme_quota_left(session, found, year)
        if left is not None and quantity > left:
            raise Refused(
                "offset_cap_exceeded",
                "The scheme's quota is used up.",
                field="quantity",
                limit=left,
            )
        chosen = usable(session, request.account, found.criteria(), quantity)
        holder = session.get(Account, request.account)
        record = Step(CommandKind.RECORD_SURRENDER, quantity, scheme=number)
        return Plan(
            chosen,
            Status.RETIRED,
            request.account,
            None,
            # The record comes last: it alone cannot be taken back.
            (*custody.withdrawals(session, chosen), record),
            {
                "beneficiary": str(request.account) if holder is None else holder.name,
                "reason": f"Surrender under {scheme}, {year}",
                "scheme": scheme,
                "year": year,
            },
        )

    return prepare


def show_schemes(time_ns: int) -> list[dict[str, Any]]:
    """Every scheme with each of its open years, the newest first."""
    items = [
        {
            "scheme": found.scheme,
            "name": found.name,
            "year": year,
            "ratio": _ratio(found.ratio_ppm),
            "base": found.base,
            "limits": found.limits.model_dump(mode="json"),
            "scheme_quota": None if found.scheme_quota is None else str(found.scheme_quota),
            "deadline": _iso_or_none(found.deadline_ns(year)),
            "source": found.source,
            "verified": found.verified,
        }
        for found in rules().values()
        for year in found.open_years(time_ns)
    ]
    return sorted(items, key=_newest_first)


def _newest_first(item: dict[str, Any]) -> tuple[int, str]:
    return -item["year"], item["scheme"]


def _write_obligation(
    session: Session, account: str, scheme: str, year: int, base_quantity: int
) -> int:
    found = rule(scheme)
    if year not in found.open_years(time.time_ns()):
        raise Refused("invalid_request", "The scheme has no open year like this.", field="year")
    cap = found.cap(base_quantity)
    if cap > MAX_TOTAL_CREDITS_LOTS:
        raise Refused("quantity_too_large", "The base is too large.", field="base_quantity")
    holder = identity.account_number(session, account)
    scheme_year = session.scalar(
        select(SchemeYear).where(SchemeYear.scheme == scheme, SchemeYear.year == year)
    )
    if scheme_year is None:
        scheme_year = SchemeYear(scheme=scheme, year=year)
        session.add(scheme_year)
        session.flush()
    obligation = session.scalar(
        select(Obligation).where(
            Obligation.account == holder, Obligation.scheme_number == scheme_year.number
        )
    )
    if obligation is None:
        obligation = Obligation(account=holder, scheme_number=scheme_year.number)
        session.add(obligation)
    obligation.base_quantity = base_quantity
    obligation.cap_quantity = cap
    obligation.is_applied = False
    obligation.updated_time_ns = time.time_ns()
    session.flush()
    return obligation.number


def _scheme_quota_left(session: Session, found: Rule, year: int) -> int | None:
    """The scheme-wide quota less what was surrendered, or is about to be."""
    if found.scheme_quota is None:
        return None
    surrendered = session.scalar(
        select(func.coalesce(func.sum(Retirement.quantity), 0)).where(
            Retirement.scheme == found.scheme, Retirement.year == year
        )
    )
    unfinished = session.scalars(
        select(Operation).where(
            Operation.kind == "surrender", Operation.status.in_(("pending", "reverting"))
        )
    ).all()
    planned = sum(
        operation.quantity
        for operation in unfinished
        if operation.certificate is not None
        and (operation.certificate["scheme"], operation.certificate["year"]) == (found.scheme, year)
    )
    return max(found.scheme_quota - int(surrendered or 0) - planned, 0)


def _ratio(ratio_ppm: int) -> str:
    """Parts per million as a decimal without padding: 50,000 is "0.05"."""
    return f"0.{ratio_ppm:06}".rstrip("0")


def _iso_or_none(time_ns: int | None) -> str | None:
    return None if time_ns is None else format_time(time_ns)
