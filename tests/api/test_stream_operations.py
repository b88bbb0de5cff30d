"""What a client asks for on the stream, and what becomes of his orders and quotes."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from exchange_driver import Exchange
from stream_driver import SYMBOL, Connect, order, quote

# Tests that leave the exchange as it is share one, which saves starting it for each.
shared_loop = pytest.mark.asyncio(loop_scope="module")


@shared_loop
@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("", "invalid_request", None),
        ("[]", "invalid_request", None),
        ("{", "invalid_request", None),
        ('{"id":1}', "invalid_request", "op"),
        ('{"op":"ping","id":1} ,', "invalid_request", None),
        ('{"op":"ping","op":"ping","id":1}', "invalid_request", "op"),
        ('{"op":"ping","id":1,"extra":1}', "invalid_request", "extra"),
        ('{"op":"ping","id":1.5}', "invalid_request", "id"),
        ('{"op":"ping","id":1,"params":{"a":NaN}}', "invalid_request", None),
        ('{"op":"ping","id":1,"params":{"a":1}}', "invalid_request", "a"),
        ('{"op":"fly","id":1}', "invalid_request", "op"),
        ('{"op":"subscribe","id":1,"params":{"channels":[]}}', "invalid_request", "channels"),
        (
            '{"op":"subscribe","id":1,"params":{"channels":[{"name":"weather","symbol":"A"}]}}',
            "invalid_request",
            "channels.name",
        ),
        (
            '{"op":"subscribe","id":1,"params":{"channels":[{"name":"book","symbol":"NONE"}]}}',
            "unknown_instrument",
            "symbol",
        ),
        (
            '{"op":"subscribe","id":1,"params":{"channels":[{"name":"book"}]}}',
            "invalid_request",
            "channels.symbol",
        ),
        (
            '{"op":"subscribe","id":1,"params":{"channels":[{"name":"fills","replay_from":-1}]}}',
            "invalid_request",
            "channels[0].replay_from",
        ),
        (
            '{"op":"subscribe","id":1,"params":{"channels":[{"name":"fills"}]}}',
            "unauthenticated",
            None,
        ),
        ('{"op":"login","id":1,"params":{"token":"wrong"}}', "unauthenticated", None),
        ('{"op":"login","id":1}', "invalid_request", None),
        ('{"op":"order.cancel_all","id":1}', "unauthenticated", None),
        ("[" * 50_000, "invalid_request", None),
        ('{"op":"ping","id":"\\ud800"}', "invalid_request", None),
    ],
)  # fmt: skip
async def test_bad_requests(
    shared_exchange: Exchange, shared_stream: Connect, text: str, code: str, field: str | None
) -> None:
    """Each is answered with its problem, changes nothing, and leaves the connection usable."""
    before = await shared_exchange.state_hash()
    async with shared_stream() as client:
        await client.send(text)
        message = json.loads(await client.websocket.recv())
        assert (message["error"]["code"], message["error"].get("field")) == (code, field)
        assert "result" in await client.ask("ping")
    assert await shared_exchange.state_hash() == before


@shared_loop
@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        (order("a", price=50), "invalid_request", "price"),
        (order("a", price="50.001"), "price_off_tick", "price"),
        (order("a", price="60.00"), "price_outside_limits", "price"),
        (order("a", quantity="1.5"), "quantity_off_lot", "quantity"),
        (order("a", quantity="-1"), "invalid_request", "quantity"),
        (order("a", symbol="NONE"), "unknown_instrument", "symbol"),
        (order("a", side="sell"), "insufficient_credits", "quantity"),
        (order("a" * 17), "invalid_request", "client_order_id"),
        (order("a", account="maker"), "invalid_request", "account"),
    ],
)
async def test_orders_are_checked_as_in_rest(
    shared_exchange: Exchange, shared_stream: Connect, params: dict[str, Any], code: str, field: str
) -> None:
    """The stream refuses with the same problems as POST /v1/orders, and nothing has changed."""
    async with shared_stream("enterprise") as client:
        before = await shared_exchange.state_hash()
        error = (await client.ask("order.place", **params))["error"]
        response = await shared_exchange.client("enterprise").post("/v1/orders", json=params)
        assert error == response.json()
        assert (error["code"], error.get("field")) == (code, field)
        assert await shared_exchange.state_hash() == before


async def test_orders_of_a_connection_keep_their_order(stream: Connect) -> None:
    """Requests sent without waiting reach the engine one after the other."""
    async with stream("enterprise") as client:
        for number in range(50):
            name = f"order-{number}"
            await client.send({"op": "order.place", "id": f"place-{number}", "params": order(name)})
            await client.send(
                {
                    "op": "order.cancel",
                    "id": f"cancel-{number}",
                    "params": {"client_order_id": name},
                }
            )
        answers = [json.loads(await client.websocket.recv()) for _ in range(100)]
        assert all("result" in answer for answer in answers)
        cancelled = [each for each in answers if each["id"].startswith("cancel")]
        assert {each["result"]["status"] for each in cancelled} == {"cancelled"}


async def test_amend_and_cancel(stream: Connect) -> None:
    """A smaller quantity keeps priority, and an order is named by either id."""
    async with stream("enterprise") as client:
        placed = (await client.ask("order.place", **order("first")))["result"]
        again = (await client.ask("order.place", **order("first")))["result"]
        assert again == placed | {"replayed": True}
        smaller = await client.ask("order.amend", client_order_id="first", quantity="5")
        assert smaller["result"]["priority"] == "kept"
        dearer = await client.ask("order.amend", order_id=placed["order_id"], price="50.01")
        assert dearer["result"]["priority"] == "lost"
        both = await client.ask("order.cancel", client_order_id="first", order_id="1")
        assert both["error"]["code"] == "invalid_request"
        assert (await client.ask("order.cancel_all", symbol=SYMBOL))["result"] == {"cancelled": 1}
        gone = await client.ask("order.cancel", order_id=placed["order_id"])
        assert gone["error"]["code"] == "order_not_open"


async def test_nobody_sees_or_touches_others_things(exchange: Exchange, stream: Connect) -> None:
    """Another account's orders are not found and its private channels stay silent."""
    async with stream("enterprise") as owner, stream("organiser") as other:
        await other.subscribe({"name": "orders", "replay_from": 0}, {"name": "fills"})
        placed = (await owner.ask("order.place", **order("first")))["result"]
        for name in ({"order_id": placed["order_id"]}, {"client_order_id": "first"}):
            assert (await other.ask("order.cancel", **name))["error"]["code"] == "not_found"
        assert (await other.ask("order.cancel_all"))["result"] == {"cancelled": 0}
        assert other.pushes == []
        token = exchange.client("maker").headers["Authorization"].removeprefix("Bearer ")
        assert (await other.ask("login", token=token))["error"]["code"] == "conflict"


async def test_login_with_a_key(exchange: Exchange, stream: Connect) -> None:
    """A key's signature logs in, its scopes hold, and once revoked it is worth nothing."""
    private_key = Ed25519PrivateKey.generate()
    public_key = base64.b64encode(private_key.public_key().public_bytes_raw()).decode()
    body = {"name": "reader", "public_key": public_key, "scopes": ["read"]}
    user = exchange.client("enterprise")
    key_id = (await user.post("/v1/keys", json=body)).json()["key_id"]
    timestamp = str(time.time_ns() // 1_000_000)
    message = f"{timestamp}\nGET\n/v1/stream\n{hashlib.sha256(b'').hexdigest()}"
    signature = base64.b64encode(private_key.sign(message.encode())).decode()
    async with stream() as client:
        credentials = {"api_key": key_id, "timestamp": timestamp, "signature": signature}
        wrong = await client.ask("login", **credentials | {"timestamp": str(int(timestamp) + 1)})
        assert wrong["error"]["code"] == "unauthenticated"
        assert (await client.ask("login", **credentials))["result"]["account"] == "enterprise"
        assert (await client.ask("order.place", **order("a")))["error"]["code"] == "forbidden"
        await client.subscribe({"name": "fills"})
        await user.delete(f"/v1/keys/{key_id}")
        ended = await client.ask("subscribe", channels=[{"name": "orders"}])
        assert ended["error"]["code"] == "unauthenticated"


async def test_many_quotes_at_once(stream: Connect) -> None:
    """Each quote stands or is refused on its own; only market makers quote."""
    async with stream("maker") as maker, stream("enterprise") as other:
        quotes = [quote(SYMBOL), quote("NONE"), quote("XM-CER"), quote("WH-CER", bid="51.00")]
        results = (await maker.ask("quote.set", quotes=quotes))["result"]["results"]
        assert [result.get("code") for result in results] == [
            None,
            "unknown_instrument",
            None,
            "invalid_request",
        ]
        assert results[0]["bid"]["price"] == "49.00"
        assert (await maker.ask("quote.set", **quote("WH-CER")))["result"]["symbol"] == "WH-CER"
        refused = (await other.ask("quote.set", **quote()))["error"]
        assert refused["code"] == "forbidden"


@pytest.mark.parametrize(
    ("enabled", "quote_stays", "order_stays"),
    [(None, False, True), (True, False, False), (False, True, True)],
)
async def test_cancel_on_disconnect(
    exchange: Exchange,
    stream: Connect,
    enabled: bool | None,
    quote_stays: bool,
    order_stays: bool,
) -> None:
    """When a connection ends its quotes go, its orders stay, unless it asked for something else;
    what another connection of the same account entered is left alone."""
    async with stream("maker") as watcher:
        await watcher.ask("quote.set", **quote("XM-CER"))
        await watcher.subscribe({"name": "orders"})
        async with stream("maker") as client:
            if enabled is not None:
                await client.ask("cancel_on_disconnect", enabled=enabled)
            await client.ask("quote.set", **quote())
            await client.ask("order.place", **order("first", price="48.00"))
        # The connection is gone; so is, when this is answered, what goes with it.
        for expected in (2 * (not quote_stays) + (not order_stays)) * [{"status": "cancelled"}]:
            await watcher.push("orders", **expected)
        answer = await exchange.client("maker").get("/v1/orders?status=open")
        stays = [(item["symbol"], item["is_quote"]) for item in answer.json()["items"]]
        assert sorted(stays) == sorted(
            2 * [("XM-CER", True)]
            + quote_stays * 2 * [(SYMBOL, True)]
            + order_stays * [(SYMBOL, False)]
        )
