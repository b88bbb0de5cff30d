"""The feed: a client that follows it always has the market, whenever it joins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from engine_flows import ROOMY_LIMITS, command_seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from market_flows import run_market_flow

from engine.matching.reference import ReferenceEngine
from marketdata.book import checksum
from marketdata.feed import CHANNELS, Feed, Push
from marketdata.market import Market


class Client:
    """What an honest client does with the messages of one symbol."""

    def __init__(self, feed: Feed, symbol: str) -> None:
        self.symbol = symbol
        self.sequences: dict[str, int] = {}
        self.bids: dict[str, list] = {}
        self.asks: dict[str, list] = {}
        self.trades: list[dict[str, Any]] = []
        self.latest: dict[str, dict[str, Any]] = {}
        for channel in CHANNELS:
            self.take(feed.snapshot(channel, symbol))

    def take(self, push: Push) -> None:
        channel, data = push["channel"], push["data"]
        if push["type"] != "snapshot":
            assert push["previous_sequence"] == self.sequences[channel], "the chain is broken"
            assert push["sequence"] > self.sequences[channel]
        self.sequences[channel] = push["sequence"]
        if channel == "trades":
            news = data["items"] if push["type"] == "snapshot" else [data]
            self.trades = news + self.trades
        elif channel != "book":
            self.latest[channel] = data
        else:
            self.take_levels(data)

    def take_levels(self, data: dict[str, Any]) -> None:
        for side, levels in ((self.bids, data["bids"]), (self.asks, data["asks"])):
            for level in levels:
                if level[1] == "0":
                    assert level[2] == 0
                    del side[level[0]]
                else:
                    side[level[0]] = level
        assert checksum(*self.book()) == data["checksum"]

    def book(self) -> tuple[list, list]:
        """Bids and asks, best first."""
        return (
            sorted(self.bids.values(), key=lambda level: -float(level[0])),
            sorted(self.asks.values(), key=lambda level: float(level[0])),
        )


@given(command_seeds, st.data())
@settings(max_examples=60, deadline=None)
def test_snapshot_and_messages_give_the_market(seeds, data):
    """Over any flow, cut into steps anywhere, clients that join at any time agree with it."""
    answers = run_market_flow(ReferenceEngine(ROOMY_LIMITS), seeds)
    feed = Feed(Market())
    clients: list[Client] = []
    while answers:
        length = data.draw(st.integers(1, len(answers)))
        pushes = feed.apply(np.concatenate(answers[:length]))
        answers = answers[length:]
        for client in clients:
            for push in pushes:
                if push["symbol"] == client.symbol:
                    client.take(push)
        clients += [Client(feed, each.symbol) for each in feed.market.instruments]
    for client in clients:
        book = feed.market.book(client.symbol, depth=None)
        assert client.book() == (book["bids"], book["asks"])
        trades = feed.market.trades(client.symbol, limit=len(client.trades))["items"]
        assert client.trades == trades
        assert client.latest["ticker"] == feed.market.ticker(client.symbol)
        instrument = feed.market.instrument(client.symbol)
        assert client.latest["candles"] == instrument.candles.latest()


@given(command_seeds)
@settings(max_examples=20, deadline=None)
def test_the_chain_goes_on_after_a_load(seeds):
    """The first message after a start follows the snapshots taken before it."""
    answers = run_market_flow(ReferenceEngine(ROOMY_LIMITS), seeds)
    engine = ReferenceEngine(ROOMY_LIMITS)
    opening = run_market_flow(engine, [])
    state = engine.export()
    market = Market()
    feed = Feed(market)
    market.load(state.sequence, state.instruments, state.orders)
    clients = {each.symbol: Client(feed, each.symbol) for each in market.instruments}
    for events in answers[len(opening) :]:
        for push in feed.apply(events):
            if push["symbol"] in clients:
                clients[push["symbol"]].take(push)
    for symbol, client in clients.items():
        book = market.book(symbol, depth=None)
        assert client.book() == (book["bids"], book["asks"])


def test_nothing_changed_nothing_sent():
    """A step without public news gives no message at all."""
    feed = Feed(Market())
    answers = run_market_flow(ReferenceEngine(ROOMY_LIMITS), [])
    feed.apply(np.concatenate(answers))
    assert feed.apply(answers[0][:0]) == []
    accounts_only = ReferenceEngine(ROOMY_LIMITS)
    opened = run_market_flow(accounts_only, [])[2]
    assert Feed(Market()).apply(opened) == []


@pytest.mark.parametrize("of", [("depth", "CREDIT-1"), ("book", "NONE")])
def test_unknown_channels_and_symbols_are_errors(of):
    """Both are a KeyError, for the streams to turn into a problem."""
    feed = Feed(Market())
    feed.apply(np.concatenate(run_market_flow(ReferenceEngine(ROOMY_LIMITS), [])))
    with pytest.raises(KeyError):
        feed.snapshot(*of)
