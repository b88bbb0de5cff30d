"""The demo's market maker: an ordinary client of the public interface, in a process of its own.

It logs in over REST, keeps one two-sided quote in each demo instrument over the websocket, fills it
up again when somebody trades with it, and lets its prices wander a little so that the page lives.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from typing import Any

import httpx
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from engine.decimals import format_price

logger = structlog.get_logger("demo_maker")

QUANTITY_LOTS = 1_000
TICK_FEN = 1
MIDDLE_TICKS = 5_000
# With half the spread this stays well between 49.00 and 51.00.
FARTHEST_TICKS = 60
HALF_SPREAD_TICKS = 10
LARGEST_STEP_TICKS = 3
STEP_SECONDS = 3.0
RETRY_SECONDS = 0.25


class DemoMaker:
    """Quotes `symbols` at the exchange at `base_url`; the same seed gives the same prices."""

    def __init__(
        self,
        base_url: str,
        symbols: tuple[str, ...],
        *,
        tls: ssl.SSLContext | None = None,
        username: str = "maker",
        password: str = "demo",
        seed: int = 1,
    ) -> None:
        self._base_url = base_url
        self._tls = tls
        self._credentials = {"username": username, "password": password}
        self._random = random.Random(seed)
        self._middles = dict.fromkeys(symbols, MIDDLE_TICKS)
        # Symbols whose quote does not stand as it should.
        self._missing: set[str] = set()
        # Request id -> the symbols that it quotes.
        self._asked: dict[int, list[str]] = {}
        self._next_id = 1

    async def run(self) -> None:
        """Quote for ever; after a lost connection begin again, waiting longer each time."""
        address = self._base_url.replace("http", "ws", 1) + "/v1/stream"
        async for websocket in connect(address, proxy=None, ssl=self._tls):
            try:
                await self._begin(websocket)
                await self._quote(websocket)
            except (ConnectionClosed, httpx.HTTPError) as error:
                logger.info("demo_maker_disconnected", why=str(error) or type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def _begin(self, websocket: ClientConnection) -> None:
        async with httpx.AsyncClient(
            base_url=self._base_url, trust_env=False, verify=self._tls or True
        ) as client:
            response = await client.post("/v1/sessions", json=self._credentials)
            response.raise_for_status()
        await self._send(websocket, "login", {"token": response.json()["token"]})
        await self._send(websocket, "subscribe", {"channels": [{"name": "orders"}]})
        self._asked.clear()
        self._missing = set(self._middles)

    async def _quote(self, websocket: ClientConnection) -> None:
        """Take turns between hearing what became of the quotes and moving them."""
        loop = asyncio.get_running_loop()
        next_step = loop.time() + STEP_SECONDS
        while True:
            if self._missing and not self._asked:
                await self._send_quotes(websocket)
            wait_seconds = next_step - loop.time()
            try:
                async with asyncio.timeout(wait_seconds):
                    message = json.loads(await websocket.recv())
            except TimeoutError:
                next_step = loop.time() + STEP_SECONDS
                self._step()
                continue
            if message.get("channel") == "orders":
                self._hear_order(message["data"])
            elif message.get("id") in self._asked:
                await self._hear_answer(message)
            elif "error" in message:
                logger.warning("demo_maker_refused", error=message["error"])
                await websocket.close()

    def _step(self) -> None:
        """Move one instrument's middle a little, never far from where it began."""
        symbol = self._random.choice(sorted(self._middles))
        step_ticks = self._random.randint(-LARGEST_STEP_TICKS, LARGEST_STEP_TICKS)
        lowest, highest = MIDDLE_TICKS - FARTHEST_TICKS, MIDDLE_TICKS + FARTHEST_TICKS
        self._middles[symbol] = min(max(self._middles[symbol] + step_ticks, lowest), highest)
        if step_ticks:
            self._missing.add(symbol)

    def _hear_order(self, order: dict[str, Any]) -> None:
        if order["symbol"] in self._middles and order["remaining_quantity"] != str(QUANTITY_LOTS):
            self._missing.add(order["symbol"])

    async def _hear_answer(self, message: dict[str, Any]) -> None:
        """Ask again, a little later, for what was refused: the market may be closed just now."""
        symbols = self._asked.pop(message["id"])
        if "result" in message:
            results = message["result"]["results"]
            asked = zip(symbols, results, strict=True)
            refused = {symbol for symbol, result in asked if "code" in result}
        else:
            refused = set(symbols)
        if refused:
            self._missing |= refused
            await asyncio.sleep(RETRY_SECONDS)

    async def _send_quotes(self, websocket: ClientConnection) -> None:
        symbols = sorted(self._missing)
        self._missing.clear()
        self._asked[self._next_id] = symbols
        quotes = [
            {
                "symbol": symbol,
                "bid": _side(self._middles[symbol] - HALF_SPREAD_TICKS),
                "ask": _side(self._middles[symbol] + HALF_SPREAD_TICKS),
            }
            for symbol in symbols
        ]
        await self._send(websocket, "quote.set", {"quotes": quotes})

    async def _send(self, websocket: ClientConnection, op: str, params: dict[str, Any]) -> None:
        request = {"op": op, "id": self._next_id, "params": params}
        self._next_id += 1
        await websocket.send(json.dumps(request))


def _side(price_ticks: int) -> dict[str, str]:
    return {"price": format_price(price_ticks, TICK_FEN), "quantity": str(QUANTITY_LOTS)}
