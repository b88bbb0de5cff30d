"""The core goes and comes back: streams say so, and go on where they were, without a gap."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from exchange_driver import (
    Exchange,
    connect,
    running_back_office,
    running_core,
    running_exchange,
)
from stream_driver import SYMBOL, order, served

from api.app import create_app
from api.settings import Settings

USER = "enterprise"


async def _begin(app: Any, settings: Settings, stack: AsyncExitStack) -> Exchange:
    """Back office and gateway for a core that runs, and a user who has logged in."""
    back_office = await stack.enter_async_context(running_back_office(settings))
    await stack.enter_async_context(app.router.lifespan_context(app))
    public = await stack.enter_async_context(connect(app))
    login = {"username": USER, "password": "demo"}
    token = (await public.post("/v1/sessions", json=login)).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    client = await stack.enter_async_context(connect(app, headers=headers))
    return Exchange(app, app.state.gateway, back_office, public, {USER: client})


async def test_streams_resume_by_sequence(tmp_path: Path) -> None:
    """Each channel's first message after the return names the last one before it as its
    predecessor; orders that stood still stand, and one repeated under its id is not doubled."""
    async with running_exchange(tmp_path):
        pass  # seeded
    settings = Settings(data_dir=tmp_path, demo=True, demo_quotes=False)
    app = create_app(settings)
    first = running_core(tmp_path)
    await first.__aenter__()
    async with AsyncExitStack() as stack:
        exchange = await _begin(app, settings, stack)
        client = exchange.client(USER)
        connected = await stack.enter_async_context(served(exchange))
        stream = await stack.enter_async_context(connected(USER))
        await stream.subscribe({"name": "orders"}, {"name": "book", "symbol": SYMBOL})
        assert (await client.post("/v1/orders", json=order("before"))).status_code == 201
        last = {
            "orders": await stream.push("orders", client_order_id="before"),
            "book": await _delta(stream),
        }

        await first.__aexit__(None, None, None)
        await stream.push("system", event="engine_lost")
        refused = await client.post("/v1/orders", json=order("after"))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")

        await stack.enter_async_context(running_core(tmp_path))
        async with asyncio.timeout(30):
            await stream.push("system", event="engine_ready")
        assert (await client.post("/v1/orders", json=order("after"))).status_code == 201
        again = await client.post("/v1/orders", json=order("before"))
        assert (again.status_code, again.json()["replayed"]) == (200, True)
        following = {
            "orders": await stream.push("orders", client_order_id="after"),
            "book": await _delta(stream),
        }
        for channel, push in following.items():
            assert push["previous_sequence"] == last[channel]["sequence"], channel
            assert push["sequence"] > last[channel]["sequence"]
        path = "/v1/orders?status=open"
        found = [item["client_order_id"] for item in (await client.get(path)).json()["items"]]
        assert sorted(found) == ["after", "before"]


async def _delta(stream: Any) -> dict[str, Any]:
    """The book's next change, not its snapshot."""
    while True:
        push: dict[str, Any] = await stream.push("book")
        if push["type"] != "snapshot":
            return push
