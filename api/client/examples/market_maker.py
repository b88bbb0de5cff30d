"""A market maker: quotes around a reference price, and leans against its inventory.

The middle is the reference price, moved down for every tonne held above the target and up for every
tonne below it, so that what it has too much of is offered cheaper. A side that would take it beyond
its limit is withdrawn. It quotes again after each fill, each change of the reference and each new
connection; when it stops or loses the connection, its quotes go with it.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

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


Side = tuple[Decimal, Decimal] | None


def quote_around(
    terms: Terms, instrument: results.Instrument, reference: Decimal, inventory: Decimal
) -> tuple[Side, Side]:
    """Bid and ask for an inventory (tonnes above the target; below it negative)."""
    middle = reference - terms.skew * inventory
    bid = _to_tick(middle - terms.half_spread, instrument.tick, ROUND_FLOOR)
    ask = _to_tick(middle + terms.half_spread, instrument.tick, ROUND_CEILING)
    may_buy = inventory + terms.quantity <= terms.limit and bid >= instrument.lower_limit
    may_sell = inventory - terms.quantity >= -terms.limit and ask <= instrument.upper_limit
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
        self.standing: results.Quote | None = None
        self._instrument = instrument
        self._reference = instrument.reference_price
        self._is_due = asyncio.Event()

    def move_reference(self, reference: Decimal) -> None:
        """The price to quote around is another one now, from wherever the maker has it."""
        self._reference = reference
        self._is_due.set()

    def connected(self) -> None:
        """The quotes of the last connection went with it."""
        self._is_due.set()

    def hear_fill(self, push: dict[str, Any]) -> None:
        """One of its orders traded."""
        fill = push["data"]
        if fill["symbol"] == self.terms.symbol:
            traded = Decimal(fill["quantity"])
            self.inventory += traded if fill["side"] == "buy" else -traded
            self._is_due.set()

    async def run(
        self, stream: puhui.Stream, on_quote: Callable[[results.Quote], None] | None = None
    ) -> None:
        """Quote until cancelled, whenever something calls for another quote."""
        await stream.subscribe("fills", handler=self.hear_fill)
        self._is_due.set()
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            bid, ask = quote_around(self.terms, self._instrument, self._reference, self.inventory)
            body = calls.quote_body(self.terms.symbol, bid, ask)
            try:
                (answer,) = await stream.set_quotes([body])
                if isinstance(answer, puhui.Problem):
                    raise answer
            except puhui.Problem as problem:
                # The market may be closed just now, or the connection lost: again, a little later.
                print(f"not quoted: {problem}", flush=True)
                await asyncio.sleep((problem.retry_after_ms or 1_000) / 1_000)
                self._is_due.set()
                continue
            self.standing = answer
            if on_quote is not None:
                on_quote(answer)


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
