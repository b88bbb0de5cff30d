"""Call auctions and volatility as clients and operators meet them, over the whole exchange."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from exchange_driver import Exchange

from api import answers

SYMBOL = "GD-PHCER"
BUY: dict[str, Any] = {
    "client_order_id": "buy-1",
    "symbol": SYMBOL,
    "side": "buy",
    "type": "limit",
    "price": "50.50",
    "quantity": "30",
}
SELL = BUY | {"client_order_id": "sell-1", "side": "sell", "price": "50.10", "quantity": "20"}
PAST, FUTURE = "2026-01-01T00:00:00.000000Z", "2036-01-01T00:00:00.000000Z"


async def _set_phase(exchange: Exchange, phase: str, **times: str) -> None:
    body = {"symbol": SYMBOL, "phase": phase, **times}
    answer = await exchange.client("operator").post("/v1/operator/sessions", json=body)
    assert answer.status_code == 200, answer.text


async def test_an_auction_from_its_call_to_its_trades(exchange: Exchange) -> None:
    """Orders rest, the ticker says what they would come to, and all trade at that price."""
    buyer, seller = exchange.client("enterprise"), exchange.client("maker")
    await _set_phase(exchange, "call_auction", ends_at=FUTURE, no_cancel_from=FUTURE)
    shown = (await exchange.public.get(f"/v1/instruments/{SYMBOL}")).json()
    names = ("phase", "ends_at", "no_cancel_from", "volatility")
    assert [shown[name] for name in names] == ["call_auction", FUTURE, FUTURE, None]
    bought = (await buyer.post("/v1/orders", json=BUY)).json()
    sold = (await seller.post("/v1/orders", json=SELL)).json()
    assert (bought["status"], sold["status"]) == ("open", "open")
    ticker = (await exchange.public.get(f"/v1/market/{SYMBOL}/ticker")).json()
    names = ("indicative_price", "indicative_quantity", "indicative_surplus", "ends_at")
    assert [ticker[name] for name in names] == ["50.50", "20", "10", FUTURE]
    await _set_phase(exchange, "continuous")
    bought = (await buyer.get(f"/v1/orders/{bought['order_id']}")).json()
    sold = (await seller.get(f"/v1/orders/{sold['order_id']}")).json()
    assert (bought["status"], bought["average_price"]) == ("partially_filled", "50.50")
    assert (sold["status"], sold["average_price"]) == ("filled", "50.50")
    [fill] = (await seller.get("/v1/fills")).json()["items"]
    assert (fill["side"], fill["quantity"], fill["liquidity"]) == ("sell", "20", "taker")
    assert (fill["trade_type"], sold["fills"][0]["trade_type"]) == ("auction", "auction")
    [fill] = (await buyer.get("/v1/fills")).json()["items"]
    assert (fill["side"], fill["quantity"], fill["liquidity"]) == ("buy", "20", "maker")


@pytest.mark.parametrize(
    "change",
    [{"type": "market", "price": None}, {"time_in_force": "ioc"}, {"post_only": True}],
)
async def test_an_auction_takes_plain_limit_orders_only(
    exchange: Exchange, change: dict[str, Any]
) -> None:
    """Anything else is told why, in the reader's language."""
    await _set_phase(exchange, "call_auction")
    order = {name: value for name, value in (BUY | change).items() if value is not None}
    for language, word in (("en", "auction"), ("zh-CN", "集合竞价")):
        answer = await exchange.client("enterprise").post(
            "/v1/orders", json=order, headers={"Accept-Language": language}
        )
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "market_closed")
        assert word in problem["detail"]


async def test_nothing_is_taken_back_in_the_last_part(exchange: Exchange) -> None:
    """Cancelling and amending conflict with it; cancelling all cancels nothing."""
    client = exchange.client("enterprise")
    await _set_phase(exchange, "call_auction", no_cancel_from=PAST)
    order = (await client.post("/v1/orders", json=BUY)).json()
    path = f"/v1/orders/{order['order_id']}"
    for answer in (
        await client.delete(path),
        await client.patch(path, json={"quantity": "10"}),
        await client.delete(f"/v1/orders?symbol={SYMBOL}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "cancelled or amended" in answer.json()["detail"]
    assert (await client.delete("/v1/orders")).json() == {"cancelled": 0}
    assert (await client.get(path)).json()["status"] == "open"


async def test_volatility_interrupts_trading(exchange: Exchange) -> None:
    """An operator sets the rule; the phase and its end follow the interruption."""
    operator, path = exchange.client("operator"), f"/v1/operator/instruments/{SYMBOL}/volatility"
    answer = await operator.put(path, json={"limit": "0.005", "interruption_seconds": 60})
    made = msgspec.json.decode(answer.content, type=answers.Instrument)
    assert made.volatility == answers.Volatility(limit="0.005", interruption_seconds=60)
    far = SELL | {"price": "50.30"}
    assert (await exchange.client("maker").post("/v1/orders", json=far)).status_code == 201
    order = (await exchange.client("enterprise").post("/v1/orders", json=BUY)).json()
    assert order["status"] == "open"
    shown = (await exchange.public.get(f"/v1/instruments/{SYMBOL}")).json()
    assert shown["phase"] == "call_auction"
    ticker = (await exchange.public.get(f"/v1/market/{SYMBOL}/ticker")).json()
    assert (ticker["indicative_price"], ticker["ends_at"]) == ("50.50", shown["ends_at"])
    market = BUY | {"client_order_id": "m", "type": "market"}
    del market["price"]
    answer = await exchange.client("enterprise").post("/v1/orders", json=market)
    assert answer.json()["code"] == "market_closed"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("instruments/GD-PHCER/volatility", {"limit": "1"}, "limit"),
        ("instruments/GD-PHCER/volatility", {"limit": "0.01"}, "interruption_seconds"),
        (
            "instruments/GD-PHCER/volatility",
            {"limit": "0.01", "interruption_seconds": 86_401},
            "interruption_seconds",
        ),
        ("instruments/NONE/volatility", {"limit": "0"}, None),
    ],
)
async def test_odd_rules_are_refused(
    shared_exchange: Exchange, path: str, body: dict[str, Any], field: str | None
) -> None:
    """Bounds of a rule, and an instrument that is not there."""
    answer = await shared_exchange.client("operator").put(f"/v1/operator/{path}", json=body)
    assert answer.status_code in (400, 404)
    assert answer.json().get("field") == field


async def test_only_operators_set_the_rule(exchange: Exchange) -> None:
    """A trader is forbidden to, and a time that is none is refused by its name."""
    path = f"/v1/operator/instruments/{SYMBOL}/volatility"
    answer = await exchange.client("enterprise").put(path, json={"limit": "0"})
    assert answer.json()["code"] == "forbidden"
    body = {"phase": "call_auction", "ends_at": "soon"}
    answer = await exchange.client("operator").post("/v1/operator/sessions", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, "ends_at")
