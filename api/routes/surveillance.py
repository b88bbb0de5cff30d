"""Oversight for operators and auditors: alerts and the book around them, owners, the rules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import Session
from starlette.responses import Response

from api import surveillance_views as views
from api.auth import Caller, require_role
from api.calendar_views import render_rule
from api.compliance_requests import parse_number
from api.gateway import Gateway, gateway
from api.routes.orders import json_response
from api.routes.settlements import read_day
from api.schemas import Body, Count, Page, Quantity, page, parse_quantity, plain_text
from api.strict_json import json_body
from engine.times import format_day, format_time
from settlement import linked_accounts, market_rules, surveillance
from settlement.clearing import current_trading_day
from settlement.errors import Refused
from settlement.identity import account_codes, account_number
from settlement.market_rules import EVERYWHERE
from settlement.tables.oversight import AccountOwner

router = APIRouter(prefix="/operator", tags=["oversight"])

Exchange = Annotated[Gateway, Depends(gateway)]
Operator = Annotated[Caller, Depends(require_role("operator"))]
Reader = Annotated[Caller, Depends(require_role("operator", "auditor"))]
State = Literal["open", "in_review", "closed"]
AlertKind = Literal[
    "wash_trades", "spoofing", "marking_the_close", "unusual_price", "unusual_quantity"
]
_MAX_NOTE = 200


class SearchBody(Body):
    """POST /v1/operator/surveillance; without a date, the present trading day."""

    date: str | None = None


class AlertBody(Body):
    """POST /v1/operator/alerts/{alert_id}/state; closing needs a reason."""

    state: State
    reason: str | None = None


class OwnerBody(Body):
    """PUT /v1/operator/account-owners/{account}: whom it belongs to, and how that is known."""

    owner: str
    reason: str


class DisclosureBody(Body):
    """PUT /v1/operator/disclosure-rules/{symbol}: from which quantities on."""

    holding_quantity: Quantity
    trade_quantity: Quantity
    source: str


class ComplaintsBody(Body):
    """PUT /v1/operator/complaints-rule."""

    answer_days: Count
    source: str


class SurveillanceBody(Body):
    """PUT /v1/operator/surveillance-rules/{symbol}: each detector's parameters, all of them.

    Quantities are in lots, ratios in parts per million, factors in thousandths.
    """

    wash_trades: dict[str, int]
    spoofing: dict[str, int]
    marking_the_close: dict[str, int]
    unusual_trades: dict[str, int]
    source: str


# --- Alerts ---


@router.get("/alerts")
def alerts(
    _: Reader,
    exchange: Exchange,
    wanted: Annotated[Page, Depends(page)],
    state: State | None = None,
    kind: AlertKind | None = None,
) -> dict[str, Any]:
    """What surveillance found, newest first."""
    with exchange.database.read() as session:
        items, following = views.page(session, state, kind, wanted.before, wanted.limit)
    return {"items": items, "next_cursor": following}


@router.get("/alerts/{alert_id}")
def alert(alert_id: str, _: Reader, exchange: Exchange) -> dict[str, Any]:
    """One alert with its evidence."""
    with exchange.database.read() as session:
        return views.show(session, parse_number(alert_id))


@router.get("/alerts/{alert_id}/replay")
def replay(
    alert_id: str,
    _: Reader,
    exchange: Exchange,
    wanted: Annotated[Page, Depends(page)],
    depth: Annotated[int, Query(ge=1, le=50)] = 5,
) -> dict[str, Any]:
    """The book step by step from shortly before to shortly after: every event, the best levels.

    The cursor is the sequence of the last step before.
    """
    after = 0 if wanted.cursor is None else int(wanted.cursor)
    with exchange.database.read() as session:
        return views.show_book(
            session,
            exchange.settings.data_dir,
            parse_number(alert_id),
            after=after,
            limit=wanted.limit,
            levels=depth,
        )


@router.post("/alerts/{alert_id}/state")
def set_state(
    alert_id: str,
    known: Operator,
    body: Annotated[AlertBody, Depends(json_body(AlertBody))],
    exchange: Exchange,
) -> dict[str, Any]:
    """Take an alert into review, close it with a reason, or open it again."""
    number = parse_number(alert_id)
    reason = None if body.reason is None else plain_text(body.reason, "reason", 500)

    def work(session: Session) -> dict[str, Any]:
        surveillance.set_state(session, number, body.state, reason, actor=known.username)
        return views.show(session, number)

    return exchange.database.write(work).result()


@router.post("/surveillance")
def search(
    known: Operator,
    body: Annotated[SearchBody, Depends(json_body(SearchBody))],
    exchange: Exchange,
) -> dict[str, Any]:
    """Search a day now; what was found before is not raised again."""
    if body.date is None:
        with exchange.database.read() as session:
            day = current_trading_day(session)
    else:
        day = read_day(body.date)
    if day is None:
        raise Refused("not_found", "There is no trading day yet.", detail_zh="尚无交易日。")
    found = surveillance.search(exchange.database, day, actor=known.username)
    return {
        "date": format_day(found.trading_day),
        "final": found.is_final,
        "trades": found.trades,
        "findings": found.findings,
        "raised": found.raised,
    }


# --- Who belongs together ---


@router.get("/account-owners")
def owners(_: Reader, exchange: Exchange) -> dict[str, Any]:
    """Accounts of which it is known whom they belong to; those of one owner are linked."""
    with exchange.database.read() as session:
        codes = account_codes(session)
        items = [
            _render_owner(row, codes[row.account]) for row in linked_accounts.all_owners(session)
        ]
    return {"items": items, "next_cursor": None}


@router.put("/account-owners/{account}")
def set_owner(
    account: str,
    known: Operator,
    body: Annotated[OwnerBody, Depends(json_body(OwnerBody))],
    exchange: Exchange,
) -> dict[str, Any]:
    """Say whom an account belongs to; it counts from the next search on."""
    owner = plain_text(body.owner, "owner", 64)
    reason = plain_text(body.reason, "reason", _MAX_NOTE)

    def work(session: Session) -> dict[str, Any]:
        number = account_number(session, account)
        row = linked_accounts.set_owner(session, number, owner, reason, actor=known.username)
        assert row is not None
        return _render_owner(row, account)

    return exchange.database.write(work).result()


@router.delete("/account-owners/{account}", status_code=204)
def forget_owner(account: str, known: Operator, exchange: Exchange) -> None:
    """Let an account belong to itself again."""

    def work(session: Session) -> None:
        number = account_number(session, account)
        linked_accounts.set_owner(session, number, None, "", actor=known.username)

    exchange.database.write(work).result()


# --- Rules; a change is a version like those of the other market rules ---


@router.put("/disclosure-rules/{symbol}")
def set_disclosure(
    symbol: str,
    known: Operator,
    body: Annotated[DisclosureBody, Depends(json_body(DisclosureBody))],
    exchange: Exchange,
) -> Response:
    """Say from which holding and which trade on an instrument's are disclosed; `*`: all others'."""
    rule = {
        "holding_quantity": parse_quantity(body.holding_quantity, "holding_quantity"),
        "trade_quantity": parse_quantity(body.trade_quantity, "trade_quantity"),
        "source": plain_text(body.source, "source", _MAX_NOTE),
    }
    return _change(exchange, known, "disclosure", symbol, rule)


@router.put("/complaints-rule")
def set_complaints(
    known: Operator,
    body: Annotated[ComplaintsBody, Depends(json_body(ComplaintsBody))],
    exchange: Exchange,
) -> Response:
    """Say within how many days complaints filed from now on are to be answered."""
    rule = {"answer_days": body.answer_days, "source": plain_text(body.source, "source", _MAX_NOTE)}
    return _change(exchange, known, "complaints", EVERYWHERE, rule)


@router.put("/surveillance-rules/{symbol}")
def set_surveillance(
    symbol: str,
    known: Operator,
    body: Annotated[SurveillanceBody, Depends(json_body(SurveillanceBody))],
    exchange: Exchange,
) -> Response:
    """Set the detectors' parameters for an instrument, or with `*` for all others."""
    plain_text(body.source, "source", _MAX_NOTE)
    return _change(exchange, known, "surveillance", symbol, msgspec.to_builtins(body))


@router.delete("/disclosure-rules/{symbol}")
def forget_disclosure(symbol: str, known: Operator, exchange: Exchange) -> Response:
    """Take an instrument back to the rule of all others, or with `*` to the shipped one."""
    return _change(exchange, known, "disclosure", symbol, None)


@router.delete("/surveillance-rules/{symbol}")
def forget_surveillance(symbol: str, known: Operator, exchange: Exchange) -> Response:
    """Take an instrument back to the parameters of all others, or with `*` to the shipped ones."""
    return _change(exchange, known, "surveillance", symbol, None)


def _change(
    exchange: Gateway,
    known: Caller,
    kind: market_rules.Kind,
    symbol: str,
    rule: dict[str, Any] | None,
) -> Response:
    """200 if the version is in force, 202 if it waits for a second operator (the demo has one)."""
    if symbol != EVERYWHERE:
        exchange.instruments.get(symbol, field=None)

    def work(session: Session) -> dict[str, Any]:
        needs_approval = not exchange.settings.demo
        return render_rule(
            market_rules.propose(
                session, kind, symbol, rule, actor=known.username, needs_approval=needs_approval
            )
        )

    made = exchange.database.write(work).result()
    return json_response(made, 202 if made["status"] == "pending" else 200)


def _render_owner(row: AccountOwner, code: str) -> dict[str, Any]:
    return {
        "account": code,
        "owner": row.owner,
        "reason": row.reason,
        "changed_by": row.changed_by,
        "changed_at": format_time(row.changed_time_ns),
    }
