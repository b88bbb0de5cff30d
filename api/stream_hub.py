"""Fan-out: what happened in the exchange, to every websocket that asked for it.

A message is encoded once, however many receive it. Private messages alone differ by one number
from client to client, `previous_sequence`, which tells what this connection was sent before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from api.binary_records import encode_push
from api.core_client import CoreUnavailable, ExecutionUnknown
from api.live_orders import Changes, Records
from api.order_views import InstrumentTerms, OrderView, render_own_fill
from api.stream_outbox import Channel, Closing, Message, Outbox
from engine.codes import EventKind
from engine.records import ADMIN_EVENT
from marketdata.feed import Feed, Push
from settlement.history import Fill

PRIVATE_CHANNELS = ("orders", "fills", "balances")
SERVER_SHUTDOWN = Closing(1012, "server_shutdown")
# A busy account's balances are asked for and sent at most this often.
_BALANCES_PAUSE_SECONDS = 0.02
_ADMIN_KINDS = np.array(
    [
        EventKind.CASH_DEPOSITED,
        EventKind.CASH_WITHDRAWN,
        EventKind.CREDITS_DEPOSITED,
        EventKind.CREDITS_WITHDRAWN,
        EventKind.DAY_ROLLED,
    ],
    dtype=np.uint8,
)


class Subscriber:
    """One connection, as the hub sees it."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.public: set[Channel] = set()
        # Private channel -> the sequence of the latest message sent in it.
        self.private: dict[str, int] = {}
        self.account = 0


class StreamHub:
    """Knows who listens to what. Everything but the balances happens without waiting.

    `render_order` gives an order as the public contract shows it, `balances` an account's balances
    with the sequence as of which they stand.
    """

    def __init__(
        self,
        feed: Feed,
        instruments: Mapping[int, InstrumentTerms],
        render_order: Callable[[OrderView], dict[str, Any]],
        balances: Callable[[int], Awaitable[tuple[int, dict[str, Any]]]],
    ) -> None:
        self._feed = feed
        self._instruments = instruments
        self._render_order = render_order
        self._balances = balances
        self._subscribers: set[Subscriber] = set()
        self._public: dict[Channel, set[Subscriber]] = {}
        self._private: dict[tuple[str, int], set[Subscriber]] = {}
        # Accounts whose balances have changed and are listened to.
        self._changed_accounts: set[int] = set()
        self._balances_changed = asyncio.Event()
        self._is_shutting_down = False
        self._drained = asyncio.Event()

    # --- Who listens ---

    @property
    def connections(self) -> int:
        return len(self._subscribers)

    def connect(self, subscriber: Subscriber) -> None:
        self._subscribers.add(subscriber)
        if self._is_shutting_down:
            subscriber.outbox.close(SERVER_SHUTDOWN)

    def disconnect(self, subscriber: Subscriber) -> None:
        self._subscribers.discard(subscriber)
        if self._is_shutting_down and not self._subscribers:
            self._drained.set()
        for channel in list(subscriber.public):
            self.unsubscribe_public(subscriber, channel)
        for name in list(subscriber.private):
            self.unsubscribe_private(subscriber, name)

    def is_wanted(self, name: str, symbol: str) -> bool:
        """Whether anybody listens to the public channel, in whichever form."""
        # A plain tuple is found like the Channel that it equals, and made in no time.
        return (name, symbol, False) in self._public or (name, symbol, True) in self._public

    def subscribe_public(self, subscriber: Subscriber, channel: Channel) -> None:
        """Send the channel's snapshot now and its further messages as they come."""
        subscriber.public.add(channel)
        self._public.setdefault(channel, set()).add(subscriber)
        subscriber.outbox.drop_channel(channel)
        subscriber.outbox.put_public(channel, self.snapshot(channel))

    def unsubscribe_public(self, subscriber: Subscriber, channel: Channel) -> None:
        subscriber.public.discard(channel)
        subscriber.outbox.drop_channel(channel)
        _remove(self._public, channel, subscriber)

    def subscribe_private(self, subscriber: Subscriber, name: str, sequence: int) -> None:
        """Send the messages of a private channel from now on; `sequence` is the latest before."""
        subscriber.private[name] = sequence
        self._private.setdefault((name, subscriber.account), set()).add(subscriber)

    def unsubscribe_private(self, subscriber: Subscriber, name: str) -> None:
        subscriber.private.pop(name, None)
        _remove(self._private, (name, subscriber.account), subscriber)

    def snapshot(self, channel: Channel) -> Message:
        push = self._feed.snapshot(channel.name, channel.symbol)
        return self._encode(push, is_binary=channel.is_binary)

    # --- What happened ---

    def publish(self, events: Records, pushes: list[Push], changes: Changes) -> None:
        """Tell everybody what a batch of whole commands did, once all views have followed it."""
        for push in pushes:
            for is_binary in (False, True):
                channel = Channel(push["channel"], push["symbol"], is_binary)
                if listeners := self._public.get(channel):
                    message = self._encode(push, is_binary=is_binary)
                    for subscriber in listeners:
                        subscriber.outbox.put_public(channel, message)
        if not self._private:
            return
        for view in sorted(changes.orders, key=lambda view: view.sequence):
            if listeners := self._private.get(("orders", view.account)):
                self.send_order(listeners, view)
            self._mark_balances(view.account)
        for fill in changes.fills:
            if listeners := self._private.get(("fills", fill.account)):
                self.send_fill(listeners, fill)
        self._mark_administration(events)

    def send_order(self, listeners: set[Subscriber], view: OrderView) -> None:
        symbol = self._instruments[view.instrument].symbol
        data = self._render_order(view)
        self._send_private(listeners, _push("orders", symbol, "event", view.sequence, data))

    def send_fill(self, listeners: set[Subscriber], fill: Fill) -> None:
        terms = self._instruments[fill.instrument]
        data = render_own_fill(fill, terms)
        self._send_private(listeners, _push("fills", terms.symbol, "event", fill.sequence, data))

    async def send_balances(self, subscriber: Subscriber) -> None:
        """The snapshot that a subscription to the balances begins with."""
        sequence, data = await self._balances(subscriber.account)
        if "balances" in subscriber.private:
            push = _push("balances", None, "snapshot", sequence, data)
            self._send_private({subscriber}, push)

    def notify(self, event: str, **about: str) -> None:
        """Tell every connection something about the exchange itself, such as "engine_ready"."""
        message = _notice(event, about)
        for subscriber in self._subscribers:
            subscriber.outbox.put(message)
        if self._changed_accounts:
            self._balances_changed.set()

    def shut_down(self) -> None:
        """Say goodbye to everybody; the connections close as soon as that is sent."""
        self._is_shutting_down = True
        self.notify(SERVER_SHUTDOWN.reason)
        for subscriber in self._subscribers:
            subscriber.outbox.close(SERVER_SHUTDOWN)
        if not self._subscribers:
            self._drained.set()

    async def drained(self) -> None:
        """Wait until everybody is gone after `shut_down`."""
        await self._drained.wait()

    async def run_balances(self) -> None:
        """Send changed balances for ever; the gateway keeps this task running."""
        while True:
            await self._balances_changed.wait()
            self._balances_changed.clear()
            accounts, self._changed_accounts = self._changed_accounts, set()
            for account in accounts:
                await self._send_balances(account)
            await asyncio.sleep(_BALANCES_PAUSE_SECONDS)

    async def _send_balances(self, account: int) -> None:
        try:
            sequence, data = await self._balances(account)
        except (CoreUnavailable, ExecutionUnknown):
            self._changed_accounts.add(account)  # asked again once the engine is back
            return
        if listeners := self._private.get(("balances", account)):
            self._send_private(listeners, _push("balances", None, "event", sequence, data))

    def _encode(self, push: Push, *, is_binary: bool) -> Message:
        if not is_binary:
            return msgspec.json.encode(push).decode()
        [(number, terms)] = [
            item for item in self._instruments.items() if item[1].symbol == push["symbol"]
        ]
        return encode_push(push, number, terms.tick_fen)

    def _mark_balances(self, account: int) -> None:
        if ("balances", account) in self._private:
            self._changed_accounts.add(account)
            self._balances_changed.set()

    def _mark_administration(self, events: Records) -> None:
        """Deposits and withdrawals change one account's balances, a new day may change any's."""
        for index in np.flatnonzero(np.isin(events["kind"], _ADMIN_KINDS)).tolist():
            event = events[index : index + 1].view(ADMIN_EVENT)[0]
            if event["kind"] == EventKind.DAY_ROLLED:
                for name, account in self._private:
                    if name == "balances":
                        self._mark_balances(account)
            else:
                self._mark_balances(int(event["account"]))

    def _send_private(self, listeners: set[Subscriber], push: dict[str, Any]) -> None:
        """Send a push, given without `previous_sequence`, which is each listener's own."""
        start = msgspec.json.encode(push).decode()[:-1] + ',"previous_sequence":'
        for subscriber in listeners:
            previous = subscriber.private[push["channel"]]
            subscriber.private[push["channel"]] = push["sequence"]
            subscriber.outbox.put(f"{start}{previous}}}")


def _push(
    name: str, symbol: str | None, kind: str, sequence: int | None, data: dict[str, Any]
) -> dict[str, Any]:
    return {"channel": name, "symbol": symbol, "type": kind, "sequence": sequence, "data": data}


def _notice(event: str, about: dict[str, str]) -> str:
    push = _push("system", None, "event", None, {"event": event, **about})
    return msgspec.json.encode({**push, "previous_sequence": None}).decode()


def _remove(listeners: dict[Any, set[Subscriber]], key: Any, subscriber: Subscriber) -> None:
    of_key = listeners.get(key)
    if of_key is not None:
        of_key.discard(subscriber)
        if not of_key:
            del listeners[key]
