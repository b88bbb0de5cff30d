"""What a websocket client can ask for: one method for each operation of docs/asyncapi.yaml.

Orders, cancels and quotes go the way of the REST routes (api.order_entry), with the session's
number and, where it is wanted, the flag by which the core finds them when the connection ends.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from api import order_entry
from api.account_events import Listener
from api.auth import Caller, check_copy_scope, check_scope
from api.binary_records import CHANNELS as BINARY_CHANNELS
from api.binary_records import SUBPROTOCOL
from api.binary_replay import read_page
from api.core_client import CoreUnavailable, ExecutionUnknown
from api.errors import Problem, to_problem
from api.schemas import AmendBody, OrderBody, QuoteBody
from api.stream_hub import Subscriber
from api.stream_outbox import Channel
from api.stream_replay import begin, read_past
from api.stream_requests import (
    Amendment,
    CancelAll,
    CancelOnDisconnect,
    Channels,
    Login,
    Nothing,
    Order,
    Quotes,
    Replay,
    WantedChannel,
    is_private,
    named,
    reference,
)
from api.strict_json import decode
from engine.times import format_time
from marketdata.feed import CHANNELS

if TYPE_CHECKING:
    from api.gateway import Gateway

logger = structlog.get_logger(__name__)

Answer = Callable[[Any], None]
# How much later a client over its limit is read again.
_REFUSED_PAUSE_SECONDS = 0.05
MAX_PUBLIC_CHANNELS = 500
# Operations that wait for the core; several of one connection may be under way at once.
CONCURRENT = frozenset(
    {"order.place", "order.amend", "order.cancel", "order.cancel_all", "quote.set"}
)


class Operations:
    """The operations of one connection, and the little that it remembers between them."""

    def __init__(
        self, gateway: Gateway, subscriber: Subscriber, session: int, address: str, language: str
    ) -> None:
        self._gateway = gateway
        self._hub = gateway.streams
        self._subscriber = subscriber
        self._session = session
        self._address = address
        self._counted = ("public", address)
        self._language = language
        # Asks for the caller again, since a session can end and a key be revoked meanwhile.
        self._authenticate: Callable[[], Awaitable[Caller]] | None = None
        # None: quotes only.
        self._cancel_on_disconnect: bool | None = None
        self._has_flagged_orders = False
        # On a binary connection: what the account's events go to.
        self._listener: Listener | None = None

    async def run(self, op: str, params: msgspec.Raw, answer: Answer) -> None:
        """Carry out one operation and answer it. Raises Problem and what `to_problem` knows."""
        operation = _OPERATIONS.get(op)
        if op not in CONCURRENT:
            await self.count()
        if operation is None:
            raise Problem("invalid_request", "There is no such operation.", field="op")
        await operation(self, params, answer)

    async def count(self, requests: int = 1) -> None:
        """Count against the account's requests, or the address's. Raises Problem, after a pause:
        refusing is little work, but not none."""
        name, who = self._counted
        try:
            self._gateway.rate_limits.take(name, who, requests)
        except Problem:
            await asyncio.sleep(_REFUSED_PAUSE_SECONDS)
            raise

    def serve_binary(self, listener: Listener) -> None:
        """This is a binary connection: what has a binary form is sent in it."""
        self._listener = listener

    async def trader(self) -> Caller:
        """Whoever logged in, if he may trade. Raises Problem."""
        return await self._caller("trade")

    def expect_orders_that_go_with_the_connection(self) -> None:
        self._has_flagged_orders = True

    async def end(self) -> None:
        """The connection is gone: take back the orders that were to go with it."""
        if not self._has_flagged_orders:
            return
        try:
            await order_entry.cancel_all(
                self._gateway,
                self._subscriber.account,
                session=self._session,
                only_on_disconnect=True,
            )
        except (CoreUnavailable, ExecutionUnknown):
            # When a gateway's link drops, the core cancels the flagged orders by itself.
            logger.info("cancel_on_disconnect_left_to_the_core", session=self._session)

    # --- Who is asking ---

    async def _login(self, params: msgspec.Raw, answer: Answer) -> None:
        wanted = decode(params, Login)
        authenticator = self._gateway.authenticator
        try:
            if wanted.token is not None:
                token = wanted.token
                caller = await authenticator.token(token)
                authenticate = functools.partial(authenticator.token, token)
            elif wanted.api_key is not None:
                caller = await authenticator.signature(
                    wanted.api_key,
                    wanted.timestamp or "",
                    wanted.signature or "",
                    method="GET",
                    target="/v1/stream",
                    body=b"",
                )
                authenticate = functools.partial(authenticator.key, wanted.api_key)
            else:
                raise Problem("invalid_request", "A token, or a key's signature, is needed.")
        except Problem:
            self._gateway.rate_limits.take("failures", self._address)
            raise
        if self._listener is not None:
            check_scope(caller, "read")  # it is told of all that happens to the account
        elif not wanted.quote_events:
            raise Problem("invalid_request", f"It is for {SUBPROTOCOL}.", field="quote_events")
        if self._subscriber.account not in (0, caller.account):
            raise Problem("conflict", "This connection belongs to another account.")
        self._subscriber.account = caller.account
        self._authenticate = authenticate
        self._counted = ("requests", caller.account_code)
        result = {"account": caller.account_code, "roles": sorted(caller.roles)}
        if self._listener is not None:
            # Nothing is awaited in between: the account's events come from the next one on.
            self._gateway.account_events.connect(
                self._listener, caller.account, with_own_quotes=wanted.quote_events
            )
            answer({**result, "sequence": self._gateway.live_orders.sequence})
        else:
            answer(result)

    async def _caller(self, scope: str | None = None) -> Caller:
        """Whoever logged in, if that still holds. Raises Problem."""
        if self._authenticate is None:
            raise Problem("unauthenticated", "Log in first.")
        caller = await self._authenticate()
        if scope is not None:
            check_scope(caller, scope)
        return caller

    def _limit_order(self, caller: Caller, orders: int = 1) -> None:
        self._gateway.rate_limits.take("orders", caller.account_code, orders)

    # --- Channels ---

    async def _subscribe(self, params: msgspec.Raw, answer: Answer) -> None:
        wanted = decode(params, Channels).channels
        await self.count(len(wanted) - 1)
        public = [self._public_channel(one) for one in wanted if not is_private(one)]
        private = [one for one in wanted if is_private(one)]
        if len(self._subscriber.public.union(public)) > MAX_PUBLIC_CHANNELS:
            raise Problem("too_many_requests", "Too many channels.", limit=MAX_PUBLIC_CHANNELS)
        if any(one.name == "balances" for one in private):
            await self._caller("read")
        elif private:
            check_copy_scope(await self._caller())
        account = self._subscriber.account
        pasts = [await read_past(self._gateway, account, c.name, c.replay_from) for c in private]
        sequence = self._gateway.live_orders.sequence
        answer({"channels": [named(one) for one in wanted], "sequence": sequence})
        for channel in public:
            self._hub.subscribe_public(self._subscriber, channel)
        for one, past in zip(private, pasts, strict=True):
            begin(self._gateway, self._subscriber, one.name, one.replay_from, past)
        if "balances" in (one.name for one in private):
            await self._hub.send_balances(self._subscriber)

    async def _unsubscribe(self, params: msgspec.Raw, answer: Answer) -> None:
        wanted = decode(params, Channels).channels
        for one in wanted:
            if is_private(one):
                self._hub.unsubscribe_private(self._subscriber, one.name)
            else:
                channel = self._public_channel(one)
                self._hub.unsubscribe_public(self._subscriber, channel)
        answer({"channels": [named(one) for one in wanted]})

    async def _resync(self, params: msgspec.Raw, answer: Answer) -> None:
        """New snapshots of public channels that the client follows and has lost track of."""
        wanted = decode(params, Channels).channels
        await self.count(len(wanted) - 1)
        channels = [self._public_channel(one) for one in wanted]
        for channel in channels:
            if channel not in self._subscriber.public:
                raise Problem("conflict", "The channel is not subscribed to.", field="channels")
        answer({"channels": [named(one) for one in wanted]})
        for channel in channels:
            self._hub.subscribe_public(self._subscriber, channel)

    async def _replay(self, params: msgspec.Raw, answer: Answer) -> None:
        """The account's past events as records, a page at a time; then how far they went."""
        await self._caller("read")
        if self._listener is None:
            raise Problem("invalid_request", f"Only {SUBPROTOCOL} replays events.", field="op")
        first = decode(params, Replay).from_sequence
        last = self._gateway.live_orders.sequence
        through = last
        if first <= last:
            try:
                page = await read_page(self._gateway, self._listener, first, last)
            except TimeoutError:
                raise Problem("service_unavailable", retry_after_ms=1_000) from None
            through = page.through_sequence
            self._listener.add_past(page.parts)
        answer({"through_sequence": through, "complete": through >= last})

    def _public_channel(self, wanted: WantedChannel) -> Channel:
        """The public channel that is meant. Raises Problem."""
        if wanted.name not in CHANNELS:
            raise Problem("invalid_request", "There is no such channel.", field="channels.name")
        if wanted.replay_from is not None:
            raise Problem(
                "invalid_request", "Only private channels replay.", field="channels.replay_from"
            )
        if wanted.symbol is None:
            raise Problem("invalid_request", "A symbol is needed.", field="channels.symbol")
        is_binary = self._listener is not None and wanted.name in BINARY_CHANNELS
        symbol = self._gateway.instruments.get(wanted.symbol).symbol
        return Channel(wanted.name, symbol, is_binary)

    # --- Orders ---

    async def _place(self, params: msgspec.Raw, answer: Answer) -> None:
        caller = await self._caller("trade")
        self._limit_order(caller)
        body = decode(params, OrderBody)
        is_flagged = self._cancel_on_disconnect is True
        self._has_flagged_orders |= is_flagged
        order, replayed = await order_entry.place(
            self._gateway, caller, body, self._session, cancel_on_disconnect=is_flagged
        )
        answer({**order, "replayed": True} if replayed else order)

    async def _amend(self, params: msgspec.Raw, answer: Answer) -> None:
        caller = await self._caller("trade")
        self._limit_order(caller)
        wanted = decode(params, Amendment)
        body = AmendBody(price=wanted.price, quantity=wanted.quantity)
        answer(await order_entry.amend(self._gateway, caller, reference(wanted), body))

    async def _cancel(self, params: msgspec.Raw, answer: Answer) -> None:
        caller = await self._caller("trade")
        wanted = decode(params, Order)
        answer(await order_entry.cancel(self._gateway, caller, reference(wanted)))

    async def _cancel_all(self, params: msgspec.Raw, answer: Answer) -> None:
        caller = await self._caller("trade")
        wanted = decode(params, CancelAll)
        cancelled = await order_entry.cancel_all(self._gateway, caller.account, wanted.symbol)
        answer({"cancelled": cancelled})

    async def _set_quotes(self, params: msgspec.Raw, answer: Answer) -> None:
        """All quotes go to the core together; each is answered, or refused, on its own."""
        caller = await self._caller("trade")
        wanted = decode(params, Quotes)
        self._limit_order(caller, len(wanted.quotes or (wanted,)))
        if wanted.quotes is None:
            answer(await self._set_quote(caller, decode(params, QuoteBody)))
            return

        async def set_one(raw: msgspec.Raw) -> dict[str, Any]:
            try:
                return await self._set_quote(caller, decode(raw, QuoteBody))
            except Exception as error:
                return to_problem(error, "POST", "/v1/orders").members(self._language)

        answer({"results": await asyncio.gather(*map(set_one, wanted.quotes))})

    async def _set_quote(self, caller: Caller, body: QuoteBody) -> dict[str, Any]:
        is_flagged = self._cancel_on_disconnect is not False
        self._has_flagged_orders |= is_flagged
        return await order_entry.set_quote(
            self._gateway, caller, body, self._session, cancel_on_disconnect=is_flagged
        )

    async def _set_cancel_on_disconnect(self, params: msgspec.Raw, answer: Answer) -> None:
        await self._caller("trade")
        self._cancel_on_disconnect = decode(params, CancelOnDisconnect).enabled
        answer({"enabled": self._cancel_on_disconnect})

    async def _ping(self, params: msgspec.Raw, answer: Answer) -> None:
        decode(params, Nothing)
        answer({"time": format_time(time.time_ns())})


_OPERATIONS: dict[str, Callable[[Operations, msgspec.Raw, Answer], Awaitable[None]]] = {
    "login": Operations._login,
    "subscribe": Operations._subscribe,
    "unsubscribe": Operations._unsubscribe,
    "resync": Operations._resync,
    "replay": Operations._replay,
    "order.place": Operations._place,
    "order.amend": Operations._amend,
    "order.cancel": Operations._cancel,
    "order.cancel_all": Operations._cancel_all,
    "quote.set": Operations._set_quotes,
    "cancel_on_disconnect": Operations._set_cancel_on_disconnect,
    "ping": Operations._ping,
}
