"""The public market: time, status, instruments, books, trades, tickers, candles."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api import trade_history
from api.auth import anyone
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.instruments import Instrument
from api.market_phases import render_halt
from api.schemas import MAX_PAGE, Page, page
from engine.codes import InstrumentFlag, Phase
from engine.decimals import format_fen, format_price
from engine.times import format_day, format_time
from engine.units import ONE_MILLION
from marketdata.candles import INTERVALS_NS

router = APIRouter(tags=["market"], dependencies=[Depends(anyone)])

# The market's status is the liveliest phase of any instrument.
_STATUS_BY_PHASE = (
    (Phase.CONTINUOUS, "open"),
    (Phase.CALL_AUCTION, "call_auction"),
    (Phase.PRE_OPEN, "pre_open"),
    (Phase.HALTED, "halted"),
)
_TRADING_ROLES = ("trader", "market_maker", "compliance", "event_organiser")


@router.get("/time")
async def server_time() -> dict[str, Any]:
    """The server's clock, for the timestamps of signed requests."""
    time_ns = time.time_ns()
    return {"time": format_time(time_ns), "unix_ms": time_ns // 1_000_000}


@router.get("/status")
async def status(exchange: Annotated[Gateway, Depends(gateway)]) -> dict[str, Any]:
    """Whether the market is open, and the engine there."""
    phases = {instrument.phase for instrument in exchange.instruments.by_number.values()}
    return {
        "status": next((name for phase, name in _STATUS_BY_PHASE if phase in phases), "closed"),
        "engine": "ready" if exchange.is_ready and exchange.core.connected else "unavailable",
        "sequence": exchange.live_orders.sequence,
        "demo": exchange.settings.demo,
        "halts": [
            {"symbol": exchange.instruments.by_number[number].symbol, **(render_halt(halt) or {})}
            for number, halt in sorted(exchange.halts.items())
        ],
    }


@router.get("/instruments")
async def instruments(
    exchange: Annotated[Gateway, Depends(gateway)],
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = MAX_PAGE,
    cursor: Annotated[str | None, Query(max_length=18)] = None,
) -> dict[str, Any]:
    """All instruments with their rules, in the order of their numbers; all on one page unless
    `limit` says otherwise."""
    wanted = await page(limit, cursor)
    first = 0 if wanted.cursor is None else int(wanted.cursor) + 1
    found = sorted(exchange.instruments.by_number.items())
    found = [each for each in found if each[0] >= first]
    items = [render(instrument, exchange) for _, instrument in found[:limit]]
    following = str(found[limit - 1][0]) if len(found) > limit else None
    return {"items": items, "next_cursor": following}


@router.get("/instruments/{symbol}")
async def instrument(symbol: str, exchange: Annotated[Gateway, Depends(gateway)]) -> dict[str, Any]:
    """One instrument with its rules."""
    return render(exchange.instruments.get(symbol, field=None), exchange)


@router.get("/market/{symbol}/book")
async def book(
    symbol: str,
    exchange: Annotated[Gateway, Depends(gateway)],
    depth: Annotated[int, Query(ge=1, le=1_000)] = 10,
) -> dict[str, Any]:
    """The best levels of both sides as [price, quantity, orders]."""
    return exchange.market.book(_symbol(exchange, symbol), depth)


@router.get("/market/{symbol}/listings")
async def listings(
    symbol: str,
    exchange: Annotated[Gateway, Depends(gateway)],
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> dict[str, Any]:
    """The first shown orders of both sides, one by one: each may be taken by its id."""
    known = exchange.instruments.get(symbol, field=None)
    if not known.flags & InstrumentFlag.LISTED_SELECTION:
        raise Problem("not_found", "Orders of this instrument are not listed.")
    items = exchange.market.listings(known.symbol, limit)
    return {"items": items, "next_cursor": None}


@router.get("/market/{symbol}/trades")
async def trades(
    symbol: str,
    exchange: Annotated[Gateway, Depends(gateway)],
    wanted: Annotated[Page, Depends(page)],
) -> dict[str, Any]:
    """All trades ever, newest first."""
    return await trade_history.trades(exchange, _symbol(exchange, symbol), wanted)


@router.get("/market/{symbol}/ticker")
async def ticker(symbol: str, exchange: Annotated[Gateway, Depends(gateway)]) -> dict[str, Any]:
    """Best prices, last trade, and the day's figures."""
    return exchange.market.ticker(_symbol(exchange, symbol))


@router.get("/market/{symbol}/candles")
async def candles(
    symbol: str,
    exchange: Annotated[Gateway, Depends(gateway)],
    wanted: Annotated[Page, Depends(page)],
    interval: str = "1m",
) -> dict[str, Any]:
    """Open, high, low, close and volume for each interval with trades, newest first."""
    if interval not in INTERVALS_NS:
        raise Problem("invalid_request", "There is no such interval.", field="interval")
    known = _symbol(exchange, symbol)
    return exchange.market.candles(known, interval, wanted.limit, wanted.cursor)


def _symbol(exchange: Gateway, symbol: str) -> str:
    """The symbol, if there is such an instrument. Raises Problem (unknown_instrument)."""
    return exchange.instruments.get(symbol, field=None).symbol


def render(found: Instrument, exchange: Gateway) -> dict[str, Any]:
    """An instrument as the public contract shows it."""
    return {
        "symbol": found.symbol,
        "number": found.number,
        "currency": "CNY",
        "tick": format_fen(found.tick_fen),
        "lot": "1",
        "phase": found.phase.name.lower(),
        "ends_at": format_time(found.ends_at_ns) if found.ends_at_ns else None,
        "no_cancel_from": format_time(found.cancel_until_ns) if found.cancel_until_ns else None,
        "halt": render_halt(exchange.halts.get(found.number)),
        "trading_day": format_day(found.trading_day),
        "reference_price": format_price(found.reference_price_ticks, found.tick_fen),
        "price_limit": format_ratio(found.price_limit_ppm),
        "lower_limit": format_price(found.lower_limit_ticks, found.tick_fen),
        "upper_limit": format_price(found.upper_limit_ticks, found.tick_fen),
        "volatility": {
            "limit": format_ratio(found.volatility_ppm),
            "interruption_seconds": found.interruption_seconds,
        }
        if found.volatility_ppm
        else None,
        "maximum_order": str(found.maximum_order_lots),
        "maximum_holding": str(found.maximum_holding_lots),
        "fees": {
            "maker": format_ratio(found.maker_fee_ppm),
            "taker": format_ratio(found.taker_fee_ppm),
        },
        "resale_lock": bool(found.flags & InstrumentFlag.RESALE_LOCK),
        "listed_selection": bool(found.flags & InstrumentFlag.LISTED_SELECTION),
        "block": _render_block(found),
        "rate_limits": {
            name: {"quantity": policy.quantity, "window_seconds": policy.window_seconds}
            for name, policy in exchange.rate_limits.policies.items()
            if name in ("orders", "requests")
        },
        "eligibility": {"roles": list(_TRADING_ROLES)},
    }


def _render_block(found: Instrument) -> dict[str, Any]:
    """The rules of an instrument's block trades."""
    lower_ticks, upper_ticks = found.block_limits_ticks
    return {
        "is_open": found.is_block_window_open,
        "minimum": str(found.minimum_block_lots),
        "price_limit": format_ratio(found.block_limit_ppm),
        "lower_limit": format_price(lower_ticks, found.tick_fen),
        "upper_limit": format_price(upper_ticks, found.tick_fen),
    }


def format_ratio(ratio_ppm: int) -> str:
    """Parts per million as a decimal string without trailing zeros: 100,000 is "0.1"."""
    whole, fraction = divmod(ratio_ppm, ONE_MILLION)
    return f"{whole}.{fraction:06}".rstrip("0").rstrip(".")
