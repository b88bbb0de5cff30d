"""Orders over REST: in, replayed, amended, cancelled, listed, and what they leave behind."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import msgspec
import pytest
from exchange_driver import Exchange, running_exchange

from api import answers
from engine.times import format_time

BUY = {
    "client_order_id": "buy-1",
    "symbol": "GD-PHCER",
    "side": "buy",
    "type": "limit",
    "price": "50.00",
    "quantity": "10",
}


async def quote(exchange: Exchange, bid: str = "49.00", ask: str = "51.00") -> dict[str, Any]:
    body = {
        "symbol": "GD-PHCER",
        "bid": {"price": bid, "quantity": "100"},
        "ask": {"price": ask, "quantity": "100"},
    }
    answer = await exchange.client("maker").put("/v1/quotes", json=body)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def checked(answer: httpx.Response, kind: type, status: int = 200) -> Any:
    """The answer's body, which is exactly what OpenAPI says."""
    assert answer.status_code == status, answer.text
    msgspec.json.decode(answer.content, type=kind)
    return answer.json()


async def test_an_order_trades_with_a_quote(exchange: Exchange) -> None:
    """A buyer takes the maker's ask: order, fill, balances and book all show it."""
    await quote(exchange)
    client = exchange.client("enterprise")
    order = checked(
        await client.post("/v1/orders", json=BUY | {"price": "51.00"}), answers.Order, 201
    )
    assert order["status"] == "filled"
    assert (order["filled_quantity"], order["average_price"]) == ("10", "51.00")
    [fill] = order["fills"]
    # The taker's fee is 0.05 %: 510.00 CNY make 0.255, rounded down.
    assert (fill["price"], fill["liquidity"], fill["fee"]) == ("51.00", "taker", "0.25")
    listed = checked(await client.get("/v1/fills?symbol=GD-PHCER"), answers.Fills)["items"]
    assert [each["order_id"] for each in listed] == [order["order_id"]]
    balances = checked(await client.get("/v1/balances"), answers.Balances)
    assert balances["cash"]["CNY"] == {"available": "9999489.75", "held": "0.00"}
    assert balances["credits"]["GD-PHCER"] == {
        "available": "0",
        "held": "0",
        "locked_today": "10",
    }
    book = checked(await exchange.public.get("/v1/market/GD-PHCER/book"), answers.Book)
    assert (book["bids"], book["asks"]) == ([["49.00", "100", 1]], [["51.00", "90", 1]])
    sale = BUY | {"client_order_id": "sale", "side": "sell", "quantity": "1"}
    answer = await client.post("/v1/orders", json=sale)
    assert (answer.status_code, answer.json()["code"]) == (422, "resale_locked")


async def test_the_same_order_again_is_the_original(exchange: Exchange) -> None:
    """The same client id and body: 200 with the original; another body: 409; also concurrently."""
    client = exchange.client("enterprise")
    first = checked(await client.post("/v1/orders", json=BUY), answers.Order, 201)
    spelled_out = BUY | {"time_in_force": "day", "purpose": "voluntary", "scheme": None}
    for body in (BUY, spelled_out):
        again = checked(await client.post("/v1/orders", json=body), answers.Order)
        assert again == first | {"replayed": True}
    for change in (
        {"quantity": "11"},
        {"price": "49.99"},
        {"side": "sell"},
        {"symbol": "XM-CER"},
        {"time_in_force": "gtc"},
        {"post_only": True},
    ):
        answer = await client.post("/v1/orders", json=BUY | change)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "duplicate_client_order_id")
        assert problem["order_id"] == first["order_id"]
    # Another account may use the same id for an order of its own.
    others = await exchange.client("organiser").post("/v1/orders", json=BUY)
    assert others.status_code == 201
    race = BUY | {"client_order_id": "race"}
    results = await asyncio.gather(*(client.post("/v1/orders", json=race) for _ in range(10)))
    assert sorted(each.status_code for each in results) == [200] * 9 + [201]
    assert len({each.json()["order_id"] for each in results}) == 1


async def test_an_amended_order_is_still_the_original(exchange: Exchange) -> None:
    """A retry of the first request after an amendment finds the order, as it now is."""
    client = exchange.client("enterprise")
    first = (await client.post("/v1/orders", json=BUY)).json()
    await client.patch(f"/v1/orders/{first['order_id']}", json={"price": "49.50"})
    again = checked(await client.post("/v1/orders", json=BUY), answers.Order)
    assert (again["price"], again["replayed"]) == ("49.50", True)
    other = await client.post("/v1/orders", json=BUY | {"price": "49.50"})
    assert other.json()["code"] == "duplicate_client_order_id"


async def test_amending_keeps_or_loses_priority(exchange: Exchange) -> None:
    """Only a smaller quantity at the same price keeps the place in the queue."""
    client = exchange.client("enterprise")
    await client.post("/v1/orders", json=BUY)
    for change, priority, price, quantity in (
        ({"quantity": "8"}, "kept", "50.00", "8"),
        ({"price": "50.00", "quantity": "7"}, "kept", "50.00", "7"),
        ({"quantity": "9"}, "lost", "50.00", "9"),
        ({"price": "49.00"}, "lost", "49.00", "9"),
    ):
        answer = await client.patch("/v1/orders/client:buy-1", json=change)
        order = checked(answer, answers.Order)
        found = order["priority"], order["price"], order["quantity"]
        assert found == (priority, price, quantity)
    assert order["remaining_quantity"] == "9"


async def test_what_is_filled_cannot_be_amended_away(exchange: Exchange) -> None:
    """The new total must be more than what is filled, and a closed order stays closed."""
    await quote(exchange)
    client = exchange.client("enterprise")
    body = BUY | {"price": "51.00", "quantity": "150"}
    order = (await client.post("/v1/orders", json=body)).json()
    assert (order["status"], order["remaining_quantity"]) == ("partially_filled", "50")
    path = f"/v1/orders/{order['order_id']}"
    for quantity in ("100", "50"):
        problem = (await client.patch(path, json={"quantity": quantity})).json()
        assert (problem["code"], problem["field"]) == ("invalid_request", "quantity")
    assert (await client.delete(path)).json()["status"] == "cancelled"
    for answer in (await client.delete(path), await client.patch(path, json={"quantity": "200"})):
        assert (answer.status_code, answer.json()["code"]) == (409, "order_not_open")


async def test_cancelling_one_or_all(exchange: Exchange) -> None:
    """By order id, by client id, by instrument, or everything; never others' orders."""
    client = exchange.client("enterprise")
    orders = []
    for number, symbol in enumerate(["GD-PHCER", "GD-PHCER", "XM-CER", "XM-CER", "WH-CER"]):
        body = BUY | {"client_order_id": f"c{number}", "symbol": symbol}
        orders.append((await client.post("/v1/orders", json=body)).json())
    others = (await exchange.client("organiser").post("/v1/orders", json=BUY)).json()
    answer = await client.delete(f"/v1/orders/{orders[0]['order_id']}")
    order = checked(answer, answers.Order)
    assert (order["status"], order["cancel_reason"]) == ("cancelled", "requested")
    assert (await client.delete("/v1/orders/client:c1")).json()["status"] == "cancelled"
    assert (await client.delete(f"/v1/orders/{others['order_id']}")).status_code == 404
    for path, cancelled in (("?symbol=XM-CER", 2), ("", 1), ("", 0)):
        answer = await client.delete(f"/v1/orders{path}")
        assert checked(answer, answers.Cancelled) == {"cancelled": cancelled}
    still = await exchange.client("organiser").get(f"/v1/orders/{others['order_id']}")
    assert still.json()["status"] == "open"


async def test_a_batch_answers_each_order(exchange: Exchange) -> None:
    """Orders of a batch are accepted or refused each on its own, in their order."""
    orders = [
        BUY,
        BUY | {"client_order_id": "b2", "price": "50.005"},
        BUY | {"client_order_id": "b3", "unknown": 1},
        BUY | {"client_order_id": "b4", "price": "60.00"},
        BUY,
    ]
    answer = await exchange.client("enterprise").post("/v1/orders/batch", json={"orders": orders})
    results = checked(answer, answers.BatchResults)["results"]
    found = [each.get("code") or each["status"] for each in results]
    assert found == ["open", "price_off_tick", "invalid_request", "price_outside_limits", "open"]
    assert results[4] == results[0] | {"replayed": True}


async def test_a_preview_places_nothing(exchange: Exchange) -> None:
    """Holds, fees and headroom are told, and the state hash stays."""
    before = await exchange.state_hash()
    client = exchange.client("enterprise")
    answer = await client.post("/v1/orders/preview", json=BUY)
    found = checked(answer, answers.Preview)
    assert found["hold"] == {"cash": "500.25", "credits": "0"}
    assert (found["fees"]["taker"], found["sufficient"]) == ("0.25", True)
    sale = BUY | {"side": "sell"}
    found = checked(await client.post("/v1/orders/preview", json=sale), answers.Preview)
    assert (found["hold"]["credits"], found["sufficient"]) == ("10", False)
    order = BUY | {"purpose": "compliance", "scheme": "demo", "quantity": "5001"}
    answer = await exchange.client("compliance").post("/v1/orders/preview", json=order)
    found = checked(answer, answers.Preview)
    assert (found["headroom"], found["sufficient"]) == ("5000", False)
    assert await exchange.state_hash() == before


async def test_compliance_orders_stay_within_the_cap(exchange: Exchange) -> None:
    """Only the covered firm buys for compliance, and no more than its cap."""
    order = BUY | {"purpose": "compliance", "scheme": "demo"}
    client = exchange.client("compliance")
    answer = await client.post("/v1/orders", json=order | {"quantity": "5001"})
    assert (answer.status_code, answer.json()["code"]) == (422, "offset_cap_exceeded")
    placed = checked(await client.post("/v1/orders", json=order), answers.Order, 201)
    assert (placed["purpose"], placed["scheme"]) == ("compliance", "demo")
    answer = await client.post("/v1/orders", json=order | {"scheme": "nowhere"})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_eligible")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": "99999", "symbol": "GD-PHCER", "price": "55.00"}, None),
        ({"quantity": "99999", "price": "55.00", "post_only": True}, "would_cross"),
        ({"side": "sell"}, "insufficient_credits"),
        ({"symbol": "NONE"}, "unknown_instrument"),
    ],
)
async def test_rules_of_the_market(exchange: Exchange, change: Any, code: str | None) -> None:
    """The engine's refusals carry the codes of the contract."""
    await quote(exchange)
    answer = await exchange.client("enterprise").post("/v1/orders", json=BUY | change)
    assert answer.json().get("code") == code


async def test_cash_self_trade_and_phases(exchange: Exchange) -> None:
    """Prefunding, self-trade prevention, a halted and a closed market refuse by their codes."""
    client, operator = exchange.client("organiser"), exchange.client("operator")
    big = BUY | {"quantity": "99999"}
    assert (await client.post("/v1/orders", json=big)).status_code == 201
    answer = await client.post("/v1/orders", json=big | {"client_order_id": "second"})
    assert (await client.post("/v1/orders", json=BUY | {"client_order_id": "x"})).status_code == 201
    funds = [answer]
    for number in range(3):
        more = big | {"client_order_id": f"more-{number}"}
        funds.append(await client.post("/v1/orders", json=more))
    assert "insufficient_funds" in {each.json().get("code") for each in funds}
    maker = exchange.client("maker")
    sell = BUY | {"side": "sell", "symbol": "WH-CER"}
    assert (await maker.post("/v1/orders", json=sell)).status_code == 201
    cross = BUY | {"client_order_id": "cross", "symbol": "WH-CER"}
    assert (await maker.post("/v1/orders", json=cross)).json()["code"] == "would_self_trade"
    for phase, code in (("halted", "market_halted"), ("closed", "market_closed")):
        body = {"symbol": "WH-CER", "phase": phase}
        assert (await operator.post("/v1/operator/sessions", json=body)).status_code == 200
        answer = await client.post("/v1/orders", json=cross | {"client_order_id": phase})
        assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_every_mode_of_self_trade_prevention(exchange: Exchange) -> None:
    """What becomes of the resting and of the incoming order, and of a repeat in another mode."""
    maker = exchange.client("maker")
    outcomes = {}
    for mode in ("cancel_oldest", "cancel_both", "decrement"):
        sell = BUY | {"client_order_id": f"s-{mode}"[:16], "side": "sell"}
        resting = (await maker.post("/v1/orders", json=sell)).json()
        body = BUY | {"client_order_id": f"b-{mode}"[:16], "quantity": "14"}
        asked = body | {"self_trade_prevention": mode}
        incoming = checked(await maker.post("/v1/orders", json=asked), answers.Order, 201)
        assert incoming["self_trade_prevention"] == mode
        resting = (await maker.get(f"/v1/orders/{resting['order_id']}")).json()
        assert resting["cancel_reason"] == "self_trade_prevention"
        outcomes[mode] = (incoming["status"], incoming["quantity"], resting["status"])
        again = checked(await maker.post("/v1/orders", json=asked), answers.Order)
        assert again == incoming | {"replayed": True}
        assert (await maker.post("/v1/orders", json=body)).status_code == 409
        await maker.delete("/v1/orders?symbol=GD-PHCER")
    assert outcomes == {
        "cancel_oldest": ("open", "14", "cancelled"),
        "cancel_both": ("cancelled", "14", "cancelled"),
        "decrement": ("open", "4", "cancelled"),
    }


async def test_an_order_that_expires(exchange: Exchange) -> None:
    """A gtd order leaves by itself when its time has come; sent again later it is the original."""
    client = exchange.client("enterprise")
    expires_at = format_time(time.time_ns() + 1_000_000_000)
    body = BUY | {"time_in_force": "gtd", "expires_at": expires_at}
    order = checked(await client.post("/v1/orders", json=body), answers.Order, 201)
    assert (order["status"], order["expires_at"]) == ("open", expires_at)
    while order["status"] == "open":
        await asyncio.sleep(0.05)
        order = checked(await client.get(f"/v1/orders/{order['order_id']}"), answers.Order)
    assert (order["status"], order["cancel_reason"]) == ("expired", "expired")
    assert order["updated_at"] >= expires_at
    again = checked(await client.post("/v1/orders", json=body), answers.Order)
    assert again == order | {"replayed": True}
    other = body | {"expires_at": format_time(time.time_ns() + 10**15)}
    assert (await client.post("/v1/orders", json=other)).status_code == 409
    for change in (
        {"expires_at": expires_at},
        {"expires_at": None},
        {"expires_at": "tomorrow"},
        {"expires_at": other["expires_at"], "time_in_force": "day"},
    ):
        wrong = body | {"client_order_id": "late"} | change
        answer = await client.post("/v1/orders", json=wrong)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (400, "invalid_request")
        assert problem["field"] == "expires_at"


async def test_an_order_with_a_minimum(exchange: Exchange) -> None:
    """It trades as much at once or is cancelled whole; the minimum is part of the request."""
    await quote(exchange)
    client = exchange.client("enterprise")
    large = BUY | {"price": "51.00", "quantity": "150"}
    short = large | {"client_order_id": "short", "min_quantity": "101"}
    order = checked(await client.post("/v1/orders", json=short), answers.Order, 201)
    assert (order["status"], order["cancel_reason"]) == ("cancelled", "minimum_quantity")
    assert (order["filled_quantity"], order["min_quantity"]) == ("0", "101")
    enough = large | {"client_order_id": "enough", "min_quantity": "100"}
    order = checked(await client.post("/v1/orders", json=enough), answers.Order, 201)
    assert (order["status"], order["filled_quantity"]) == ("partially_filled", "100")
    again = checked(await client.post("/v1/orders", json=enough), answers.Order)
    assert again == order | {"replayed": True}
    other = enough | {"min_quantity": "99"}
    assert (await client.post("/v1/orders", json=other)).status_code == 409
    for change in ({"time_in_force": "fok"}, {"post_only": True}, {"quantity": "50"}):
        wrong = enough | {"client_order_id": "wrong"} | change
        problem = (await client.post("/v1/orders", json=wrong)).json()
        assert (problem["code"], problem["field"]) == ("invalid_request", "min_quantity")


async def test_lists_page_newest_first(exchange: Exchange) -> None:
    """Pages follow each other without a gap or a double, whatever the database has of them."""
    client = exchange.client("enterprise")
    ids = []
    for number in range(7):
        body = BUY | {"client_order_id": f"p{number}", "symbol": ["GD-PHCER", "XM-CER"][number % 2]}
        ids.append((await client.post("/v1/orders", json=body)).json()["order_id"])
    await client.delete(f"/v1/orders/{ids[3]}")
    found: list[str] = []
    cursor = ""
    while True:
        page = checked(await client.get(f"/v1/orders?limit=2{cursor}"), answers.Orders)
        found += [each["order_id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == ids[::-1]
    for query, expected in (
        ("status=open", [6, 5, 4, 2, 1, 0]),
        ("status=cancelled", [3]),
        ("status=cancelled,filled", [3]),
        ("symbol=XM-CER", [5, 3, 1]),
        ("symbol=XM-CER&status=open,partially_filled", [5, 1]),
    ):
        items = (await client.get(f"/v1/orders?{query}")).json()["items"]
        assert [each["client_order_id"] for each in items] == [f"p{n}" for n in expected]
    assert (await exchange.client("organiser").get("/v1/orders")).json()["items"] == []


async def test_everything_is_there_after_a_restart(tmp_path: Any) -> None:
    """Orders, fills and balances are the same when core and gateway come back on their folder."""
    async with running_exchange(tmp_path) as first:
        await quote(first)
        client = first.client("enterprise")
        await client.post("/v1/orders", json=BUY | {"price": "51.00", "quantity": "150"})
        await client.post("/v1/orders", json=BUY | {"client_order_id": "rests"})
        paths = ("/v1/orders", "/v1/fills", "/v1/balances", "/v1/orders/client:buy-1")
        before = [(await client.get(path)).json() for path in paths]
        market = [f"/v1/market/GD-PHCER/{name}" for name in ("book", "trades", "candles")]
        shown = [(await first.public.get(path)).json() for path in market]
    async with running_exchange(tmp_path) as second:
        client = second.client("enterprise")
        after = [(await client.get(path)).json() for path in paths]
        before[2].pop("sequence"), after[2].pop("sequence")
        assert after == before
        again = [(await second.public.get(path)).json() for path in market]
        assert again[1:] == shown[1:]
        assert (again[0]["bids"], again[0]["asks"]) == (shown[0]["bids"], shown[0]["asks"])
        replay = await client.post("/v1/orders", json=BUY | {"client_order_id": "rests"})
        assert (replay.status_code, replay.json()["replayed"]) == (200, True)


async def test_the_switch_cancels_unless_put_off(exchange: Exchange) -> None:
    """POST /v1/cancel-after fires once its time is over; 0 disarms it."""
    client = exchange.client("enterprise")
    await client.post("/v1/orders", json=BUY)
    armed = await client.post("/v1/cancel-after", json={"seconds": "60"})
    assert checked(armed, answers.CancelAfter)["cancel_at"] is not None
    off = await client.post("/v1/cancel-after", json={"seconds": 0})
    assert off.json() == {"seconds": 0, "cancel_at": None}
    assert (await client.get("/v1/orders/client:buy-1")).json()["status"] == "open"
    await client.post("/v1/cancel-after", json={"seconds": 1})
    async with asyncio.timeout(30):
        # The switch has no event of its own; what a client can do is to look.
        while (await client.get("/v1/orders/client:buy-1")).json()["status"] == "open":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
