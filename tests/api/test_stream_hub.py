"""The hub tells each listener what he asked for, once, in order, and nobody else's business."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from api.live_orders import Changes
from api.order_views import OrderView
from api.stream_hub import SERVER_SHUTDOWN, StreamHub, Subscriber
from api.stream_outbox import Channel, Closing, Outbox
from engine.codes import EventKind, Side
from engine.records import ADMIN_EVENT, EVENT
from marketdata.feed import Feed, Push
from settlement.history import Fill

BOOK = Channel("book", "GD-PHCER")
NO_EVENTS = np.zeros(0, EVENT)
NO_CHANGES = Changes([], [])


class Terms(NamedTuple):
    symbol: str = "GD-PHCER"
    tick_fen: int = 1


class FakeFeed:
    """A feed whose snapshots only say which one it is."""

    def __init__(self) -> None:
        self.snapshots = 0

    def snapshot(self, channel: str, symbol: str) -> Push:
        self.snapshots += 1
        return make_push("snapshot", 7, None)


class FakeCore:
    """Answers every question about balances with the next sequence."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def balances(self, account: int) -> tuple[int, dict[str, Any]]:
        self.asked.append(account)
        return 100 + len(self.asked), {"cash": account}


class Hub(NamedTuple):
    hub: StreamHub
    feed: FakeFeed
    core: FakeCore


@pytest.fixture
def made() -> Hub:
    feed, core = FakeFeed(), FakeCore()
    hub = StreamHub(
        cast(Feed, feed),
        {1: Terms()},
        lambda view: {"order_id": str(view.order_id)},
        core.balances,
    )
    return Hub(hub, feed, core)


def make_push(kind: str, sequence: int, previous: int | None) -> Push:
    return cast(
        Push,
        {
            "channel": "book",
            "symbol": "GD-PHCER",
            "type": kind,
            "sequence": sequence,
            "previous_sequence": previous,
            "data": {},
        },
    )


def make_listener(made: Hub, account: int = 0) -> Subscriber:
    listener = Subscriber(Outbox(made.hub.snapshot))
    listener.account = account
    made.hub.connect(listener)
    return listener


def make_view(order_id: int, account: int, sequence: int) -> OrderView:
    numbers = dict.fromkeys(
        ("client_id_high", "client_id_low", "side", "order_type", "time_in_force", "flags"), 0
    )
    return OrderView(
        order_id=order_id,
        account=account,
        instrument=1,
        **numbers,
        self_trade_prevention=1,
        purpose=1,
        scheme=0,
        price_ticks=1,
        quantity_lots=1,
        remaining_lots=1,
        created_time_ns=0,
        updated_time_ns=0,
        sequence=sequence,
    )


def make_fill(account: int, sequence: int, trade_id: int) -> Fill:
    return Fill(sequence, 0, trade_id, 5, account, 1, Side.BUY, 5_000, 1, 0, True, 0)


async def received(listener: Subscriber) -> list[Any]:
    """What the listener would be sent now."""
    found: list[Any] = []
    while True:
        getting = asyncio.ensure_future(listener.outbox.get())
        await asyncio.sleep(0)
        if not getting.done():
            getting.cancel()
            return found
        message = getting.result()
        found.append(message if isinstance(message, Closing) else json.loads(message))
        if isinstance(message, Closing):
            return found


async def test_market_data_goes_to_those_who_asked(made: Hub) -> None:
    """A subscriber gets a snapshot, then each push; others, and those who left, get nothing."""
    listener, other = make_listener(made), make_listener(made)
    made.hub.subscribe_public(listener, BOOK)
    delta = make_push("delta", 8, 7)
    made.hub.publish(NO_EVENTS, [delta], NO_CHANGES)
    assert await received(listener) == [make_push("snapshot", 7, None), delta]
    made.hub.unsubscribe_public(listener, BOOK)
    made.hub.publish(NO_EVENTS, [make_push("delta", 9, 8)], NO_CHANGES)
    assert await received(listener) == await received(other) == []


async def test_private_messages_form_a_chain(made: Hub) -> None:
    """Each names the one before it on this connection; other accounts never see them."""
    listener, other = make_listener(made, account=1), make_listener(made, account=2)
    made.hub.subscribe_private(listener, "fills", 40)
    made.hub.subscribe_private(other, "fills", 40)
    fills = [make_fill(1, 41, 1), make_fill(1, 41, 2), make_fill(1, 43, 3)]
    made.hub.publish(NO_EVENTS, [], Changes([], fills))
    messages = await received(listener)
    assert [(each["sequence"], each["previous_sequence"]) for each in messages] == [
        (41, 40),
        (41, 41),
        (43, 41),
    ]
    assert messages[0]["channel"] == "fills"
    assert messages[0]["symbol"] == "GD-PHCER"
    assert messages[0]["type"] == "event"
    assert messages[0]["data"]["trade_id"] == "1"
    assert await received(other) == []


async def test_orders_come_in_the_order_of_their_changes(made: Hub) -> None:
    """Orders of one batch are sent by sequence, whatever order they were touched in."""
    listener = make_listener(made, account=1)
    made.hub.subscribe_private(listener, "orders", 0)
    made.hub.publish(NO_EVENTS, [], Changes([make_view(5, 1, 9), make_view(6, 1, 8)], []))
    assert [each["data"]["order_id"] for each in await received(listener)] == ["6", "5"]


@pytest.mark.parametrize(
    ("kind", "account", "is_asked"),
    [
        (EventKind.CASH_DEPOSITED, 1, True),
        (EventKind.CREDITS_WITHDRAWN, 1, True),
        (EventKind.CASH_DEPOSITED, 2, False),
        (EventKind.DAY_ROLLED, 0, True),
        (EventKind.PHASE_CHANGED, 0, False),
    ],
)
async def test_balances_are_asked_for_when_they_change(
    made: Hub, kind: EventKind, account: int, is_asked: bool
) -> None:
    """Only the balances of accounts that somebody listens to, and that an event concerns."""
    listener = make_listener(made, account=1)
    made.hub.subscribe_private(listener, "balances", 0)
    await made.hub.send_balances(listener)
    event = np.zeros(1, ADMIN_EVENT)
    event["kind"], event["account"] = kind, account
    task = asyncio.create_task(made.hub.run_balances())
    made.hub.publish(event.view(EVENT), [], NO_CHANGES)
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    messages = await received(listener)
    assert [each["type"] for each in messages] == ["snapshot", "event"][: 1 + is_asked]
    assert messages[0]["data"] == {"cash": 1}
    assert made.core.asked == [1] * (1 + is_asked)


async def test_shutting_down_says_so_and_closes(made: Hub) -> None:
    """Everybody is told, then closed; who comes too late is closed at once."""
    listener = make_listener(made)
    made.hub.shut_down()
    latecomer = make_listener(made)
    [notice, closing] = await received(listener)
    assert notice["data"] == {"event": "server_shutdown"}
    assert closing == SERVER_SHUTDOWN
    assert await received(latecomer) == [SERVER_SHUTDOWN]
    made.hub.disconnect(listener)
    made.hub.disconnect(latecomer)
    await made.hub.drained()
