"""A key for a drop copy is told of all orders and fills of its account, and of nothing else."""

from __future__ import annotations

import hashlib
import time
from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from exchange_driver import Exchange
from stream_driver import Connect, order, quoted

PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(b"c" * 32)


@pytest.fixture
async def key_id(exchange: Exchange) -> str:
    """The enterprise's key with the one scope."""
    public_key = b64encode(PRIVATE_KEY.public_key().public_bytes_raw()).decode()
    body = {"name": "risk desk", "public_key": public_key, "scopes": ["drop_copy"]}
    answer = await exchange.client("enterprise").post("/v1/keys", json=body)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["key_id"]
    return found


def signed(key_id: str, method: str, target: str, body: bytes = b"") -> dict[str, str]:
    timestamp = str(time.time_ns() // 1_000_000)
    text = f"{timestamp}\n{method}\n{target}\n{hashlib.sha256(body).hexdigest()}"
    signature = b64encode(PRIVATE_KEY.sign(text.encode())).decode()
    return {"X-API-Key": key_id, "X-Timestamp": timestamp, "X-Signature": signature}


async def trade(exchange: Exchange) -> dict[str, Any]:
    """An order of the enterprise, entered over REST, that trades."""
    await quoted(exchange)
    body = order("copied", price="51.00", quantity="30")
    answer = await exchange.client("enterprise").post("/v1/orders", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_it_is_told_of_what_others_enter(
    exchange: Exchange, stream: Connect, key_id: str
) -> None:
    """Orders and fills come as they happen, and again by replay on another connection."""
    headers = signed(key_id, "GET", "/v1/stream")
    login = {
        "api_key": key_id,
        "timestamp": headers["X-Timestamp"],
        "signature": headers["X-Signature"],
    }
    async with stream() as live, stream() as late:
        for client in (live, late):
            assert (await client.ask("login", **login))["result"]["account"] == "enterprise"
        await live.subscribe({"name": "orders"}, {"name": "fills"})
        placed = await trade(exchange)
        assert (await live.push("orders"))["data"] == placed
        fill = await live.push("fills")
        assert fill["data"]["order_id"] == placed["order_id"]
        await late.subscribe(
            {"name": "orders", "replay_from": 0}, {"name": "fills", "replay_from": 0}
        )
        assert (await late.push("orders"))["data"] == placed
        assert (await late.push("fills"))["data"] == fill["data"]
        for op, params in (
            ("subscribe", {"channels": [{"name": "balances"}]}),
            ("order.place", order("other")),
            ("order.cancel_all", {}),
            ("cancel_on_disconnect", {"enabled": True}),
        ):
            assert (await late.ask(op, **params))["error"]["code"] == "forbidden", op


async def test_it_reads_orders_and_fills_alone(exchange: Exchange, key_id: str) -> None:
    """The same over REST: lists and single orders; balances, holdings and trading are not its."""
    placed = await trade(exchange)
    for target in ("/v1/orders", f"/v1/orders/{placed['order_id']}", "/v1/fills?limit=5"):
        answer = await exchange.public.get(target, headers=signed(key_id, "GET", target))
        assert answer.status_code == 200, target
    for method, target in (
        ("GET", "/v1/balances"),
        ("GET", "/v1/registry/holdings"),
        ("GET", "/v1/keys"),
        ("GET", "/v1/limits"),
        ("DELETE", "/v1/orders"),
        ("DELETE", f"/v1/orders/{placed['order_id']}"),
    ):
        headers = signed(key_id, method, target)
        answer = await exchange.public.request(method, target, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), target
