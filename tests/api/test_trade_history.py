"""The tape over REST: memory's latest trades and the database's older ones are one list."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
from exchange_driver import Exchange
from stream_driver import order, quoted

from api import trade_history

TRADES = 9
KEPT = 4


@pytest.fixture
async def traded(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nine trades, of which memory has kept four; their ids, newest first."""
    await quoted(exchange)
    ids: list[str] = []
    for number in range(TRADES):
        body = order(f"buy-{number}", price="51.00", quantity="1")
        answer = await exchange.client("enterprise").post("/v1/orders", json=body)
        ids.append(answer.json()["fills"][0]["trade_id"])
    gateway = exchange.gateway
    while gateway.read_checkpoint() < gateway.live_orders.sequence:  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # the intake tells nobody how far it is
    instrument = gateway.market.instrument("GD-PHCER")
    instrument.trades = deque(list(instrument.trades)[-KEPT:], maxlen=KEPT)
    monkeypatch.setattr(trade_history, "TRADES_KEPT", KEPT)
    return ids[::-1]


async def pages(exchange: Exchange, symbol: str, limit: int) -> list[dict[str, str]]:
    """The whole tape, page by page."""
    found: list[dict[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        url = f"/v1/market/{symbol}/trades?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        page = (await exchange.public.get(url)).json()
        assert len(page["items"]) <= limit
        found += page["items"]
        cursor = page["next_cursor"]
    return found


async def test_pages_join_without_a_gap(exchange: Exchange, traded: list[str]) -> None:
    """Whatever a page's size, all trades come once, newest first, each as memory shows it; and
    none on another instrument's tape."""
    for limit in (1, 2, 3, 4, 5, 8, 9, 100):
        found = await pages(exchange, "GD-PHCER", limit)
        assert [trade["trade_id"] for trade in found] == traded
        assert len({frozenset(trade) for trade in found}) == 1
        assert {trade["taker_side"] for trade in found} == {"buy"}
    assert await pages(exchange, "WH-CER", 100) == []


async def test_a_tape_that_is_not_written_yet_has_no_holes(
    exchange: Exchange, traded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database lags behind what memory has let go of, the client is to come back."""
    monkeypatch.setattr("settlement.history.last_trade_id", lambda _: 0)
    url = "/v1/market/GD-PHCER/trades?limit="
    assert len((await exchange.public.get(f"{url}{KEPT - 1}")).json()["items"]) == KEPT - 1
    answer = await exchange.public.get(f"{url}{TRADES}")
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert answer.headers["retry-after"] == "1"
