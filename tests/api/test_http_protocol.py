"""Connections that are too long, too slow or not HTTP are answered with a problem and closed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn

from api import http_protocol
from api.http_protocol import MAX_HEADER_BYTES, GuardedHttpProtocol

GET = b"GET / HTTP/1.1\r\nhost: x\r\n"


async def _app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


@asynccontextmanager
async def _served(app: Any) -> AsyncIterator[int]:
    """A server with the guarded protocol; its port."""
    config = uvicorn.Config(
        app, "127.0.0.1", 0, http=GuardedHttpProtocol, lifespan="off", log_config=None, ws="none"
    )
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server._serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn gives no event
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server with the guarded protocol and an application that tells the body's size."""
    async with _served(_app) as port:
        yield port


async def _exchange(port: int, *parts: bytes) -> tuple[int, bytes]:
    """Send the parts and read until the server closes; the last answer's status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        data = await reader.read()
    except ConnectionError:
        data = b""
    finally:
        writer.close()
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, body


@pytest.mark.parametrize("size", [0, 1_000, MAX_HEADER_BYTES - 100])
async def test_sensible_requests_pass(port: int, size: int) -> None:
    """Headers up to the limit, and bodies of any size, are the application's."""
    header = b"x-filler: " + b"f" * size + b"\r\n"
    body = b"b" * 200_000
    length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    request = GET.replace(b"GET", b"POST") + header + length
    status, answer = await _exchange(port, request, body)
    assert (status, answer.endswith(b"200000\r\n0\r\n\r\n") or answer == b"200000") == (200, True)


async def test_a_pipelined_request_is_not_charged_for_the_body_before_it(port: int) -> None:
    """A long body, and the beginning of the next request behind it in the same packet, pass."""
    post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 40000\r\n\r\n" + b"b" * 40_000
    status, answers = await _exchange(port, post + GET, b"connection: close\r\n\r\n")
    assert status == 200
    assert b"200 OK" in answers


async def test_many_pipelined_requests_are_no_long_header(port: int) -> None:
    """A packet of whole requests that ends within the next one is not taken for one header."""
    head = GET + b"x-filler: " + b"f" * 500 + b"\r\n"
    requests = (head + b"\r\n") * (MAX_HEADER_BYTES // 500)
    status, answers = await _exchange(port, requests + head, b"connection: close\r\n\r\n")
    assert status == 200
    assert b"431" not in answers


async def test_requests_without_end_are_cut_off(port: int) -> None:
    """Who sends thousands of requests without reading an answer is closed."""
    assert await _exchange(port, (GET + b"\r\n") * 10_000) == (0, b"")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (GET + b"x-filler: " + b"f" * (MAX_HEADER_BYTES + 1), 431),
        (b"GET /" + b"u" * (MAX_HEADER_BYTES + 1), 431),
        (GET + b"a: b\r\n" * (MAX_HEADER_BYTES // 6), 431),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"NOT HTTP AT ALL\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: nine\r\n\r\n", 400),
    ],
)
async def test_hostile_heads_get_a_problem(port: int, data: bytes, status: int) -> None:
    """The answer is a problem, and the connection is closed."""
    found, body = await _exchange(port, data)
    assert found == status
    assert json.loads(body)["code"] == "invalid_request"


async def test_who_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a client asked for and does not read is kept so long, and no longer."""
    monkeypatch.setattr(http_protocol, "READ_SECONDS", 0.05)
    is_gone = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"b" * 50_000_000, "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        is_gone.set()

    async with _served(app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(GET + b"\r\n")
        await is_gone.wait()
        writer.close()


async def test_slow_headers_are_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not finish the headers in time is closed without an answer."""
    monkeypatch.setattr(http_protocol, "HEADER_SECONDS", 0.05)
    assert await _exchange(port, GET) == (0, b"")
    assert await _exchange(port) == (0, b"")


async def test_too_many_connections(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound a new connection is told to come back later."""
    monkeypatch.setattr(http_protocol, "MAX_CONNECTIONS", 1)
    _, first = await asyncio.open_connection("127.0.0.1", port)
    status, body = await _exchange(port)
    assert (status, json.loads(body)["code"]) == (503, "service_unavailable")
    first.close()


def test_a_client_that_leaves_is_noticed_at_once() -> None:
    """Not only when the transport, closed by then, tells of it: nothing is written in between."""
    protocol = GuardedHttpProtocol.__new__(GuardedHttpProtocol)
    protocol.cycle = cycle = SimpleNamespace(disconnected=False, message_event=asyncio.Event())
    protocol.eof_received()
    assert (cycle.disconnected, cycle.message_event.is_set()) == (True, True)
