"""An account's own events in binary: what the core says, for those who are logged in.

One look at a batch of events serves all connections of an account. Each record is the engine's own
but for what is nobody else's business: of a trade only the account's own side is shown, request
ids go only to the connection that chose them, and the gateway's number to nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from api import record_kernels
from engine.codes import EventKind
from engine.records import EVENT

Records = np.ndarray[Any, np.dtype[Any]]

# By kind: which layout says whose the event is. Others are no account's (instruments, phases), or
# the operator's (limits).
_OWNERS = np.zeros(256, np.uint8)
_OWNERS[
    [
        EventKind.ORDER_ACCEPTED,
        EventKind.ORDER_CANCELLED,
        EventKind.ORDER_AMENDED,
        EventKind.ORDER_TRIGGERED,
        EventKind.ORDER_REFRESHED,
    ]
] = record_kernels.OF_ORDER
_OWNERS[EventKind.TRADE] = record_kernels.OF_TRADE
_OWNERS[
    [
        EventKind.COMMAND_REFUSED,
        EventKind.ORDERS_CANCELLED,
        EventKind.QUOTE_SET,
        EventKind.CASH_DEPOSITED,
        EventKind.CASH_WITHDRAWN,
        EventKind.CREDITS_DEPOSITED,
        EventKind.CREDITS_WITHDRAWN,
        EventKind.ACCOUNT_BLOCKED,
        EventKind.ACCOUNT_UNBLOCKED,
    ]
] = record_kernels.OF_ADMIN


def events_of(events: Records, account: int, *, with_own_quotes: bool = True) -> Records:
    """The account's own among the events: copies, with what is others' taken out.

    Without own quotes those are left out that only say what became of a SET_QUOTE's orders: its
    reply names them, and trades come all the same.
    """
    own = np.empty(len(events), EVENT)
    if not len(events):
        return own
    count = record_kernels.run(
        record_kernels.copy_own_events,
        np.frombuffer(events, record_kernels.EVENTS),
        account,
        _OWNERS,
        with_own_quotes,
        np.frombuffer(own, record_kernels.EVENTS),
    )
    return own[:count]


class Listener:
    """One connection: gathers what a turn of the loop brings, and sends it as one frame."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.account = 0
        self.with_own_quotes = True
        self._send = send
        self._parts: list[Records] = []
        self._loop = asyncio.get_running_loop()

    def add(self, records: Records) -> None:
        """Send records, which are this connection's from now on."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(records)

    def add_past(self, parts: list[Records]) -> None:
        """Send what was asked for of the past, at once: the answer to the question follows."""
        if parts:
            self._send(b"".join([part.tobytes() for part in parts]))

    def name_replies(self, sequences: np.ndarray, request_ids: np.ndarray) -> None:
        """Put the client's request ids into the latest records: the first of each command."""
        if self._parts:
            latest = np.frombuffer(self._parts[-1], record_kernels.EVENTS)
            named = record_kernels.run(record_kernels.name_replies, latest, sequences, request_ids)
            assert named == len(sequences), "a reply is not among the account's events"

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        self._send(b"".join([part.tobytes() for part in parts]))


class AccountEvents:
    """Who listens to which account."""

    def __init__(self) -> None:
        # By account, and whether own quotes are wanted.
        self._listeners: dict[tuple[int, bool], list[Listener]] = {}
        # Reading the past is work for the core; so many at a time do it.
        self.replays = asyncio.Semaphore(2)

    def connect(self, listener: Listener, account: int, *, with_own_quotes: bool = True) -> None:
        """Send the account's events from now on; see `events_of`."""
        self.disconnect(listener)
        listener.account, listener.with_own_quotes = account, with_own_quotes
        self._listeners.setdefault((account, with_own_quotes), []).append(listener)

    def disconnect(self, listener: Listener) -> None:
        key = (listener.account, listener.with_own_quotes)
        alike = self._listeners.get(key, [])
        if listener in alike:
            alike.remove(listener)
            if not alike:
                del self._listeners[key]

    def publish(self, events: Records) -> None:
        """Tell everybody what a batch of whole commands did."""
        for (account, with_own_quotes), listeners in self._listeners.items():
            mine = events_of(events, account, with_own_quotes=with_own_quotes)
            if len(mine):
                for listener in listeners[1:]:
                    listener.add(mine.copy())
                listeners[0].add(mine)
