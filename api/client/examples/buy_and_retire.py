"""An enterprise: buys a quantity at the best prices, waits for settlement, retires it.

It takes what is offered, the cheapest first and nothing beyond its highest price, until it has what
it needs. Credits of an instrument with the resale lock cannot be used until the day is settled;
then it retires them and keeps the certificate as a PDF. (In the demo, end the day as `operator`:
the README shows how.)
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from api import client as puhui
from api.client import calls, results


class Purchase(NamedTuple):
    """What is wanted, at most at which price, and for whom it is retired."""

    symbol: str
    quantity: Decimal
    highest_price: Decimal
    beneficiary: str
    reason: str


async def buy(
    exchange: puhui.AsyncExchange, stream: puhui.Stream, wanted: Purchase
) -> list[results.Order]:
    """Orders that together have filled the quantity; waits while nothing is cheap enough.

    Each order takes what is offered at the best price at once and leaves nothing in the book.
    """
    changed = asyncio.Event()
    book = await stream.follow_book(wanted.symbol, lambda _: changed.set())
    orders: list[results.Order] = []
    missing = wanted.quantity
    while missing:
        changed.clear()
        best = book.asks.best if book.is_current else None
        if best is None or best.price > wanted.highest_price:
            await changed.wait()
            continue
        order = await exchange.ask(
            calls.place_order(
                symbol=wanted.symbol,
                side="buy",
                price=best.price,
                quantity=min(missing, best.quantity),
                time_in_force="ioc",
            )
        )
        orders.append(order)
        missing -= order.filled_quantity
        if not order.filled_quantity:
            # Somebody else was faster: the book will say so.
            await changed.wait()
    await stream.unsubscribe("book", wanted.symbol)
    return orders


async def wait_until_settled(stream: puhui.Stream, symbol: str, quantity: Decimal) -> None:
    """Wait until so many credits are available: bought ones are locked until the day's end."""
    is_settled = asyncio.Event()

    def hear(push: dict[str, Any]) -> None:
        credits = push["data"]["credits"].get(symbol)
        if credits is not None and Decimal(credits["available"]) >= quantity:
            is_settled.set()

    await stream.subscribe("balances", handler=hear)
    await is_settled.wait()
    await stream.unsubscribe("balances")


async def offset(
    exchange: puhui.AsyncExchange,
    wanted: Purchase,
    folder: Path,
    tell: Callable[[str], None] = print,
) -> Path:
    """The whole way, from the order to the certificate's file."""
    async with puhui.Stream(exchange.base_url, exchange.credentials) as stream:
        before = (await exchange.ask(calls.get_balances())).credits.get(wanted.symbol)
        orders = await buy(exchange, stream, wanted)
        fills = [fill for order in orders for fill in order.fills]
        paid = sum((fill.price * fill.quantity + fill.fee for fill in fills), Decimal(0))
        tell(
            f"bought {wanted.quantity} t of {wanted.symbol} for {paid} CNY; waiting for settlement"
        )
        owned = before.available if before is not None else Decimal(0)
        await wait_until_settled(stream, wanted.symbol, owned + wanted.quantity)
    certificate = await exchange.ask(
        calls.retire(wanted.symbol, wanted.quantity, wanted.beneficiary, wanted.reason)
    )
    assert certificate.certificate_id is not None
    file = folder / f"{certificate.certificate_id}.pdf"
    content = await exchange.ask(calls.certificate_pdf(certificate.certificate_id))
    await asyncio.to_thread(file.write_bytes, content)
    tell(f"retired; certificate in {file}")
    return file


async def run(url: str, username: str, password: str, wanted: Purchase, folder: Path) -> None:
    """Log in and go the whole way."""
    async with puhui.AsyncExchange(url) as exchange:
        await exchange.log_in(username, password)
        await offset(exchange, wanted, folder)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--username", default="enterprise")
    parser.add_argument("--password", default="demo")
    parser.add_argument("--symbol", default="GD-PHCER")
    parser.add_argument("--quantity", type=Decimal, default=Decimal(10))
    parser.add_argument("--highest-price", type=Decimal, default=Decimal("51.00"))
    parser.add_argument("--beneficiary", default="Our spring fair")
    parser.add_argument("--reason", default="event")
    parser.add_argument("--folder", type=Path, default=Path())
    asked = parser.parse_args()
    wanted = Purchase(
        asked.symbol, asked.quantity, asked.highest_price, asked.beneficiary, asked.reason
    )
    asyncio.run(run(asked.url, asked.username, asked.password, wanted, asked.folder))


if __name__ == "__main__":
    main()
