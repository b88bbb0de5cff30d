"""A client that comes back is told what it missed."""

from __future__ import annotations

from pathlib import Path

from exchange_driver import running_exchange
from stream_driver import order, quoted, served


async def test_replay_from_memory_and_from_the_database(tmp_path: Path) -> None:
    """A client that comes back gets what it missed, even if the gateway began anew meanwhile."""
    async with running_exchange(tmp_path) as exchange, served(exchange) as stream:
        await quoted(exchange)
        buyer = exchange.client("enterprise")
        for number in range(3):
            body = order(f"order-{number}", price="51.00")
            assert (await buyer.post("/v1/orders", json=body)).status_code == 201
        async with stream("enterprise") as client:
            await client.subscribe({"name": "fills", "replay_from": 0}, {"name": "orders"})
            seen = [await client.push("fills", trade_id=str(number)) for number in (1, 2, 3)]
    async with (
        running_exchange(tmp_path) as exchange,
        served(exchange) as stream,
        stream("enterprise") as client,
    ):
        wanted = seen[1]["sequence"]
        await client.subscribe(
            {"name": "fills", "replay_from": wanted}, {"name": "orders", "replay_from": wanted}
        )
        replayed = [await client.push("fills") for _ in range(2)]
        assert [push["data"] for push in replayed] == [push["data"] for push in seen[1:]]
        assert [push["previous_sequence"] for push in replayed] == [wanted - 1, wanted]
        orders = [(await client.push("orders"))["data"] for _ in range(2)]
        assert [each["client_order_id"] for each in orders] == ["order-1", "order-2"]
        assert [each["status"] for each in orders] == ["filled", "filled"]
        assert client.pushes == []
