"""The websocket /v1/stream: one session for each connection, from its handshake to its end.

A session reads requests, hands them to api.stream_operations, and sends what its outbox holds. It
never waits for a slow reader: api.stream_outbox bounds what may pile up. Messages are texts of one
JSON object; with the binary subprotocol there are frames of records too (api.binary_stream).
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import secrets
from importlib import resources
from typing import TYPE_CHECKING

import msgspec
import structlog
from fastapi import APIRouter, Request, WebSocket
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

from api.binary_records import SUBPROTOCOL as BINARY_SUBPROTOCOL
from api.binary_stream import PRIVATE_BYTES_KEPT, BinaryCommands
from api.errors import Problem, to_problem
from api.messages import preferred_language
from api.stream_hub import StreamHub, Subscriber
from api.stream_operations import CONCURRENT, Operations
from api.stream_outbox import PRIVATE_CHARACTERS_KEPT, Closing, Outbox
from api.strict_json import check, decode

if TYPE_CHECKING:
    from api.gateway import Gateway

router = APIRouter()
logger = structlog.get_logger(__name__)

SUBPROTOCOLS = ("puhui.json.v1", BINARY_SUBPROTOCOL)
MAX_MESSAGE_BYTES = 64 * 1024
# Orders of one connection that may be under way at once; the next waits to be read.
MAX_UNDER_WAY = 256
# How long a client may take to read what was sent before its connection is cut.
_CLOSE_SECONDS = 5.0
# And how long all of them may when the server stops.
_GOODBYE_SECONDS = 1.0

MESSAGE_TOO_BIG = Closing(1009, "message_too_big")
NOT_TEXT = Closing(1003, "text_messages_only")

# They start anywhere, so that no other gateway, and none before this one, had the same.
_numbers = itertools.count(secrets.randbits(30) + 1)


class _Identified(msgspec.Struct):
    """The part of a request that its answer repeats, read first so that refusals carry it too."""

    id: str | int | None = None


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    op: str
    id: str | int | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")


@router.websocket("/stream")
async def stream(websocket: WebSocket) -> None:
    """Accept the connection and serve it to its end."""
    gateway: Gateway = websocket.app.state.gateway
    offered = websocket.scope.get("subprotocols", [])
    chosen = next((name for name in offered if name in SUBPROTOCOLS), None)
    await websocket.accept(subprotocol=chosen)
    await _Session(gateway, websocket, is_binary=chosen == BINARY_SUBPROTOCOL).run()


async def document(_: Request) -> Response:
    """The streams as AsyncAPI."""
    text = resources.files("api").joinpath("asyncapi.yaml").read_text("utf-8")
    return Response(text, media_type="application/yaml")


async def say_goodbye(gateway: Gateway) -> None:
    """Announce the end of this process on every connection, and wait until they are closed."""
    gateway.streams.shut_down()
    try:
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await gateway.streams.drained()
    except TimeoutError:
        logger.info("streams_cut", why="some clients did not read why they are closed")


class _Session:
    """One connection. Its number marks its orders, so that they can be found when it ends."""

    def __init__(self, gateway: Gateway, websocket: WebSocket, *, is_binary: bool) -> None:
        self._hub: StreamHub = gateway.streams
        self._websocket = websocket
        self._language = preferred_language(websocket.headers.get("accept-language", ""))
        self._outbox = Outbox(
            self._hub.snapshot,
            private_characters_kept=PRIVATE_BYTES_KEPT if is_binary else PRIVATE_CHARACTERS_KEPT,
        )
        self._subscriber = Subscriber(self._outbox)
        address = websocket.client.host if websocket.client else ""
        number = next(_numbers)
        self._operations = Operations(gateway, self._subscriber, number, address, self._language)
        self._commands: BinaryCommands | None = None
        if is_binary:
            self._commands = BinaryCommands(gateway, self._operations, self._outbox, number)
            self._operations.serve_binary(self._commands.listener)
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until the client leaves, the server stops, or the outbox gives up on the client."""
        self._hub.connect(self._subscriber)
        tasks = [
            asyncio.create_task(self._receive()),
            asyncio.create_task(self._send()),
            asyncio.create_task(self._expire()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.disconnect(self._subscriber)
            if self._commands is not None:
                self._commands.end()
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            # What was asked for before the end is done before its orders are looked for.
            await asyncio.gather(*self._under_way)
            await self._operations.end()
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect):
                logger.error("stream_failed", exc_info=result)

    async def _receive(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None and self._commands is not None:
                await self._commands.take(message["bytes"])
                continue
            if text is None:
                self._outbox.close(NOT_TEXT)
                await asyncio.Event().wait()  # the sender ends the session
                return
            raw = text.encode(errors="surrogatepass")
            if len(raw) > MAX_MESSAGE_BYTES:
                self._outbox.close(MESSAGE_TOO_BIG)
                await asyncio.Event().wait()
            await self._handle(raw)

    async def _handle(self, raw: bytes) -> None:
        """Answer one request; orders are answered when the core does, without holding up others."""
        request_id: str | int | None = None
        try:
            check(raw)
            request_id = decode(raw, _Identified).id
            request = decode(raw, _Request)
        except Problem as problem:
            await self._refuse(request_id, problem)
            return
        if request.op not in CONCURRENT:
            await self._operate(request)
            return
        if len(self._under_way) >= MAX_UNDER_WAY:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._operate(request))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        # Let it reach the core before the next request is read: commands keep their order.
        await asyncio.sleep(0)

    async def _refuse(self, request_id: str | int | None, problem: Problem) -> None:
        """Answer what is no request; it is counted like one."""
        try:
            await self._operations.count()
        except Problem as too_many:
            problem = too_many
        self._answer(request_id, error=problem)

    async def _operate(self, request: _Request) -> None:
        try:
            await self._operations.run(
                request.op, request.params, functools.partial(self._answer, request.id)
            )
        except Exception as error:  # every failure is answered, as a problem
            method = "POST" if request.op in CONCURRENT else "GET"
            self._answer(request.id, error=to_problem(error, method, "/v1/orders"))

    def _answer(
        self, request_id: str | int | None, result: object = None, error: Problem | None = None
    ) -> None:
        answer: dict[str, object] = {"id": request_id}
        if error is not None:
            answer["error"] = error.members(self._language)
        else:
            answer["result"] = result
        self._outbox.put(msgspec.json.encode(answer).decode())

    async def _send(self) -> None:
        while True:
            message = await self._outbox.get()
            if isinstance(message, Closing):
                await self._websocket.close(message.code, message.reason)
                return
            if isinstance(message, str):
                await self._websocket.send_text(message)
            else:
                await self._websocket.send_bytes(message)

    async def _expire(self) -> None:
        """End the session of a client that does not even read why it is closed."""
        await self._outbox.closing.wait()
        await asyncio.sleep(_CLOSE_SECONDS)
