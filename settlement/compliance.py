"""Compliance: obligations, the offset caps that they give, and surrenders against them.

A cap is enforced twice: the engine counts it before an order trades, and `surrender` lets pass only
blocks that the scheme's rule admits, while the engine counts them as used.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.codes import Code, CommandKind
from engine.units import MAX_TOTAL_CREDITS_LOTS
from settlement import custody, identity, offset_limits, scheme_rules
from settlement.blocks import Criteria, Status
from settlement.database import Database
from settlement.engine_steps import Step, refusal, send
from settlement.errors import Refused
from settlement.operations import Plan, Prepare, Request
from settlement.ports import EnginePort
from settlement.retirement import usable
from settlement.scheme_rules import Rule, rule
from settlement.tables.compliance import Obligation, SchemeYear
from settlement.tables.identity import Account
from settlement.tables.registry import Project

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
    obligation_quantity: int | None = None,
    actor: str = "system",
) -> int:
    """Lay down what the account owes, and give the engine the cap that follows. Raises Refused.

    Where it is not said what is to be surrendered, it is as much as the base of the cap. The same
    call with other quantities replaces the obligation. Returns its number.
    """

    def work(session: Session) -> int:
        subject = {"account": account, "scheme": scheme, "year": year, "base": str(base_quantity)}
        identity.audit(session, actor, "obligation_set", subject)
        obligation = _obligation_of(session, account, scheme, year)
        obligation.base_quantity = base_quantity
        obligation.cap_quantity = _cap(rule(scheme, year), base_quantity)
        obligation.obligation_quantity = (
            base_quantity if obligation_quantity is None else obligation_quantity
        )
        obligation.is_applied = False
        obligation.updated_time_ns = time.time_ns()
        session.add(obligation)
        session.flush()
        return obligation.number

    number = database.write(work).result()
    apply_obligation(database, port, number)
    return number


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


class Report(NamedTuple):
    """What happened to an obligation outside this exchange; None leaves things as they are."""

    allowances_quantity: int | None = None
    is_penalised: bool | None = None
    reason: str = ""


def report(session: Session, number: int, news: Report, *, actor: str) -> Obligation:
    """Record allowances that were surrendered elsewhere, or a penalty. Raises Refused."""
    obligation = session.get(Obligation, number)
    if obligation is None:
        raise Refused("not_found", "There is no such obligation.", detail_zh="没有该履约义务。")
    subject: dict[str, object] = {"obligation": number, "reason": news.reason}
    if news.allowances_quantity is not None:
        obligation.allowances_quantity = news.allowances_quantity
        subject["allowances"] = str(news.allowances_quantity)
    if news.is_penalised is not None:
        obligation.is_penalised = news.is_penalised
        subject["penalised"] = news.is_penalised
    obligation.updated_time_ns = time.time_ns()
    identity.audit(session, actor, "obligation_reported", subject)
    session.flush()
    return obligation


def scheme_number(
    session: Session, scheme: str, year: int | None = None, *, account: int | None = None
) -> int:
    """The engine's number of a scheme's compliance year. Raises Refused `not_eligible`.

    Without a year it is the oldest that can still be surrendered for (of `account`, if given).
    """
    known = scheme_rules.schemes().get(scheme)
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
            "not_eligible",
            "There is no obligation under this scheme and year.",
            detail_zh="该账户在此履约体系和年度下没有履约义务。",
            field="scheme",
        )
    return number


def check_purchase(session: Session, account: int, number: int, symbol: str, quantity: int) -> None:
    """Refuse to buy for compliance what could never be surrendered. Raises Refused.

    The engine counts the cap; here it is whether the scheme admits what trades as `symbol`, and
    what the scheme's quota and the limit of the product leave.
    """
    scheme_year = session.get_one(SchemeYear, number)
    found = rule(scheme_year.scheme, scheme_year.year)
    _refuse_if_closed(found, scheme_year.year)
    if not _admits(session, found, symbol):
        raise Refused(
            "not_eligible",
            "The scheme does not admit the credits of this instrument.",
            detail_zh="该履约体系不接受此品种的减排量。",
            field="symbol",
        )
    _refuse_above_quota(session, found, scheme_year.year, quantity)
    for index, part in enumerate(found.parts):
        if part.of == "surrendered" or not part.is_all_of(symbol):
            continue
        obligation = _obligation(session, account, number)
        used = offset_limits.usage(session, found, account, scheme_year.year)
        left = offset_limits.left_of_part(index, found, obligation.base_quantity, used)
        if quantity > left:
            raise Refused(
                "offset_cap_exceeded",
                f"The limit of this part of the offset is reached: {part.name}.",
                detail_zh=f"已达到该部分的抵销上限：{part.name_zh}。",
                field="quantity",
                limit=str(left),
            )


def surrender(scheme: str, year: int, quantity: int, criteria: Criteria | None = None) -> Prepare:
    """Hand in eligible credits for an obligation: they are retired and counted against the cap.

    Without `criteria` the oldest credits go first that the rule's limits still have room for.
    """

    def prepare(session: Session, request: Request) -> Plan:
        scheme_rules.scheme(scheme)
        number = scheme_number(session, scheme, year, account=request.account)
        found = rule(scheme, year)
        _refuse_if_closed(found, year)
        _refuse_above_quota(session, found, year, quantity)
        obligation = _obligation(session, request.account, number)
        used = offset_limits.usage(session, found, request.account, year)
        room = offset_limits.Room(found, obligation.base_quantity, used, quantity)
        chosen = usable(session, request.account, criteria or Criteria(), quantity, room.take)
        possible = sum(block.quantity for block in chosen)
        if possible < quantity:
            raise room.shortage(possible)
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


def _obligation_of(session: Session, account: str, scheme: str, year: int) -> Obligation:
    """The account's obligation for an open year, to be filled in; a new one if it has none."""
    if year not in scheme_rules.scheme(scheme).open_years(time.time_ns()):
        raise Refused(
            "invalid_request",
            "The scheme has no open year like this.",
            detail_zh="该履约体系没有此开放年度。",
            field="year",
        )
    holder = identity.account_number(session, account)
    scheme_year = session.scalar(
        select(SchemeYear).where(SchemeYear.scheme == scheme, SchemeYear.year == year)
    )
    if scheme_year is None:
        scheme_year = SchemeYear(scheme=scheme, year=year)
        session.add(scheme_year)
        session.flush()
    found = session.scalar(
        select(Obligation).where(
            Obligation.account == holder, Obligation.scheme_number == scheme_year.number
        )
    )
    return found or Obligation(
        account=holder,
        scheme_number=scheme_year.number,
        allowances_quantity=0,
        is_penalised=False,
    )


def _cap(found: Rule, base_quantity: int) -> int:
    cap = found.cap(base_quantity)
    if cap > MAX_TOTAL_CREDITS_LOTS:
        raise Refused("quantity_too_large", "The base is too large.", field="base_quantity")
    return cap


def _obligation(session: Session, account: int, number: int) -> Obligation:
    return session.scalars(
        select(Obligation).where(Obligation.account == account, Obligation.scheme_number == number)
    ).one()


def _admits(session: Session, found: Rule, symbol: str) -> bool:
    """Whether any credits that trade as `symbol` can be surrendered, so far as they are known."""
    if not any(credits.take_product(symbol) for credits in found.admitted):
        return False
    projects = session.scalars(select(Project).where(Project.symbol == symbol)).all()
    return not projects or any(found.admit_project(project) for project in projects)


def _refuse_if_closed(found: Rule, year: int) -> None:
    if time.time_ns() >= found.closes_ns(year):
        raise Refused(
            "not_eligible",
            "The deadline for this year has passed.",
            detail_zh="该年度的截止日期已过。",
            field="year",
        )


def _refuse_above_quota(session: Session, found: Rule, year: int, quantity: int) -> None:
    left = offset_limits.scheme_quota_left(session, found, year)
    if left is not None and quantity > left:
        raise Refused(
            "offset_cap_exceeded",
            "The scheme's quota does not leave so much.",
            detail_zh="超过该履约体系的剩余总量。",
            field="quantity",
            limit=str(left),
        )
