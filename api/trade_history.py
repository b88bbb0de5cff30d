"""The tape: the latest trades from memory, those before them from the database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from api.errors import Problem
from api.schemas import MAX_ID, Page
from marketdata.instrument import TRADES_KEPT, Instrument, Trade
from settlement import history

if TYPE_CHECKING:
    from api.gateway import Gateway

_RETRY_MS = 1_000


async def trades(gateway: Gateway, symbol: str, wanted: Page) -> dict[str, Any]:
    """A page of an instrument's trades, newest first, as far back as there are any."""
    latest = gateway.market.trades(symbol, wanted.limit, wanted.cursor)
    if latest["next_cursor"] is not None:
        return latest
    items = latest["items"]
    before = int(items[-1]["trade_id"]) if items else min(wanted.before, MAX_ID)
    instrument = gateway.market.instrument(symbol)
    missing = wanted.limit - len(items) + 1
    older = await asyncio.to_thread(_read, gateway, instrument, before, missing)
    items += [instrument.trade_view(trade) for trade in older]
    following = len(items) > wanted.limit
    items = items[: wanted.limit]
    return {"items": items, "next_cursor": items[-1]["trade_id"] if following else None}


def _read(gateway: Gateway, instrument: Instrument, before: int, limit: int) -> list[Trade]:
    """Trades with an id under `before`. Raises Problem while some of them are not written yet."""
    kept = instrument.trades
    oldest_kept = kept[0].trade_id if len(kept) == TRADES_KEPT else 0
    with gateway.database.read() as session:
        if history.last_trade_id(session) < oldest_kept:
            # Memory has let go of trades that the intake has yet to write: no page may skip them.
            raise Problem("service_unavailable", retry_after_ms=_RETRY_MS)
        return [
            Trade(
                row.trade_id,
                row.price_ticks,
                row.quantity_lots,
                row.taker_side,
                row.time_ns,
                row.trade_type,
            )
            for row in history.tape(session, instrument.number, before, limit)
        ]
