"""Sends calls over HTTP, again where that is safe: a blocking client and one for asyncio.

Both carry out the same conversation (`_converse`), which knows neither sockets nor clocks: it says
what to send and how long to wait, and is told what came of it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec

from api.client import calls
from api.client.calls import Call
from api.client.credentials import Credentials, Token
from api.client.problems import Problem, not_sent, problem_of_answer, unanswered
from api.client.results import Page, Session

T = TypeVar("T")

# After these nothing was done, whatever was asked for.
_NOT_DONE = frozenset({"too_many_requests", "service_unavailable"})
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a call is sent, and how long between: twice as long each time, with jitter."""

    attempts: int = 5
    first_pause_seconds: float = 0.1
    longest_pause_seconds: float = 5.0

    def pause_seconds(self, attempt: int, problem: Problem) -> float:
        """What the exchange asks for, or else by the number of attempts made."""
        longest = min(self.first_pause_seconds * (1 << attempt), self.longest_pause_seconds)
        asked_for = (problem.retry_after_ms or 0) / 1_000
        return max(asked_for, longest * random.uniform(0.5, 1.0))


class _Request(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class _Answer(NamedTuple):
    status: int
    content: bytes


class _Pause(NamedTuple):
    seconds: float


# Yields requests and pauses; is sent the answer to a request, or the problem that there is none.
_Conversation = Generator[_Request | _Pause, _Answer | Problem | None, T]


def _converse(call: Call[T], credentials: Credentials | None, retries: Retries) -> _Conversation[T]:
    """The call's result. Raises Problem."""
    attempt = 0
    while True:
        heard = yield _request(call, credentials)
        if isinstance(heard, _Answer) and heard.status < 400:
            return call.read(heard.content)
        assert heard is not None
        problem = heard if isinstance(heard, Problem) else problem_of_answer(*heard)
        is_unknown = problem.code == "execution_unknown"
        if not is_unknown and problem.code not in _NOT_DONE:
            raise problem
        if is_unknown and call.recovery is None and not call.is_repeatable:
            raise problem
        attempt += 1
        if attempt >= retries.attempts:
            raise problem
        yield _Pause(retries.pause_seconds(attempt - 1, problem))
        if is_unknown and call.recovery is not None:
            try:
                found = yield from _converse(call.recovery.call, credentials, retries)
            except Problem as not_known:
                if not_known.code != "not_found":
                    raise problem from not_known
            else:
                if call.recovery.is_done(found):
                    return found


def _request(call: Call[Any], credentials: Credentials | None) -> _Request:
    """The request as it is sent; it is signed anew each time."""
    target = f"{call.path}?{urlencode(call.query)}" if call.query else call.path
    headers = dict(call.headers)
    body = b""
    if call.body is not None:
        body = msgspec.json.encode(call.body)
        headers["Content-Type"] = "application/json"
    if credentials is not None:
        headers |= credentials.headers(call.method, target, body)
    return _Request(call.method, target, headers, body)


def _lost(error: httpx.TransportError) -> Problem:
    return not_sent(error) if isinstance(error, _NEVER_SENT) else unanswered(error)


class Exchange:
    """A blocking client.

    with Exchange("http://127.0.0.1:8080") as exchange:
        exchange.log_in("enterprise", "demo")
        order = exchange.ask(calls.place_order(symbol="GD-PHCER", side="buy", ...))
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None = None,
        *,
        retries: Retries | None = None,
        timeout_seconds: float = 5.0,
        http: httpx.Client | None = None,
    ) -> None:
        self.base_url = base_url
        self.credentials = credentials
        self._retries = retries or Retries()
        self._http = http or httpx.Client(
            base_url=base_url, timeout=timeout_seconds, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def log_in(self, username: str, password: str) -> Session:
        """Begin a session, in whose name calls are sent from now on."""
        session = self.ask(calls.log_in(username, password))
        self.credentials = Token(session.token)
        return session

    def ask(self, call: Call[T]) -> T:
        """Send a call, again where that is safe. Raises Problem."""
        conversation = _converse(call, self.credentials, self._retries)
        heard: _Answer | Problem | None = None
        while True:
            try:
                step = conversation.send(heard)
            except StopIteration as end:
                result: T = end.value
                return result
            heard = None
            if isinstance(step, _Pause):
                time.sleep(step.seconds)
                continue
            try:
                answer = self._http.request(
                    step.method, step.target, headers=step.headers, content=step.body
                )
                heard = _Answer(answer.status_code, answer.content)
            except httpx.TransportError as error:
                heard = _lost(error)

    def items(self, call: Call[Page[T]]) -> Iterator[T]:
        """All items of a list, page by page."""
        wanted: Call[Page[T]] | None = call
        while wanted is not None:
            page = self.ask(wanted)
            yield from page.items
            wanted = calls.following(call, page)


class AsyncExchange:
    """The same for asyncio: `await exchange.ask(...)`, `async for fill in exchange.items(...)`."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None = None,
        *,
        retries: Retries | None = None,
        timeout_seconds: float = 5.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.base_url = base_url
        self.credentials = credentials
        self._retries = retries or Retries()
        self._http = http or httpx.AsyncClient(
            base_url=base_url, timeout=timeout_seconds, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def log_in(self, username: str, password: str) -> Session:
        """Begin a session, in whose name calls are sent from now on."""
        session = await self.ask(calls.log_in(username, password))
        self.credentials = Token(session.token)
        return session

    async def ask(self, call: Call[T]) -> T:
        """Send a call, again where that is safe. Raises Problem."""
        conversation = _converse(call, self.credentials, self._retries)
        heard: _Answer | Problem | None = None
        while True:
            try:
                step = conversation.send(heard)
            except StopIteration as end:
                result: T = end.value
                return result
            heard = None
            if isinstance(step, _Pause):
                await asyncio.sleep(step.seconds)
                continue
            try:
                answer = await self._http.request(
                    step.method, step.target, headers=step.headers, content=step.body
                )
                heard = _Answer(answer.status_code, answer.content)
            except httpx.TransportError as error:
                heard = _lost(error)

    async def items(self, call: Call[Page[T]]) -> AsyncIterator[T]:
        """All items of a list, page by page."""
        wanted: Call[Page[T]] | None = call
        while wanted is not None:
            page = await self.ask(wanted)
            for item in page.items:
                yield item
            wanted = calls.following(call, page)
