"""A whole exchange on a port, in a thread and a loop of its own, for tests that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from exchange_driver import Exchange, running_exchange
from stream_driver import serving


class BackgroundExchange(NamedTuple):
    """Where it listens, and the exchange itself for what may be called from another thread."""

    url: str
    exchange: Exchange

    def token(self, username: str) -> str:
        """The bearer token of one of the demo's users."""
        header: str = self.exchange.client(username).headers["Authorization"]
        return header.removeprefix("Bearer ")


@contextmanager
def background_exchange(data_dir: Path, **changes: Any) -> Iterator[BackgroundExchange]:
    """The exchange, from its start to its stop."""
    started: list[BackgroundExchange] = []
    failed: list[BaseException] = []
    is_started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        async with running_exchange(data_dir, **changes) as exchange, serving(exchange) as port:
            scheme = exchange.gateway.settings.base_url.partition(":")[0]
            url = f"{scheme}://127.0.0.1:{port}"
            started.append(BackgroundExchange(url, exchange))
            is_started.set()
            await stop.wait()

    def serve() -> None:
        try:
            loop.run_until_complete(run())
        except BaseException as error:
            failed.append(error)
        finally:
            is_started.set()
            loop.close()

    thread = threading.Thread(target=serve, name="exchange")
    thread.start()
    is_started.wait()
    try:
        if not started:
            raise failed[0]
        yield started[0]
    finally:
        if not failed:
            loop.call_soon_threadsafe(stop.set)
        thread.join()
    if failed:
        raise failed[0]
