"""The gateway's side of the link: commands out, replies and events in, questions and answers.

CoreError
├── CoreUnavailable     nothing was sent; the command has certainly not been executed
└── ExecutionUnknown    sent, and the link was lost before the reply: ask for the order later
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import structlog

from api import record_kernels
from api.core_submissions import (
    AwaitedSubmission,
    CalledSubmission,
    OnFailure,
    OnReplies,
    Submission,
)
from engine.link import (
    MAX_COMMANDS_BYTES,
    PROTOCOL_VERSION,
    FrameKind,
    FrameReader,
    LinkError,
    QueryKind,
    connected_socket,
    frame,
    needs_space,
)
from engine.queries import (
    QUESTION,
    AccountAnswer,
    BalancesAnswer,
    MarketAnswer,
    StatusAnswer,
    decode,
)
from engine.records import COMMAND, EVENT

CONNECT_SECONDS = 10.0
FIRST_RETRY_SECONDS = 0.05
LAST_RETRY_SECONDS = 2.0
_log = structlog.get_logger("core_client")

T = TypeVar("T")
OnEvents = Callable[[np.ndarray, int], None]
OnChange = Callable[[], None]
_DISK_FULL = "the core's disk is full: it takes no orders"


class CoreError(Exception):
    pass


class CoreUnavailable(CoreError):  # noqa: N818 - it says what is so
    pass


class ExecutionUnknown(CoreError):  # noqa: N818 - likewise
    pass


class CoreClient:
    """One gateway's link to the core; keep it over lost connections with `stay_connected`."""

    def __init__(
        self,
        socket_path: Path,
        name: str,
        on_events: OnEvents | None = None,
        on_lost: OnChange | None = None,
    ) -> None:
        """`connect` makes one and connects it."""
        self._socket_path = Path(socket_path)
        self._name = name
        self._on_events = on_events
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._link: _ClientLink | None = None
        # Random to begin with: history may hold replies to an earlier gateway of this number.
        self._next_request_id = secrets.randbits(61) + 1
        self._tags = itertools.count(1)
        # In the order in which they were sent, which is that of their replies.
        self._waiting: deque[Submission] = deque()
        self._asked: dict[int, tuple[QueryKind, asyncio.Future[Any]]] = {}
        self._outgoing: list[tuple[np.ndarray, Submission]] = []
        self._delivered_sequence = 0
        self._has_subscribed = False
        self._has_space = True
        self._is_closing = False
        self._lost = asyncio.Event()

    @classmethod
    async def connect(
        cls,
        socket_path: Path,
        name: str,
        on_events: OnEvents | None = None,
        on_lost: OnChange | None = None,
    ) -> CoreClient:
        """`on_events(events, last_sequence)` is called for all events after `subscribe`, whole
        commands in order without gaps; `on_lost()` when the link is gone. Raises CoreUnavailable.
        """
        client = cls(socket_path, name, on_events, on_lost)
        await client.open()
        return client

    @property
    def connected(self) -> bool:
        return self._link is not None

    @property
    def gateway_number(self) -> int:
        """What the core calls this connection; 0 while there is none."""
        return self._link.number if self._link else 0

    @property
    def delivered_sequence(self) -> int:
        """The last command whose events `on_events` was given."""
        return self._delivered_sequence

    async def open(self) -> None:
        """Connect, and if it had subscribed before, go on from the last command delivered.

        Raises CoreUnavailable.
        """
        assert self._link is None
        self._lost.clear()
        self._has_space = True
        link = _ClientLink(self)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._dial(link)
                link.send(frame(FrameKind.HELLO, PROTOCOL_VERSION, self._name.encode()))
                last_sequence = await link.welcome
        except (OSError, LinkError, TimeoutError) as error:
            link.close()
            raise CoreUnavailable(f"the core at {self._socket_path}: {error}") from error
        if last_sequence < self._delivered_sequence:
            link.close()
            raise CoreUnavailable(
                f"the core knows {last_sequence} commands, fewer than it has already shown:"
                f" {self._delivered_sequence}"
            )
        self._link = link
        if self._has_subscribed:
            link.send(frame(FrameKind.SUBSCRIBE, self._delivered_sequence + 1))

    async def stay_connected(self, on_connected: OnChange | None = None) -> None:
        """Open the link whenever it is lost, for ever; `on_connected()` after each time."""
        while True:
            await self._lost.wait()
            if self._is_closing:
                return
            _log.warning("core: lost, trying to reach it again", name=self._name)
            wait_seconds = FIRST_RETRY_SECONDS
            while not self.connected:
                await asyncio.sleep(wait_seconds)
                wait_seconds = min(2 * wait_seconds, LAST_RETRY_SECONDS)
                with contextlib.suppress(CoreUnavailable):
                    await self.open()
            _log.info("core: reached again", name=self._name)
            if on_connected:
                on_connected()

    async def subscribe(self, first_sequence: int) -> None:
        """Have all events from `first_sequence` on (0: those to come) given to `on_events`."""
        link = self._need_link()
        self._has_subscribed = True
        if first_sequence:
            self._delivered_sequence = first_sequence - 1
        else:
            self._delivered_sequence = link.welcome.result()
        link.send(frame(FrameKind.SUBSCRIBE, first_sequence))

    async def submit(self, commands: np.ndarray) -> list[np.ndarray]:
        """Send commands (any layout of engine.records); for each of them its events, read-only.

        By then `on_events` has been given them. Raises CoreUnavailable, ExecutionUnknown.
        """
        self._need_link()
        if not np.size(commands):
            return []
        raw = bytearray(np.atleast_1d(commands).tobytes())
        records = np.frombuffer(raw, COMMAND)
        if not self._takes(records):
            raise CoreUnavailable(_DISK_FULL)
        submission = AwaitedSubmission(
            self._next_request_id, len(records), self._loop.create_future()
        )
        self._put(records, submission)
        await submission.done
        return submission.replies

    def send(self, commands: np.ndarray, on_replies: OnReplies, on_failure: OnFailure) -> None:
        """Send commands (dtype COMMAND) and give them up to the link: it writes its request ids.

        `on_replies(sequences)` is called, right after `on_events` with their events, with the
        sequences of the next commands that were replied to; `on_failure(error)` when no more
        replies will come, with what `submit` would raise.
        """
        submission = CalledSubmission(self._next_request_id, len(commands), on_replies, on_failure)
        if self._link is None:
            submission.fail(CoreUnavailable("no connection to the core"))
        elif not self._takes(commands):
            submission.fail(CoreUnavailable(_DISK_FULL))
        else:
            self._put(commands, submission)

    async def account(self, number: int) -> AccountAnswer:
        return cast(AccountAnswer, await self._ask(QueryKind.ACCOUNT, number))

    async def market(self) -> MarketAnswer:
        return cast(MarketAnswer, await self._ask(QueryKind.MARKET))

    async def balances(self) -> BalancesAnswer:
        return cast(BalancesAnswer, await self._ask(QueryKind.BALANCES))

    async def state_hash(self) -> tuple[int, str]:
        return cast(tuple[int, str], await self._ask(QueryKind.STATE_HASH))

    async def status(self) -> np.void:
        """How the core is doing: a row of engine.status.STATUS."""
        return cast(StatusAnswer, await self._ask(QueryKind.STATUS)).status

    async def close(self) -> None:
        """Close the link; `on_lost` is not called."""
        self._is_closing = True
        if self._link:
            self._link.close()
            await self._lost.wait()

    async def _dial(self, link: asyncio.BufferedProtocol) -> None:
        sock = connected_socket(self._socket_path)
        await self._loop.create_unix_connection(lambda: link, sock=sock)

    def _need_link(self) -> _ClientLink:
        if self._link is None:
            raise CoreUnavailable(f"no connection to the core at {self._socket_path}")
        return self._link

    async def _ask(self, kind: QueryKind, argument: int = 0) -> object:
        link = self._need_link()
        tag = next(self._tags)
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._asked[tag] = (kind, answer)
        link.send(frame(FrameKind.QUERY, tag, QUESTION.pack(kind, argument)))
        return await answer

    def _takes(self, commands: np.ndarray) -> bool:
        """Whether the core has room on its disk for such commands."""
        return self._has_space or not needs_space(commands)

    def _put(self, commands: np.ndarray, submission: Submission) -> None:
        """Number the commands and send them at the end of this turn of the loop."""
        first_id, count = submission.first_request_id, submission.size
        self._next_request_id += count
        commands["request_id"] = np.arange(first_id, first_id + count)
        self._waiting.append(submission)
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append((commands, submission))

    def _flush(self) -> None:
        """Send what was submitted in this turn of the loop, in as few frames as may be."""
        data = b"".join([commands.view(np.uint8).data for commands, _ in self._outgoing])
        self._outgoing.clear()
        if self._link:
            for start in range(0, len(data), MAX_COMMANDS_BYTES):
                part = data[start : start + MAX_COMMANDS_BYTES]
                self._link.send(frame(FrameKind.COMMANDS, 0, part))

    # --- What the link brings ---

    def take_events(self, payload: bytes, number: int, last_sequence: int) -> None:
        events = np.frombuffer(payload, EVENT)
        if self._has_subscribed and last_sequence > self._delivered_sequence:
            if self._on_events:
                self._on_events(events, last_sequence)
            self._delivered_sequence = last_sequence
        if self._waiting:
            self._take_replies(events, number)

    def _take_replies(self, events: np.ndarray, number: int) -> None:
        """Hand out the replies to us, gateway `number`. Raises LinkError if one is not the next."""
        oldest = self._waiting[0]
        next_id = oldest.first_request_id + oldest.replied
        rows, sequences = np.empty(len(events), np.int64), np.empty(len(events), np.int64)
        count = record_kernels.run(
            record_kernels.find_replies,
            np.frombuffer(events, record_kernels.EVENTS),
            number,
            next_id,
            self._next_request_id,
            rows,
            sequences,
        )
        if count < 0:
            raise LinkError(f"the reply to {next_id} was to be next")
        taken = 0
        while taken < count:
            submission = self._waiting[0]
            following = min(taken + submission.size - submission.replied, count)
            if following == taken + submission.size - submission.replied:
                self._waiting.popleft()
            submission.take(events, rows[taken:following], sequences[taken:following])
            taken = following

    def take_space(self, has_space: bool) -> None:
        self._has_space = has_space

    def take_answer(self, tag: int, payload: bytes) -> None:
        kind, future = self._asked.pop(tag)
        if not future.done():
            future.set_result(decode(kind, payload))

    def lose(self, link: _ClientLink) -> None:
        if link is not self._link:
            return
        self._link = None
        for _, submission in self._outgoing:
            submission.fail(CoreUnavailable("the core was lost"))
        self._outgoing.clear()
        waiting, self._waiting = self._waiting, deque()
        for submission in waiting:
            submission.fail(ExecutionUnknown("the core was lost before its reply"))
        asked, self._asked = self._asked, {}
        for _, future in asked.values():
            if not future.done():
                future.set_exception(CoreUnavailable("the core was lost before its answer"))
        self._lost.set()
        if self._on_lost and not self._is_closing:
            self._on_lost()


class _ClientLink(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self, client: CoreClient) -> None:
        self.welcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._client = client
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self.number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.room

    def buffer_updated(self, nbytes: int) -> None:
        try:
            for kind, tag, payload in self._reader.take(nbytes):
                self._take(kind, tag, payload)
        except Exception:
            # Whoever keeps a copy of the state has missed something: begin again from the history.
            _log.exception("core: events could not be taken; the link is closed")
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.welcome.done():
            self.welcome.set_exception(LinkError("closed by the core"))
        self._client.lose(self)

    def send(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)

    def close(self) -> None:
        if self._transport:
            self._transport.abort()

    def _take(self, kind: FrameKind, tag: int, payload: bytes) -> None:
        if kind is FrameKind.EVENTS:
            self._client.take_events(payload, self.number, tag)
        elif kind is FrameKind.ANSWER:
            self._client.take_answer(tag, payload)
        elif kind is FrameKind.WELCOME and not self.welcome.done():
            self.number = payload[0]
            self.welcome.set_result(tag)
        elif kind is FrameKind.SPACE:
            self._client.take_space(tag != 0)
        elif kind is FrameKind.GOODBYE:
            _log.info("core: it is shutting down")
        else:
            raise LinkError(f"the core does not send {kind.name} here")
