"""The client's examples, against a real exchange on a port."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import pytest
from exchange_driver import PASSWORD, Exchange
from stream_driver import SYMBOL, Connect, order, quoted

from api import client as puhui
from api.client import calls, results
from api.client.examples import market_maker
from api.client.examples.buy_and_retire import Purchase, offset
from api.client.examples.market_maker import Terms, quote_around
from api.client.subscriptions import Push


@pytest.fixture
async def url(stream: Connect) -> str:
    """Where the exchange listens."""
    async with stream() as connected:
        return f"http://127.0.0.1:{connected.websocket.remote_address[1]}"


@pytest.fixture
async def ticker(url: str) -> results.Ticker:
    async with puhui.AsyncExchange(url) as exchange:
        return await exchange.ask(calls.get_ticker(SYMBOL))


TERMS = Terms(symbol=SYMBOL, skew=Decimal("0.003"), limit=Decimal(250))


@pytest.mark.parametrize(
    ("inventory", "bid", "ask"),
    [
        (0, "49.90", "50.10"),
        (100, "49.60", "49.80"),
        (-100, "50.20", "50.40"),
        # The middle is 49.997 then: both sides are rounded away from it.
        (1, "49.89", "50.10"),
        (200, None, "49.50"),
        (-200, "50.50", None),
    ],
)
async def test_a_quote_leans_against_the_inventory(
    ticker: results.Ticker, inventory: int, bid: str | None, ask: str | None
) -> None:
    """Long: cheaper on both sides; at the limit, nothing more on the side that adds to it."""
    found = quote_around(TERMS, Decimal("0.01"), ticker, Decimal(inventory))
    prices = [None if side is None else str(side[0]) for side in found]
    assert prices == [bid, ask]


async def test_the_maker_quotes_again_when_it_traded(exchange: Exchange, url: str) -> None:
    """Its quote stands; a buyer takes a part; it stands whole again, a little higher; it ends."""
    quotes: asyncio.Queue[results.Quote] = asyncio.Queue()
    running = asyncio.create_task(
        market_maker.run(url, "maker", PASSWORD, TERMS, quotes.put_nowait)
    )
    first = await quotes.get()
    while first.ask is None or first.ask.price != Decimal("50.10"):
        first = await quotes.get()
    buyer = exchange.client("enterprise")
    answer = await buyer.post("/v1/orders", json=order("buy", price="50.10", quantity="100"))
    assert answer.json()["status"] == "filled"
    after = await quotes.get()
    while after.ask is None or after.ask.price != Decimal("50.40"):
        after = await quotes.get()
    assert after.bid is not None
    assert (after.bid.price, after.ask.remaining_quantity) == (Decimal("50.20"), Decimal(100))
    # The day's end takes the quote away; in the next one it stands again.
    day = (await buyer.get(f"/v1/instruments/{SYMBOL}")).json()["trading_day"]
    body = {"date": day}
    begun = await exchange.client("operator").post("/v1/operator/settlements", json=body)
    assert begun.status_code == 202
    again = await quotes.get()
    while again.bid is None or again.bid.order_id == after.bid.order_id:
        again = await quotes.get()
    assert again.bid.is_open
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    changes: asyncio.Queue[Push] = asyncio.Queue()
    async with puhui.Stream(url) as anyone:
        book = await anyone.follow_book(SYMBOL, changes.put_nowait)
        while not book.is_current or book.bids.best is not None:
            await changes.get()


async def test_an_enterprise_buys_and_retires(exchange: Exchange, url: str, tmp_path: Path) -> None:
    """It buys at two prices, waits while the rest is too dear, and for the end of the day."""
    told: asyncio.Queue[str] = asyncio.Queue()
    await quoted(exchange)
    maker, operator = exchange.client("maker"), exchange.client("operator")
    cheaper = order("ask", side="sell", price="50.50", quantity="10")
    assert (await maker.post("/v1/orders", json=cheaper)).status_code == 201
    wanted = Purchase(SYMBOL, Decimal(150), Decimal("51.00"), "Demo enterprise", "Travel")
    fills: asyncio.Queue[Push] = asyncio.Queue()
    async with puhui.AsyncExchange(url) as buyer, AsyncExitStack() as streams:
        await buyer.log_in("enterprise", PASSWORD)
        stream = await streams.enter_async_context(puhui.Stream(url, buyer.credentials))
        await stream.subscribe("fills", handler=fills.put_nowait)
        task = asyncio.create_task(offset(buyer, wanted, tmp_path, told.put_nowait))
        # 110 t are there; the rest comes at a price that is too high, then at one that is not.
        for _ in range(2):
            await fills.get()
        for name, price in (("dear", "51.50"), ("late", "50.90")):
            assert told.empty()
            body = order(name, side="sell", price=price, quantity="40")
            assert (await maker.post("/v1/orders", json=body)).status_code == 201
        assert "bought 150 t" in await told.get()
        filled = (await buyer.ask(calls.list_orders(status="filled"))).items
        prices = [fill.price for found in reversed(filled) for fill in found.fills]
        assert prices == [Decimal("50.50"), Decimal("51.00"), Decimal("50.90")]
        day = (await buyer.ask(calls.get_instrument(SYMBOL))).trading_day.isoformat()
        begun = await operator.post("/v1/operator/settlements", json={"date": day})
        assert begun.status_code == 202
        file = await task
        assert file.read_bytes().startswith(b"%PDF")
        shown = await buyer.ask(calls.verify(file.stem))
        assert (shown.valid, shown.quantity, shown.beneficiary) == (True, 150, "Demo enterprise")
        balances = await buyer.ask(calls.get_balances())
        assert balances.credits[SYMBOL].available == 0
