"""Stop orders and icebergs over REST: what their owner sees, and what everybody does."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
from exchange_driver import Exchange

from api import answers

BUY = {
    "client_order_id": "buy-1",
    "symbol": "GD-PHCER",
    "side": "buy",
    "type": "limit",
    "price": "50.00",
    "quantity": "10",
}


def checked(answer: httpx.Response, status: int = 200) -> Any:
    """The order in the answer, which is exactly what OpenAPI says."""
    assert answer.status_code == status, answer.text
    msgspec.json.decode(answer.content, type=answers.Order)
    return answer.json()


async def test_a_stop_order_waits_until_its_price_is_reached(exchange: Exchange) -> None:
    """It is pending, out of the public book, until the last price is at its stop price."""
    client, maker = exchange.client("enterprise"), exchange.client("maker")
    body = BUY | {"client_order_id": "stop", "price": "51.00", "stop_price": "50.50"}
    order = checked(await client.post("/v1/orders", json=body), 201)
    assert (order["status"], order["stop_price"]) == ("pending_trigger", "50.50")
    assert (order["price"], order["type"]) == ("51.00", "limit")
    again = checked(await client.post("/v1/orders", json=body))
    assert again == order | {"replayed": True}
    other = body | {"stop_price": "50.51"}
    assert (await client.post("/v1/orders", json=other)).status_code == 409
    listed = (await client.get("/v1/orders?status=pending_trigger")).json()["items"]
    assert [each["order_id"] for each in listed] == [order["order_id"]]
    book = (await client.get("/v1/market/GD-PHCER/book")).json()
    assert (book["bids"], book["asks"]) == ([], [])
    path = f"/v1/orders/{order['order_id']}"
    amended = (await client.patch(path, json={"price": "50.90"})).json()
    assert (amended["status"], amended["price"]) == ("pending_trigger", "50.90")
    for number, price in enumerate(("50.50", "50.80")):
        ask = {"client_order_id": f"ask-{number}", "side": "sell", "price": price, "quantity": "1"}
        assert (await maker.post("/v1/orders", json=BUY | ask)).status_code == 201
    taken = BUY | {"client_order_id": "taker", "price": "50.50", "quantity": "1"}
    assert (await client.post("/v1/orders", json=taken)).status_code == 201
    now = checked(await client.get(path))
    assert (now["status"], now["filled_quantity"]) == ("partially_filled", "1")
    assert (now["average_price"], now["stop_price"]) == ("50.80", "50.50")
    for change in ({"post_only": True}, {"display_quantity": "2"}, {"min_quantity": "2"}):
        wrong = body | {"client_order_id": "wrong"} | change
        problem = (await client.post("/v1/orders", json=wrong)).json()
        assert (problem["code"], problem["field"]) == ("invalid_request", "stop_price")
    far = body | {"client_order_id": "far", "stop_price": "55.01"}
    problem = (await client.post("/v1/orders", json=far)).json()
    assert (problem["code"], problem["field"]) == ("price_outside_limits", "stop_price")
    assert problem["limit"] == "55.00"


async def test_an_iceberg_shows_one_slice(exchange: Exchange) -> None:
    """The public book shows its display quantity, its owner all of it."""
    client, maker = exchange.client("enterprise"), exchange.client("maker")
    body = BUY | {"client_order_id": "berg", "side": "sell", "price": "50.50", "quantity": "30"}
    body |= {"display_quantity": "10"}
    order = checked(await maker.post("/v1/orders", json=body), 201)
    assert (order["remaining_quantity"], order["display_quantity"]) == ("30", "10")
    again = checked(await maker.post("/v1/orders", json=body))
    assert again == order | {"replayed": True}
    taken = BUY | {"client_order_id": "taker", "price": "50.50", "quantity": "14"}
    assert (await client.post("/v1/orders", json=taken)).status_code == 201
    book = (await client.get("/v1/market/GD-PHCER/book")).json()
    assert book["asks"] == [["50.50", "6", 1]]
    path = f"/v1/orders/{order['order_id']}"
    now = checked(await maker.get(path))
    assert (now["filled_quantity"], now["remaining_quantity"]) == ("14", "16")
    problem = (await maker.patch(path, json={"quantity": "1015"})).json()
    assert (problem["field"], problem["limit"]) == ("quantity", "1014")
    assert (await maker.patch(path, json={"quantity": "18"})).json()["priority"] == "kept"
    book = (await client.get("/v1/market/GD-PHCER/book")).json()
    assert book["asks"] == [["50.50", "4", 1]]
    for change in ({"time_in_force": "ioc"}, {"type": "market"}, {"quantity": "1001"}):
        wrong = body | {"client_order_id": "wrong"} | change
        problem = (await maker.post("/v1/orders", json=wrong)).json()
        assert (problem["code"], problem["field"]) == ("invalid_request", "display_quantity")
