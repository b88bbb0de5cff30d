"""A browser, and a scripted exchange that serves the page and says what a test wants it to say."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

import web
from marketdata.book import checksum

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# As strict as a policy can be: any inline script or style, or foreign host, shows as an error.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
)
SYMBOLS = ("GD-PHCER", "XM-CER")


class ScriptedExchange:
    """Serves the page's files, instruments and status; a test sends the stream's messages."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[dict] = asyncio.Queue()
        self.connections: set[ServerConnection] = set()
        self.server: Server | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        port = next(iter(self.server.sockets)).getsockname()[1]
        return f"http://127.0.0.1:{port}/"

    async def expect(self, op: str, channel: str | None = None) -> dict:
        """Wait for the page's next request of that kind, for that channel if one is named."""
        while True:
            request = await asyncio.wait_for(self.requests.get(), 20)
            names = [each["name"] for each in request.get("params", {}).get("channels", [])]
            if request["op"] == op and (channel is None or channel in names):
                return request

    async def push(self, channel: str, kind: str, sequence: int, previous, data):
        """Send one message to every page."""
        message = {
            "channel": channel,
            "symbol": SYMBOLS[0],
            "type": kind,
            "sequence": sequence,
            "previous_sequence": previous,
            "data": data,
        }
        for connection in self.connections:
            await connection.send(json.dumps(message))

    async def push_book(self, kind: str, sequence: int, previous, levels, *, book=None):
        """Send a snapshot of `levels` (bids, asks), or a delta of `levels` that makes `book`."""
        bids, asks = levels
        data = {"bids": bids, "asks": asks, "checksum": checksum(*(book or levels))}
        await self.push("book", kind, sequence, previous, data)

    async def talk(self, connection: ServerConnection) -> None:
        self.connections.add(connection)
        try:
            async for message in connection:
                await self.requests.put(json.loads(message))
        finally:
            self.connections.discard(connection)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == "/v1/stream":
            return None
        if path == "/v1/instruments":
            return _response("application/json", json.dumps(_list(SYMBOLS)).encode())
        if path == "/v1/status":
            status = {"status": "open", "engine": "ready", "sequence": 1, "demo": True}
            return _response("application/json", json.dumps(status).encode())
        file = web.folder() / (path.lstrip("/") or "index.html")
        if not file.is_file():
            return connection.respond(HTTPStatus.NOT_FOUND, "not found")
        return _response(mimetypes.guess_type(file.name)[0] or "", file.read_bytes())


def _list(symbols: tuple[str, ...]) -> dict:
    return {"items": [{"symbol": symbol} for symbol in symbols], "next_cursor": None}


def _response(content_type: str, body: bytes) -> Response:
    headers = Headers(
        {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "Connection": "close",
        }
    )
    return Response(HTTPStatus.OK, "OK", headers, body)


@pytest.fixture
async def exchange() -> AsyncIterator[ScriptedExchange]:
    scripted = ScriptedExchange()
    async with serve(
        scripted.talk, "127.0.0.1", 0, process_request=scripted.answer, compression=None
    ) as scripted.server:
        yield scripted


@pytest.fixture
def chromium() -> Path:
    """Debian's browser; playwright's own would have to be fetched from outside."""
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} is not installed")
    return CHROMIUM


@pytest.fixture
async def page(chromium: Path) -> AsyncIterator[Page]:
    """A fresh page; a test in which the browser reports any error fails."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=CHROMIUM_ARGUMENTS
        )
        context = await browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 900})
        page = await context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: problems.append(message.text) if message.type == "error" else None,
        )
        yield page
        found = list(problems)  # what closing the browser breaks off is no problem
        await browser.close()
    assert found == []
