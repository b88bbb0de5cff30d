"""A follower that leaves superseded events out ends where one that takes all of them does."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from engine_flows import ROOMY_LIMITS, run_flow

from api.live_orders import LiveOrders
from engine.codes import EventKind, OrderFlag, Reason
from engine.matching.reference import ReferenceEngine
from engine.records import EVENT, ORDER_EVENT, TRADE_EVENT
from engine.superseded import without_superseded
from marketdata.feed import Feed
from marketdata.market import Market


def _batches(events: np.ndarray, random: Random) -> list[np.ndarray]:
    """Batches of whole commands, each of one time, as the core stamps them."""
    sequences = np.unique(events["sequence"])
    batches = []
    start = 0
    while start < len(sequences):
        end = min(start + random.randint(1, 40), len(sequences))
        chosen = (events["sequence"] >= sequences[start]) & (
            events["sequence"] <= sequences[end - 1]
        )
        batch = events[chosen]
        batch["time_ns"] = batch["time_ns"][0]
        batches.append(batch)
        start = end
    return batches


def _views(live: LiveOrders) -> list[Any]:
    return [live.get(order_id) for order_id in sorted(live._orders)]


@pytest.mark.parametrize("seed", range(5))
def test_the_state_is_the_same(seed: int) -> None:
    """Books, tickers, tapes and orders, whatever happens to them."""
    random = Random(seed)
    flow = run_flow(ReferenceEngine(ROOMY_LIMITS), [random.randrange(2**32) for _ in range(400)])
    batches = _batches(flow.events.view(EVENT), random)
    feeds, lives = (Feed(Market()), Feed(Market())), (LiveOrders(), LiveOrders())
    for batch in batches:
        decisive = without_superseded(batch)
        assert decisive[-1].tobytes() == batch[-1].tobytes()
        for feed, live, events in zip(feeds, lives, (batch, decisive), strict=True):
            feed.apply(events)
            live.apply(events)
        for instrument in feeds[0].market.instruments:
            symbol = instrument.symbol
            for channel in ("book", "trades", "ticker"):
                snapshots = [feed.snapshot(channel, symbol) for feed in feeds]
                assert snapshots[0] == snapshots[1]
    assert _views(lives[0]) == _views(lives[1])


def _events(*rows: tuple[int, int, int, int]) -> np.ndarray:
    """Amendments of quotes and other events: (kind, order id, time, flags)."""
    events = np.zeros(len(rows), ORDER_EVENT)
    for number, (kind, order_id, time_ns, flags) in enumerate(rows):
        events[number]["sequence"] = number + 1
        events[number]["kind"] = kind
        events[number]["order_id"] = order_id
        events[number]["time_ns"] = time_ns
        events[number]["flags"] = flags
        events[number]["reason"] = Reason.PRIORITY_LOST
    return events.view(EVENT)


AMENDED, CANCELLED = int(EventKind.ORDER_AMENDED), int(EventKind.ORDER_CANCELLED)
QUOTE = int(OrderFlag.QUOTE)


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([(AMENDED, 1, 5, QUOTE)] * 3, [3]),
        ([(AMENDED, 1, 5, QUOTE), (AMENDED, 2, 5, QUOTE)] * 2, [3, 4]),
        ([(AMENDED, 1, 5, QUOTE), (AMENDED, 1, 6, QUOTE)], [1, 2]),
        ([(AMENDED, 1, 5, 0)] * 2, [1, 2]),
        ([(AMENDED, 1, 5, QUOTE)] * 2 + [(CANCELLED, 1, 5, QUOTE)], [1, 2, 3]),
        ([(EventKind.QUOTE_SET, 0, 5, 0)] * 3, [3]),
        ([(EventKind.QUOTE_SET, 0, 5, 0), (CANCELLED, 1, 5, 0)], [2]),
    ],
)
def test_what_is_left_out(rows: list[tuple[int, int, int, int]], kept: list[int]) -> None:
    """The last of one time stays, and all that something else happened to."""
    assert without_superseded(_events(*rows))["sequence"].tolist() == kept


def test_what_keeps_priority_supersedes_nothing() -> None:
    """It says how much smaller the order becomes where the amendment before it put it."""
    events = _events(*[(AMENDED, 1, 5, QUOTE)] * 3)
    events.view(ORDER_EVENT)["reason"][2] = Reason.PRIORITY_KEPT
    assert without_superseded(events)["sequence"].tolist() == [2, 3]


def test_what_traded_is_not_left_out() -> None:
    """An amendment before a trade says what the trade took from."""
    events = _events(*[(AMENDED, 1, 5, QUOTE)] * 2, (EventKind.TRADE, 0, 5, 0))
    trade = events[2:].view(TRADE_EVENT)
    trade["maker_order_id"] = 1
    assert len(without_superseded(events)) == 3
    trade["maker_order_id"] = 9
    assert len(without_superseded(events)) == 2
