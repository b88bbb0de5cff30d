"""A market maker: quotes around a reference price, and leans against its inventory.

The middle is the reference price, moved down for every tonne held above the target and up for every
tonne below it, so that what it has too much of is offered cheaper. A side that would take it beyond
its limit is withdrawn. It quotes again after each fill, with each new phase or trading day and each
new connection; when it stops or loses the connection, its quotes go with it.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import msgspec

from api import client as puhui
from api.client import calls, results


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a maker quotes one instrument; prices in CNY, quantities in tonnes."""

    symbol: str
    half_spread: Decimal = Decimal("0.10")
    quantity: Decimal = Decimal(100)
    # How far the middle moves for each tonne off the target, and how far off it may be.
    skew: Decimal = Decimal("0.0002")
    limit: Decimal = Decimal(1_000)


_OPEN_PHASES = ("continuous", "call_auction")
Side = tuple[Decimal, Decimal] | None


def quote_around(
    terms: Terms, tick: Decimal, ticker: results.Ticker, inventory: Decimal
) -> tuple[Side, Side]:
    """Bid and ask for an inventory (tonnes above the target; below it negative)."""
    middle = ticker.reference_price - terms.skew * inventory
    bid = _to_tick(middle - terms.half_spread, tick, ROUND_FLOOR)
    ask = _to_tick(middle + terms.half_spread, tick, ROUND_CEILING)
    may_buy = inventory + terms.quantity <= terms.limit and bid >= ticker.lower_limit
    may_sell = inventory - terms.quantity >= -terms.limit and ask <= ticker.upper_limit
    return (
        (bid, terms.quantity) if may_buy else None,
        (ask, terms.quantity) if may_sell else None,
    )


def _to_tick(price: Decimal, tick: Decimal, rounding: str) -> Decimal:
    """Away from the middle, to a price that can be quoted."""
    return (price / tick).to_integral_value(rounding) * tick


class MarketMaker:
    """Keeps one quote. `inventory` is counted from its own fills, from 0 when it begins."""

    def __init__(self, terms: Terms, instrument: results.Instrument) -> None:
        self.terms = terms
        self.inventory = Decimal(0)
        self._tick = instrument.tick
        self._ticker: results.Ticker | None = None
        self._is_due = asyncio.Event()

    def connected(self) -> None:
        """The quotes of the last connection went with it."""
        self._is_due.set()

    def hear_ticker(self, push: dict[str, Any]) -> None:
        """The market: its day's end takes quotes away, the next day has another reference."""
        before, self._ticker = self._ticker, msgspec.convert(push["data"], results.Ticker)
        now = self._ticker
        if before is None or _day_of(before) != _day_of(now):
            self._is_due.set()

    def hear_fill(self, push: dict[str, Any]) -> None:
        """One of its orders traded."""
        fill = msgspec.convert(push["data"], results.Fill)
        if fill.symbol == self.terms.symbol:
            self.inventory += fill.quantity if fill.side == "buy" else -fill.quantity
            self._is_due.set()

    async def run(
        self, stream: puhui.Stream, on_quote: Callable[[results.Quote], None] | None = None
    ) -> None:
        """Quote until cancelled, whenever something calls for another quote."""
        await stream.subscribe("fills", handler=self.hear_fill)
        await stream.subscribe("ticker", self.terms.symbol, handler=self.hear_ticker)
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            if self._ticker is None or self._ticker.phase not in _OPEN_PHASES:
                continue
            bid, ask = quote_around(self.terms, self._tick, self._ticker, self.inventory)
            body = calls.quote_body(self.terms.symbol, bid, ask)
            try:
                (answer,) = await stream.set_quotes([body])
                if isinstance(answer, puhui.Problem):
                    raise answer
            except puhui.Problem as problem:
                if problem.code in ("unauthenticated", "forbidden"):
                    raise
                # The market may just have closed, or the connection be lost: again, a little later.
                print(f"not quoted: {problem}", flush=True)
                await asyncio.sleep((problem.retry_after_ms or 1_000) / 1_000)
                self._is_due.set()
                continue
            if on_quote is not None:
                on_quote(answer)


def _day_of(ticker: results.Ticker) -> tuple[object, ...]:
    """What calls for another quote when it changes."""
    return ticker.phase, ticker.trading_day, ticker.reference_price


async def run(
    url: str,
    username: str,
    password: str,
    terms: Terms,
    on_quote: Callable[[results.Quote], None] | None = None,
) -> None:
    """Log in and quote until cancelled."""
    async with puhui.AsyncExchange(url) as exchange:
        await exchange.log_in(username, password)
        instrument = await exchange.ask(calls.get_instrument(terms.symbol))
        maker = MarketMaker(terms, instrument)
        async with puhui.Stream(url, exchange.credentials, on_connected=maker.connected) as stream:
            await maker.run(stream, on_quote)


def _show(quote: results.Quote) -> None:
    sides = [
        f"{order.remaining_quantity} at {order.price}" if order is not None else "-"
        for order in (quote.bid, quote.ask)
    ]
    print(f"{quote.symbol}  bid {sides[0]}  ask {sides[1]}", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--username", default="maker")
    parser.add_argument("--password", default="demo")
    parser.add_argument("--symbol", default="GD-PHCER")
    parser.add_argument("--half-spread", type=Decimal, default=Decimal("0.10"))
    parser.add_argument("--quantity", type=Decimal, default=Decimal(100))
    asked = parser.parse_args()
    terms = Terms(symbol=asked.symbol, half_spread=asked.half_spread, quantity=asked.quantity)
    try:
        asyncio.run(run(asked.url, asked.username, asked.password, terms, _show))
    except KeyboardInterrupt:
        print("stopped; the quote is withdrawn with the connection")


if __name__ == "__main__":
    main()
