"""The websocket: orders, and channels that go on by themselves over lost connections.

A stream connects, logs in and subscribes again whenever it has to. Market data begins anew with a
snapshot after every gap; orders and fills are replayed from where they stopped. Handlers are called
from the task that reads, in the order of the messages, and must not block it; an exception in one
ends the stream. What was asked and not answered when a connection is lost is not sent again: it
raises `execution_unknown`, and the order's client id tells what became of it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any, Self

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from api.client import calls, results
from api.client.book import Book
from api.client.credentials import STREAM_PATH, Credentials
from api.client.problems import Problem, not_sent, read_problem, unanswered
from api.client.rest import Retries
from api.client.subscriptions import Handler, Push, Subscription

# Refusals of a login or a subscription that are the same next time.
_FINAL = frozenset({"unauthenticated", "forbidden", "invalid_request", "unknown_instrument"})


class Stream:
    """One connection for market data, private data and orders.

    async with Stream("http://127.0.0.1:8080", credentials) as stream:
        book = await stream.follow_book("GD-PHCER")
        await stream.subscribe("fills", handler=print)
    """

    subprotocol = "puhui.json.v1"

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None = None,
        *,
        on_connected: Callable[[], None] | None = None,
        on_notice: Handler | None = None,
        retries: Retries | None = None,
        answer_seconds: float = 10.0,
        heartbeat_seconds: float = 20.0,
    ) -> None:
        self._login_options: dict[str, Any] = {}
        self._url = base_url.replace("http", "ws", 1) + STREAM_PATH
        self._credentials = credentials
        self._on_connected = on_connected
        self._on_notice = on_notice
        self._retries = retries or Retries()
        self._answer_seconds = answer_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._subscriptions: dict[tuple[str, str | None], Subscription] = {}
        self._cancel_on_disconnect: bool | None = None
        self._websocket: ClientConnection | None = None
        self._is_connected = asyncio.Event()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        try:
            await self._connected()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def wait_closed(self) -> None:
        """Wait until the stream gives up, which it does when it may not log in any more, or when
        a handler fails; raises why."""
        assert self._task is not None
        await asyncio.shield(self._task)

    # --- Channels ---

    async def subscribe(
        self,
        name: str,
        symbol: str | None = None,
        *,
        handler: Handler | None = None,
        replay_from: int | None = None,
    ) -> Subscription:
        """Follow a channel; `replay_from` is the first sequence wanted of orders or fills."""
        subscription = Subscription(name, symbol, handler, replay_from)
        await self._connected()
        self._subscriptions[name, symbol] = subscription
        try:
            await self._subscribe([subscription])
        except Problem as problem:
            # One that was merely not answered is subscribed to at the next connection.
            if problem.code != "execution_unknown":
                del self._subscriptions[name, symbol]
                raise
        return subscription

    async def follow_book(self, symbol: str, handler: Handler | None = None) -> Book:
        """A book that is kept current; the handler is called after each change of it."""
        book = (await self.subscribe("book", symbol, handler=handler)).book
        assert book is not None
        return book

    async def unsubscribe(self, name: str, symbol: str | None = None) -> None:
        """Follow a channel no longer."""
        wanted = self._subscriptions.pop((name, symbol)).wanted()
        wanted.pop("replay_from", None)
        await self.ask("unsubscribe", channels=[wanted])

    # --- Orders ---

    async def place_order(self, **members: Any) -> results.Order:
        """The members are those of `calls.place_order`."""
        found = await self.ask("order.place", **calls.order_body(**members))
        return msgspec.convert(found, results.Order)

    async def amend_order(self, **members: Any) -> results.Order:
        """An `order_id` or a `client_order_id`, and a price, a total quantity, or both."""
        named = {name: calls.amount(value) for name, value in members.items()}
        return msgspec.convert(await self.ask("order.amend", **named), results.Order)

    async def cancel_order(self, **named: str) -> results.Order:
        """By `order_id` or `client_order_id`."""
        return msgspec.convert(await self.ask("order.cancel", **named), results.Order)

    async def cancel_orders(self, symbol: str | None = None) -> int:
        """Take back all open orders, or those of one instrument; how many they were."""
        found: int = (await self.ask("order.cancel_all", symbol=symbol))["cancelled"]
        return found

    async def set_quotes(self, quotes: list[dict[str, Any]]) -> list[results.Quote | Problem]:
        """Many quotes, each made by `calls.quote_body`; each is answered by itself."""
        found = await self.ask("quote.set", quotes=quotes)
        return calls.read_each(found["results"], results.Quote)

    async def cancel_on_disconnect(self, enabled: bool) -> None:
        """Whether orders go with the connection (quotes do by themselves); kept over reconnects."""
        self._cancel_on_disconnect = enabled
        await self.ask("cancel_on_disconnect", enabled=enabled)

    async def ask(self, op: str, **params: Any) -> Any:
        """Any operation, once there is a connection. Raises Problem."""
        await self._connected()
        return await self._request(op, params)

    # --- The connection ---

    async def _connected(self) -> None:
        """Wait for the connection. Raises Problem, or what ended the stream."""
        assert self._task is not None
        if self._is_connected.is_set() and not self._task.done():
            return
        connected = asyncio.create_task(self._is_connected.wait())
        await asyncio.wait(
            {connected, self._task},
            timeout=self._answer_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        connected.cancel()
        if self._task.done():
            self._task.result()
        if not self._is_connected.is_set():
            raise not_sent(f"no connection in {self._answer_seconds} s")

    async def _run(self) -> None:
        """Connect for ever, waiting longer each time; ends only with an exception."""
        attempt = 0
        while True:
            try:
                async with connect(
                    self._url,
                    subprotocols=[Subprotocol(self.subprotocol)],
                    ping_interval=self._heartbeat_seconds,
                    ping_timeout=self._heartbeat_seconds,
                    max_size=None,
                    proxy=None,
                ) as self._websocket:
                    await self._serve(self._websocket)
            except (OSError, WebSocketException, EOFError) as lost:
                problem = unanswered(lost)
            except Problem as refused:
                if refused.code in _FINAL:
                    raise
                problem = refused
            finally:
                attempt = 0 if self._is_connected.is_set() else min(attempt + 1, 16)
                self._lose()
            await asyncio.sleep(self._retries.pause_seconds(attempt, problem))

    async def _serve(self, websocket: ClientConnection) -> None:
        """One connection, to its end. Raises ConnectionClosed, or what `_begin` was refused for."""
        tasks = [
            asyncio.create_task(self._read(websocket)),
            asyncio.create_task(self._begin()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _begin(self) -> None:
        """Log in, and follow again what was followed before."""
        if self._credentials is not None:
            await self._log_in(self._credentials)
        if self._cancel_on_disconnect is not None:
            await self._request("cancel_on_disconnect", {"enabled": self._cancel_on_disconnect})
        if self._subscriptions:
            await self._subscribe(list(self._subscriptions.values()))
        self._is_connected.set()
        if self._on_connected is not None:
            self._on_connected()

    async def _log_in(self, credentials: Credentials) -> dict[str, Any]:
        params = {**credentials.login(), **self._login_options}
        found: dict[str, Any] = await self._request("login", params)
        return found

    async def _subscribe(self, subscriptions: list[Subscription]) -> None:
        # The exchange takes a hundred at once.
        for start in range(0, len(subscriptions), 100):
            some = subscriptions[start : start + 100]
            params = {"channels": [one.wanted() for one in some]}
            sequence = (await self._request("subscribe", params))["sequence"]
            for one in some:
                one.begin(sequence)

    async def _request(self, op: str, params: dict[str, Any]) -> Any:
        number = next(self._ids)
        answer = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            async with asyncio.timeout(self._answer_seconds):
                await self._send({"op": op, "id": number, "params": params})
                return await answer
        except TimeoutError as error:
            raise unanswered(f"{op}: {error!r}") from None
        except WebSocketException as error:
            raise unanswered(error) from None
        finally:
            self._answers.pop(number, None)

    async def _send(self, request: dict[str, Any]) -> None:
        assert self._websocket is not None
        await self._websocket.send(json.dumps(request))

    async def _read(self, websocket: ClientConnection) -> None:
        """Take messages until the connection ends. Raises ConnectionClosed."""
        while True:
            message = await websocket.recv()
            if isinstance(message, bytes):
                await self._take_records(message)
                continue
            content = json.loads(message)
            if "channel" in content:
                await self._take_push(content)
            else:
                self._take_answer(content)

    async def _take_push(self, push: Push) -> None:
        if push["channel"] == "system":
            if self._on_notice is not None:
                self._on_notice(push)
            return
        name, symbol = push["channel"], push["symbol"]
        subscription = self._subscriptions.get((name, symbol)) or self._subscriptions.get(
            (name, None)
        )
        # One that was just given up may still have messages on their way.
        if subscription is not None and not subscription.take(push):
            await self._send({"op": "resync", "params": {"channels": [subscription.wanted()]}})

    def _take_answer(self, content: dict[str, Any]) -> None:
        answer = self._answers.get(content["id"])
        if answer is None or answer.done():
            return
        if "error" in content:
            answer.set_exception(read_problem(content["error"]))
        else:
            answer.set_result(content["result"])

    async def _take_records(self, frame: bytes) -> None:
        """Only binary streams are sent records."""

    def _lose(self) -> None:
        """The connection is gone, and with it the answers that were still to come."""
        self._is_connected.clear()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(unanswered("the connection was lost"))
        for subscription in self._subscriptions.values():
            subscription.disconnect()
