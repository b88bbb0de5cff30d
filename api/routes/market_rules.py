"""The calendar for everybody; the market's rules for operators, every change a version."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import Session
from starlette.responses import Response

from api import calendar_views as views
from api.auth import Caller, anyone, require_role
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.operator_actions import write
from api.routes.orders import json_response
from api.routes.settlements import read_day
from api.schemas import (
    Body,
    Page,
    Quantity,
    page,
    parse_quantity,
    parse_ratio_ppm,
    plain_text,
)
from api.strict_json import json_body
from engine.times import format_day
from settlement import calendar, identity, market_rules, quoting
from settlement.market_rules import EVERYWHERE, shipped
from settlement.tables.market_rules import MarketRule

router = APIRouter()

_operator = require_role("operator")
_reader = require_role("operator", "auditor")
_maker = require_role("market_maker")

Exchange = Annotated[Gateway, Depends(gateway)]
Operator = Annotated[Caller, Depends(_operator)]
_MAX_NOTE = 200


class DayBody(Body):
    """PUT /v1/operator/calendar/days/{day}: an exception to weekends and holidays."""

    is_trading: bool
    note: str


class SessionsBody(Body):
    """PUT /v1/operator/calendar/instruments/{symbol}: one of the shipped templates."""

    template: str


class ClosingPriceBody(Body):
    """PUT /v1/operator/closing-prices/{symbol}: at or below the quantity the market was thin."""

    thin_market_quantity: str
    source: str


class BlockTradingBody(Body):
    """PUT /v1/operator/block-trading/{symbol}; the limit is of the reference price, of 1."""

    minimum_quantity: Quantity
    price_limit: str
    source: str


class SettlementRuleBody(Body):
    """PUT /v1/operator/settlement-rules/{symbol}: which of a seller's blocks go first."""

    block_order: Literal["oldest_vintage", "newest_vintage", "oldest_issue"]
    needs_approval: bool
    source: str


class QuotingBody(Body):
    """PUT /v1/operator/obligations/{symbol}: ratios of 1; a spread in ticks, of the middle, or
    within both."""

    minimum_share: str
    minimum_quantity: Quantity
    source: str
    maximum_spread_ticks: Quantity | None = None
    maximum_spread_ratio: str | None = None


# --- The calendar ---


@router.get("/calendar", tags=["market"], dependencies=[Depends(anyone)])
async def show_calendar(
    exchange: Exchange,
    first: Annotated[str | None, Query(alias="from", max_length=10)] = None,
    days: Annotated[int, Query(ge=1, le=62)] = 7,
) -> dict[str, Any]:
    """The next days, or those from a date on: whether they trade, and in which sessions."""

    def read(session: Session) -> list[dict[str, Any]]:
        today = calendar.load(session).calendar.local_day(time.time_ns())
        first_day = today if first is None else read_day(first)
        return views.render_days(session, first_day, days)

    items = await _read(exchange, read)
    return {"time_zone": shipped().time_zone, "items": items, "next_cursor": None}


# --- Changes ---


@router.get("/operator/market-rules", tags=["operator"])
async def list_rules(
    _: Annotated[Caller, Depends(_reader)],
    exchange: Exchange,
    wanted: Annotated[Page, Depends(page)],
    kind: market_rules.Kind | None = None,
) -> dict[str, Any]:
    """What operators changed in the market's rules, newest first, and by whom."""

    def read(session: Session) -> list[MarketRule]:
        return market_rules.page(session, kind, wanted.before, wanted.limit + 1)

    found = await _read(exchange, read)
    items = found[: wanted.limit]
    return {
        "items": [views.render_rule(each) for each in items],
        "next_cursor": str(items[-1].version) if len(found) > wanted.limit else None,
    }


@router.put("/operator/calendar/days/{day}", tags=["operator"])
async def set_day(
    day: str,
    known: Operator,
    body: Annotated[DayBody, Depends(json_body(DayBody))],
    exchange: Exchange,
) -> Response:
    """Close a day that would trade, or let one trade that would not."""
    rule = {"is_trading": body.is_trading, "note": plain_text(body.note, "note", _MAX_NOTE)}
    return await _change(exchange, known, "day", format_day(read_day(day)), rule)


@router.delete("/operator/calendar/days/{day}", tags=["operator"])
async def forget_day(day: str, known: Operator, exchange: Exchange) -> Response:
    """Take a day back to what weekends and holidays say."""
    return await _change(exchange, known, "day", format_day(read_day(day)), None)


@router.put("/operator/calendar/instruments/{symbol}", tags=["operator"])
async def set_sessions(
    symbol: str,
    known: Operator,
    body: Annotated[SessionsBody, Depends(json_body(SessionsBody))],
    exchange: Exchange,
) -> Response:
    """Let an instrument, or with `*` all others, follow another template of sessions."""
    rule = {"template": body.template}
    return await _change(exchange, known, "sessions", _symbol(exchange, symbol), rule)


@router.delete("/operator/calendar/instruments/{symbol}", tags=["operator"])
async def forget_sessions(symbol: str, known: Operator, exchange: Exchange) -> Response:
    """Let an instrument follow the template of all others, or with `*` the shipped one."""
    return await _change(exchange, known, "sessions", _symbol(exchange, symbol), None)


@router.put("/operator/closing-prices/{symbol}", tags=["operator"])
async def set_closing_price(
    symbol: str,
    known: Operator,
    body: Annotated[ClosingPriceBody, Depends(json_body(ClosingPriceBody))],
    exchange: Exchange,
) -> Response:
    """Say at which day's volume a market is thin, so that the previous close stays."""
    text = body.thin_market_quantity
    lots = 0 if text == "0" else parse_quantity(text, "thin_market_quantity")
    source = plain_text(body.source, "source", _MAX_NOTE)
    rule = {"thin_market_quantity": lots, "source": source}
    return await _change(exchange, known, "closing_price", _symbol(exchange, symbol), rule)


@router.delete("/operator/closing-prices/{symbol}", tags=["operator"])
async def forget_closing_price(symbol: str, known: Operator, exchange: Exchange) -> Response:
    """Take an instrument back to the closing-price rule of all others."""
    return await _change(exchange, known, "closing_price", _symbol(exchange, symbol), None)


@router.put("/operator/block-trading/{symbol}", tags=["operator"])
async def set_block_trading(
    symbol: str,
    known: Operator,
    body: Annotated[BlockTradingBody, Depends(json_body(BlockTradingBody))],
    exchange: Exchange,
) -> Response:
    """Say how large a block trade is and how far its price may go, from the next border on."""
    rule = {
        "minimum_quantity": parse_quantity(body.minimum_quantity, "minimum_quantity"),
        "price_limit_ppm": parse_ratio_ppm(body.price_limit, "price_limit"),
        "source": plain_text(body.source, "source", _MAX_NOTE),
    }
    return await _change(exchange, known, "block_trading", _symbol(exchange, symbol), rule)


@router.delete("/operator/block-trading/{symbol}", tags=["operator"])
async def forget_block_trading(symbol: str, known: Operator, exchange: Exchange) -> Response:
    """Take an instrument back to the rule for block trades of all others."""
    return await _change(exchange, known, "block_trading", _symbol(exchange, symbol), None)


@router.put("/operator/obligations/{symbol}", tags=["operator"])
async def set_obligation(
    symbol: str,
    known: Operator,
    body: Annotated[QuotingBody, Depends(json_body(QuotingBody))],
    exchange: Exchange,
) -> Response:
    """Say what market makers owe in an instrument, from their next day's first quote on."""
    ticks, ratio = body.maximum_spread_ticks, body.maximum_spread_ratio
    rule = {
        "minimum_share_ppm": parse_ratio_ppm(body.minimum_share, "minimum_share"),
        "maximum_spread_ticks": parse_quantity(ticks, "maximum_spread_ticks") if ticks else 0,
        "maximum_spread_ppm": parse_ratio_ppm(ratio, "maximum_spread_ratio") if ratio else 0,
        "minimum_quantity": parse_quantity(body.minimum_quantity, "minimum_quantity"),
        "source": plain_text(body.source, "source", _MAX_NOTE),
    }
    return await _change(exchange, known, "quoting", _symbol(exchange, symbol), rule)


@router.delete("/operator/obligations/{symbol}", tags=["operator"])
async def forget_obligation(symbol: str, known: Operator, exchange: Exchange) -> Response:
    """Take an instrument back to the obligations of all others."""
    return await _change(exchange, known, "quoting", _symbol(exchange, symbol), None)


@router.put("/operator/settlement-rules/{symbol}", tags=["operator"])
async def set_settlement_rule(
    symbol: str,
    known: Operator,
    body: Annotated[SettlementRuleBody, Depends(json_body(SettlementRuleBody))],
    exchange: Exchange,
) -> Response:
    """Say which blocks are delivered first, and whether a delivery waits for an approval."""
    rule = {
        "block_order": body.block_order,
        "needs_approval": body.needs_approval,
        "source": plain_text(body.source, "source", _MAX_NOTE),
    }
    return await _change(exchange, known, "settlement", _symbol(exchange, symbol), rule)


@router.delete("/operator/settlement-rules/{symbol}", tags=["operator"])
async def forget_settlement_rule(symbol: str, known: Operator, exchange: Exchange) -> Response:
    """Take an instrument back to the settlement rule of all others."""
    return await _change(exchange, known, "settlement", _symbol(exchange, symbol), None)


@router.post("/operator/market-rules/{version}/approve", tags=["operator"])
async def approve_rule(version: str, known: Operator, exchange: Exchange) -> dict[str, Any]:
    """Put another operator's change into force."""
    return await _decide(exchange, known, version, approve=True)


@router.post("/operator/market-rules/{version}/reject", tags=["operator"])
async def reject_rule(version: str, known: Operator, exchange: Exchange) -> dict[str, Any]:
    """Reject another operator's change."""
    return await _decide(exchange, known, version, approve=False)


# --- Market makers ---


@router.get("/market-maker/obligations", tags=["trading"])
async def own_obligations(
    known: Annotated[Caller, Depends(_maker)],
    exchange: Exchange,
    day: Annotated[str | None, Query(alias="date", max_length=10)] = None,
) -> dict[str, Any]:
    """How long the account's two-sided quotes stood within the rules, today or on a date."""
    return await _figures(exchange, day, {known.account: known.account_code})


@router.get("/operator/obligations", tags=["operator"])
async def all_obligations(
    _: Annotated[Caller, Depends(_reader)],
    exchange: Exchange,
    day: Annotated[str | None, Query(alias="date", max_length=10)] = None,
) -> dict[str, Any]:
    """The same of every market maker, also of one who has not quoted at all."""
    return await _figures(exchange, day, None)


async def _figures(
    exchange: Gateway, day: str | None, accounts: Mapping[int, str] | None
) -> dict[str, Any]:
    trading_day = None if day is None else read_day(day)

    def read(session: Session) -> list[dict[str, Any]]:
        codes = accounts
        if codes is None:
            known = identity.account_codes(session)
            codes = {number: known[number] for number in quoting.market_makers(session)}
        found = quoting.figures(session, codes, trading_day, time.time_ns())
        return [views.render_figures(each, codes[each.account]) for each in found]

    return {"items": await _read(exchange, read), "next_cursor": None}


# --- What they share ---


def _symbol(exchange: Gateway, symbol: str) -> str:
    """A rule's key: a symbol that there is, or EVERYWHERE. Raises Problem."""
    return symbol if symbol == EVERYWHERE else exchange.instruments.get(symbol, field=None).symbol


async def _change(
    exchange: Gateway,
    known: Caller,
    kind: market_rules.Kind,
    key: str,
    rule: Mapping[str, object] | None,
) -> Response:
    """A new version: 200 if it is in force, 202 if it waits for a second operator.

    The demo has only one operator, whose word is enough there.
    """
    made = await write(
        exchange,
        lambda session: market_rules.propose(
            session,
            kind,
            key,
            rule,
            actor=known.username,
            needs_approval=not exchange.settings.demo,
        ),
    )
    return json_response(views.render_rule(made), 202 if made.status == "pending" else 200)


async def _decide(
    exchange: Gateway, known: Caller, version: str, *, approve: bool
) -> dict[str, Any]:
    if not (version.isascii() and version.isdigit() and len(version) <= 18):
        raise Problem("not_found")
    number = int(version)
    decided = await write(
        exchange,
        lambda session: market_rules.decide(session, number, known.username, approve=approve),
    )
    return views.render_rule(decided)


async def _read(exchange: Gateway, work: Any) -> Any:
    def read() -> Any:
        with exchange.database.read() as session:
            return work(session)

    return await asyncio.to_thread(read)
