"""What anyone may know of the market as a whole: large holdings, large trades, figures, totals."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api.auth import anyone
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.routes.settlements import read_day
from engine.times import format_day
from settlement import disclosure

router = APIRouter(prefix="/disclosure", tags=["disclosure"], dependencies=[Depends(anyone)])

Exchange = Annotated[Gateway, Depends(gateway)]
OfSymbol = Annotated[str | None, Query(max_length=16)]
Date = Annotated[str | None, Query(max_length=10)]
_MAX_DAYS = 366
_DEFAULT_DAYS = 30
_DAY_NS = 86_400 * 10**9


@router.get("/holdings")
def holdings(exchange: Exchange, symbol: OfSymbol = None) -> dict[str, Any]:
    """Who holds at least the threshold of a symbol, as settled; linked accounts count as one."""
    _check(exchange, symbol)
    with exchange.database.read() as session:
        return {"items": disclosure.holdings(session, symbol), "next_cursor": None}


@router.get("/large-trades")
def large_trades(exchange: Exchange, date: Date = None, symbol: OfSymbol = None) -> dict[str, Any]:
    """A settled day's trades of at least the threshold (the latest day's, without a date)."""
    _check(exchange, symbol)
    with exchange.database.read() as session:
        day = disclosure.last_settled_day(session) if date is None else read_day(date)
        items = [] if day is None else disclosure.large_trades(session, day, symbol)
    shown = None if day is None else format_day(day)
    return {"date": shown, "items": items, "next_cursor": None}


@router.get("/statistics")
def statistics(
    exchange: Exchange,
    first: Annotated[str | None, Query(alias="from", max_length=10)] = None,
    last: Annotated[str | None, Query(alias="to", max_length=10)] = None,
    symbol: OfSymbol = None,
) -> dict[str, Any]:
    """Closing price, volume and amount of each instrument on each settled day, newest first."""
    _check(exchange, symbol)
    # A day ahead of Greenwich is the exchange's own.
    last_day = time.time_ns() // _DAY_NS + 1 if last is None else read_day(last)
    first_day = last_day - _DEFAULT_DAYS if first is None else read_day(first)
    if not 0 <= last_day - first_day < _MAX_DAYS:
        raise Problem(
            "invalid_request", f"At most {_MAX_DAYS} days can be asked for.", field="from"
        )
    with exchange.database.read() as session:
        items = disclosure.statistics(session, first_day, last_day, symbol)
    return {"items": items, "next_cursor": None}


@router.get("/totals")
def totals(exchange: Exchange) -> dict[str, Any]:
    """What was issued, retired, cancelled and exported; surrenders by scheme and year."""
    with exchange.database.read() as session:
        return disclosure.totals(session)


def _check(exchange: Gateway, symbol: str | None) -> None:
    if symbol is not None:
        exchange.instruments.get(symbol)
