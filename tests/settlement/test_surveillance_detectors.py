"""Each detector finds its case in a generated flow, and nothing in the flow without it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

import pytest

from engine.codes import Side, TradeType
from settlement.market_rules import shipped
from settlement.surveillance_detectors import (
    CancelledOrder,
    Finding,
    TradeFact,
    marking_the_close,
    spoofing,
    unusual_trades,
    wash_trades,
)

SECOND = 10**9
RULE = shipped().surveillance
MAKER, *TRADERS = range(1, 9)
CLOSE_NS = 3_600 * SECOND


class Flow(NamedTuple):
    """A generated hour: a maker quotes both sides, others trade with it and change their minds."""

    trades: list[TradeFact]
    cancelled: list[CancelledOrder]
    entered_lots: dict[int, int]

    def trade(
        self, seconds: float, price: int, lots: int, maker: int, taker: int, side: Side
    ) -> None:
        """Insert a trade where its time puts it."""
        time_ns = int(seconds * SECOND)
        number = len(self.entered_lots) + 1
        self.entered_lots.update({number: lots, number + 1: lots})
        self.trades.append(
            TradeFact(
                *(len(self.trades) + 1, time_ns, price, lots, number, number + 1, maker, taker),
                *(int(side), int(TradeType.CONTINUOUS)),
            )
        )
        self.trades.sort(key=lambda trade: trade.time_ns)

    def cancel(
        self, begin: float, end: float, account: int, side: Side, price: int, lots: int
    ) -> None:
        number = 10**6 + len(self.cancelled)
        times = int(begin * SECOND), int(end * SECOND)
        self.cancelled.append(CancelledOrder(number, account, int(side), price, lots, *times))

    def findings(self, owners: dict[int, str] | None = None) -> list[Finding]:
        """What all detectors find with the shipped figures."""

        def owner_of(account: int) -> str:
            return (owners or {}).get(account, str(account))

        found = list(wash_trades(self.trades, owner_of, RULE.wash_trades))
        found += spoofing(self.cancelled, self.trades, self.entered_lots, owner_of, RULE.spoofing)
        found += marking_the_close(
            self.trades, owner_of, RULE.marking_the_close, CLOSE_NS, self.trades[0].price_ticks
        )
        return found + list(unusual_trades([], self.trades, RULE.unusual_trades))


def clean_flow(seed: int) -> Flow:
    """A maker with 1,000 lots on both sides, renewed every few seconds; takers of 1 to 200 lots."""
    chance = random.Random(seed)
    flow = Flow([], [], {})
    middle, begins = 5_000, 0.0
    while begins < 3_560:
        ends = begins + chance.uniform(5, 30)
        # The maker takes its quote back as orders: the harder case, and a hit side has a fill.
        is_hit = {Side.BUY: False, Side.SELL: False}
        for _ in range(chance.randrange(4)):
            side, taker = chance.choice((Side.BUY, Side.SELL)), chance.choice(TRADERS)
            price = middle + (10 if side == Side.BUY else -10)
            lots = chance.randint(1, 200)
            flow.trade(chance.uniform(begins, ends), price, lots, MAKER, taker, side)
            flow.entered_lots[flow_order(flow, MAKER)] = 1_000
            is_hit[Side.SELL if side == Side.BUY else Side.BUY] = True
        for side, offset in ((Side.BUY, -10), (Side.SELL, 10)):
            if not is_hit[side]:
                flow.cancel(begins, ends, MAKER, side, middle + offset, 1_000)
        if chance.random() < 0.2:
            patience = chance.uniform(1, 90)
            trader, lots = chance.choice(TRADERS), chance.randint(1, 200)
            flow.cancel(begins, begins + patience, trader, Side.BUY, middle - 20, lots)
        middle = min(max(middle + chance.randint(-3, 3), 4_940), 5_060)
        begins = ends
    return flow


def flow_order(flow: Flow, account: int) -> int:
    """The order of the account in the trade that was made last."""
    trade = max(flow.trades, key=lambda trade: trade.maker_order_id)
    assert trade.maker_account == account
    return trade.maker_order_id


def wash(flow: Flow) -> None:
    """Two accounts of one owner, 2 and 3, trade 150 lots with each other."""
    for seconds in (1_000, 1_010, 1_020):
        flow.trade(seconds, 5_000, 50, 2, 3, Side.BUY)


def layer(flow: Flow) -> None:
    """Account 4 shows 5 bids of 200 lots for 20 s, sells 30 lots meanwhile, takes the bids back."""
    for level in range(5):
        flow.cancel(2_000, 2_020, 4, Side.BUY, 4_990 - level, 200)
    flow.trade(2_010, 5_005, 30, 4, 5, Side.BUY)


def mark(flow: Flow) -> None:
    """Account 6 buys the price up by 3 % in the last two minutes."""
    for place in range(10):
        flow.trade(3_480 + 13 * place, 5_060 + 10 * place, 600, MAKER, 6, Side.BUY)


def jump(flow: Flow) -> None:
    """One trade 6 % away from the others."""
    flow.trade(1_500, 5_300, 10, MAKER, 7, Side.BUY)


def bulk(flow: Flow) -> None:
    """One trade of 5,000 lots among those of up to 200."""
    flow.trade(1_600, 5_000, 5_000, MAKER, 8, Side.BUY)


@pytest.mark.parametrize(
    ("abuse", "kind", "accounts"),
    [
        (wash, "wash_trades", (2, 3)),
        (layer, "spoofing", (4,)),
        (mark, "marking_the_close", (6,)),
        (jump, "unusual_price", (MAKER, 7)),
        (bulk, "unusual_quantity", (MAKER, 8)),
    ],
)
def test_each_abuse_is_found(
    abuse: Callable[[Flow], None], kind: str, accounts: tuple[int, ...]
) -> None:
    """In ten clean flows none of its kind; with it put in, one each, by whom it was."""
    owners = {2: "Green Group", 3: "Green Group"}
    for seed in range(10):
        flow = clean_flow(seed)
        assert flow.findings(owners) == []
        abuse(flow)
        [found] = [each for each in flow.findings(owners) if each.kind == kind]
        assert found.accounts == accounts
        assert found.figures["trades"] == len(found.trade_ids) >= 1


def test_clean_flows_raise_nothing() -> None:
    """Forty hours of a market maker and its takers: the rate of false alarms is none of them."""
    flows = [clean_flow(seed) for seed in range(40)]
    assert sum(len(flow.trades) for flow in flows) > 8_000
    assert [found for flow in flows for found in flow.findings()] == []


@pytest.mark.parametrize(
    ("seconds", "lots", "is_found"),
    [(20, 200, True), (60, 200, True), (61, 200, False), (20, 99, False), (20, 100, True)],
)
def test_spoofing_at_its_limits(seconds: float, lots: int, *, is_found: bool) -> None:
    """Orders that stood too long, or came to less than 500 lots, are nobody's business."""
    flow = Flow([], [], {})
    for level in range(5):
        flow.cancel(0, seconds, 4, Side.SELL, 5_010 + level, lots)
    flow.trade(10, 5_000, 30, 4, 5, Side.SELL)
    assert bool([each for each in flow.findings() if each.kind == "spoofing"]) is is_found


def test_a_real_order_beside_large_ones_is_no_spoofing() -> None:
    """Whoever sells 400 lots in earnest may take back bids of 1,000: less than three times that."""
    flow = Flow([], [], {})
    for level in range(5):
        flow.cancel(0, 20, 4, Side.BUY, 4_990 - level, 200)
    flow.trade(10, 5_000, 400, 4, 5, Side.BUY)
    assert flow.findings() == []
    flow.trade(11, 5_000, 333, 4, 5, Side.BUY)
    [found] = flow.findings()
    assert found.figures == {
        **{"orders": 5, "prices": 5, "cancelled_quantity": 1_000, "traded_quantity": 333},
        "trades": 1,
    }


@pytest.mark.parametrize(
    ("last_price", "owners", "found"),
    [
        (5_050, {}, [(6,), (7,)]),
        (5_049, {}, []),
        (4_951, {}, []),
        (4_950, {}, [(1,), (2,)]),
        (5_050, {6: "a", 7: "a"}, [(6, 7)]),
    ],
)
def test_marking_at_its_limits(
    last_price: int, owners: dict[int, str], found: list[tuple[int, ...]]
) -> None:
    """The price has to move by 1 %, towards the side of whoever had half of the volume."""
    flow = Flow([], [], {})
    flow.trade(100, 5_000, 10, 1, 2, Side.BUY)
    flow.trade(3_400, 5_000, 50, 1, 7, Side.BUY)
    flow.trade(3_500, last_price, 50, 2, 6, Side.BUY)
    assert sorted(each.accounts for each in flow.findings(owners)) == found


def test_without_a_full_sample_nothing_is_unusual() -> None:
    """The first trades of an instrument have nothing to be compared with."""
    flow = Flow([], [], {})
    for place in range(50):
        flow.trade(place, 5_000, 10, 1, 2, Side.BUY)
    assert flow.findings() == []
    flow.trade(51, 5_200, 10, 1, 2, Side.BUY)
    [found] = flow.findings()
    assert (found.kind, found.figures["price_ticks"]) == ("unusual_price", 5_200)
    assert found.figures["median_price_ticks"] == 5_000
