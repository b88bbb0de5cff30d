"""Clients of the stream for tests, and a port of its own for an exchange in the test's loop."""

from __future__ import annotations

import json
import socket
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from exchange_driver import Exchange
from websockets.asyncio.client import ClientConnection, connect

from api.processes import server_config

SYMBOL = "GD-PHCER"


class StreamClient:
    """A client that keeps pushes apart from answers."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.pushes: list[dict[str, Any]] = []
        self._last_id = 0

    async def ask(self, op: str, **params: Any) -> dict[str, Any]:
        """The answer to one request."""
        self._last_id += 1
        await self.send({"op": op, "id": self._last_id, "params": params})
        return await self.answer(self._last_id)

    async def send(self, request: object) -> None:
        text = request if isinstance(request, str) else json.dumps(request)
        await self.websocket.send(text)

    async def answer(self, request_id: object) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(await self.websocket.recv())
            if "channel" not in message:
                assert message["id"] == request_id
                return message
            self.pushes.append(message)

    async def push(self, channel: str, **wanted: Any) -> dict[str, Any]:
        """The next push of a channel whose data has the members wanted."""
        while True:
            for index, found in enumerate(self.pushes):
                if found["channel"] == channel and wanted.items() <= found["data"].items():
                    return self.pushes.pop(index)
            message = json.loads(await self.websocket.recv())
            assert "channel" in message, message
            self.pushes.append(message)

    async def log_in(self, exchange: Exchange, username: str) -> None:
        token = exchange.client(username).headers["Authorization"].removeprefix("Bearer ")
        answer = await self.ask("login", token=token)
        assert answer["result"]["account"] == username

    async def subscribe(self, *channels: dict[str, Any]) -> dict[str, Any]:
        answer = await self.ask("subscribe", channels=list(channels))
        return answer["result"]


Connect = Callable[..., Any]


@asynccontextmanager
async def serving(exchange: Exchange, **options: Any) -> AsyncIterator[int]:
    """The exchange on a port of its own, which is given, with the limits of a real gateway but for
    those among the options, which are uvicorn's."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = server_config(exchange.app, exchange.gateway.settings)
    config.lifespan = "off"
    for name, value in options.items():
        setattr(config, name, value)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield listener.getsockname()[1]
    finally:
        await server.shutdown(sockets=[listener])


@asynccontextmanager
async def served(exchange: Exchange, **server_options: Any) -> AsyncIterator[Connect]:
    """The exchange on a port of its own; gives what connects to its stream."""
    async with serving(exchange, **server_options) as port:
        url = f"ws://127.0.0.1:{port}/v1/stream"

        @asynccontextmanager
        async def connected(user: str | None = None, **options: Any) -> AsyncIterator[StreamClient]:
            async with connect(url, proxy=None, **options) as websocket:
                client = StreamClient(websocket)
                if user is not None:
                    await client.log_in(exchange, user)
                yield client

        yield connected


def order(client_order_id: str, **changes: Any) -> dict[str, Any]:
    plain = {
        "client_order_id": client_order_id,
        "symbol": SYMBOL,
        "side": "buy",
        "type": "limit",
        "price": "50.00",
        "quantity": "10",
    }
    return plain | changes


def quote(symbol: str = SYMBOL, bid: str = "49.00", ask: str = "51.00") -> dict[str, Any]:
    return {
        "symbol": symbol,
        "bid": {"price": bid, "quantity": "100"},
        "ask": {"price": ask, "quantity": "100"},
    }


async def quoted(exchange: Exchange) -> None:
    """The maker's quote, set over REST, which no connection's end takes back."""
    answer = await exchange.client("maker").put("/v1/quotes", json=quote())
    assert answer.status_code == 200


def checksum(data: dict[str, Any]) -> int:
    levels = [*data["bids"][:10], *data["asks"][:10]]
    return zlib.crc32("|".join(f"{price}:{quantity}" for price, quantity, _ in levels).encode())
