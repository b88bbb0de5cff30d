"""The market's state after events: against the engine's own book, and across restarts."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from engine_driver import (
    SMALL_LIMITS,
    instrument_fields,
    make_command,
    stamp,
)
from engine_flows import ROOMY_LIMITS, command_seeds
from hypothesis import example, given, settings
from hypothesis import strategies as st
from market_flows import run_market_flow

from engine.codes import CommandKind, EventKind, Phase, Resting, Side
from engine.decimals import format_price
from engine.matching.reference import ReferenceEngine
from engine.packed_texts import pack_text
from engine.records import AUCTION_EVENT
from engine.state import EngineState
from marketdata.market import Market, PastTrade

SYMBOL = "CREDIT-1"


class Exchange:
    """A reference engine with one instrument, and a market that follows it."""

    def __init__(self) -> None:
        self.engine = ReferenceEngine(SMALL_LIMITS)
        self.market = Market()
        self.answers: list[np.ndarray] = []
        high, low = pack_text(SYMBOL)
        fields = instrument_fields(symbol_high=high, symbol_low=low, reference_price_ticks=5_000)
        self.send(CommandKind.DEFINE_INSTRUMENT, **fields)
        for account in (1, 2):
            self.send(CommandKind.OPEN_ACCOUNT, account=account)
            self.send(CommandKind.DEPOSIT_CASH, account=account, amount_fen=10**9)
            self.send(
                CommandKind.DEPOSIT_CREDITS, account=account, instrument=1, quantity_lots=10_000
            )
        self.send(CommandKind.SET_PHASE, instrument=1, phase=Phase.CONTINUOUS)

    def send(self, kind: CommandKind, **fields: int) -> None:
        command = stamp(make_command(kind, **fields), self.engine.sequence + 1)
        self.answers.append(self.engine.apply(command).copy())
        self.market.apply(self.answers[-1])

    def order(self, account: int, side: Side, price_ticks: int, quantity_lots: int) -> None:
        self.send(
            CommandKind.NEW_ORDER,
            account=account,
            instrument=1,
            side=side,
            order_type=1,
            time_in_force=1,
            price_ticks=price_ticks,
            quantity_lots=quantity_lots,
            self_trade_prevention=1,
            purpose=1,
        )


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


def books_of(state: EngineState) -> dict[str, tuple[list, list]]:
    """Both sides of each instrument's book, added up from the engine's own open orders."""
    levels: dict = defaultdict(lambda: [0, 0])
    for order in state.orders[state.orders["resting"] == Resting.BOOK]:
        level = levels[int(order["instrument"]), int(order["side"]), int(order["price_ticks"])]
        level[0] += int(order["shown_lots"])
        level[1] += 1
    books = {}
    for number in np.flatnonzero(state.instruments["is_defined"]).tolist():
        tick_fen = int(state.instruments[number]["tick_fen"])
        books[f"CREDIT-{number}"] = tuple(
            [
                [format_price(price, tick_fen), str(quantity), orders]
                for (of, on, price), (quantity, orders) in sorted(
                    levels.items(), reverse=side == Side.BUY
                )
                if (of, on) == (number, side)
            ]
            for side in (Side.BUY, Side.SELL)
        )
    return books


def listed_of(state: EngineState) -> list[tuple[str, str]]:
    """The shown orders of the instrument whose orders may be taken by their ids, in their order."""
    is_shown = (state.orders["instrument"] == 2) & (state.orders["resting"] == Resting.BOOK)
    return [(str(order["order_id"]), str(order["shown_lots"])) for order in state.orders[is_shown]]


def listed(market: Market) -> list[tuple[str, str]]:
    """The same as the market lists it."""
    items = market.listings("CREDIT-2", limit=1_000)
    return [(item["order_id"], item["quantity"]) for item in items]


def books_shown(market: Market) -> dict[str, tuple[list, list]]:
    """The same as the market shows it."""
    books = {}
    for instrument in market.instruments:
        book = market.book(instrument.symbol, depth=None)
        books[instrument.symbol] = (book["bids"], book["asks"])
    return books


def figures(market: Market) -> dict[str, tuple]:
    """Everything else that is shown, for each instrument; sequences depend on the steps."""
    return {
        each.symbol: (
            {name: value for name, value in each.ticker_view().items() if name != "sequence"},
            market.trades(each.symbol, limit=1_000),
            market.candles(each.symbol, "1m", limit=1_000),
            each.candles.latest(),
        )
        for each in market.instruments
    }


@given(command_seeds, st.data())
@settings(max_examples=60, deadline=None)
def test_the_books_are_the_engines(seeds, data):
    """After any flow, cut into steps anywhere, each level agrees with the engine's open orders."""
    engine = ReferenceEngine(ROOMY_LIMITS)
    answers = run_market_flow(engine, seeds)
    market = Market()
    while answers:
        length = data.draw(st.integers(1, len(answers)))
        market.apply(np.concatenate(answers[:length]))
        answers = answers[length:]
    assert books_shown(market) == books_of(engine.export())
    assert listed(market) == listed_of(engine.export())
    assert market.sequence == engine.sequence


@given(command_seeds, st.data())
@settings(max_examples=60, deadline=None)
def test_a_market_loaded_anywhere_is_as_good_as_one_that_saw_all(seeds, data):
    """Stored trades up to one command, the core's state at a later one, the stream from the first.

    So a restarted gateway shows what it would have shown without the restart.
    """
    answers = run_market_flow(ReferenceEngine(ROOMY_LIMITS), seeds)
    whole = Market()
    past: list[PastTrade] = []
    loaded_at = data.draw(st.integers(0, len(answers)))
    stored_to = data.draw(st.integers(0, loaded_at))
    for number, events in enumerate(answers, start=1):
        for change in whole.apply(events):
            each = change.instrument
            if number <= stored_to:
                past += [
                    PastTrade(t[0], each.symbol, *t[1:5], each.trading_day, t[5])
                    for t in change.trades
                ]
    engine = ReferenceEngine(ROOMY_LIMITS)
    run_market_flow(engine, seeds[: max(0, loaded_at - (len(answers) - len(seeds)))])
    state = engine.export()
    loaded_at = max(loaded_at, state.sequence)  # the opening commands are always there
    market = Market()
    market.load(state.sequence, state.instruments, state.orders, past)
    assert books_shown(market) == books_of(state)
    rest = answers[stored_to:]
    if rest:
        market.apply(np.concatenate(rest))
    assert books_shown(market) == books_shown(whole)
    assert figures(market) == figures(whole)


def test_a_trade_shows_everywhere(exchange):
    """Book, tape, ticker and candles after one trade of half of a resting order."""
    exchange.order(1, Side.SELL, 5_010, 10)
    exchange.order(2, Side.BUY, 5_020, 4)
    book = exchange.market.book(SYMBOL)
    assert (book["bids"], book["asks"]) == ([], [["50.10", "6", 1]])
    assert book["sequence"] == exchange.engine.sequence
    trades = exchange.market.trades(SYMBOL)["items"]
    assert [(each["price"], each["quantity"], each["taker_side"]) for each in trades] == [
        ("50.10", "4", "buy")
    ]
    ticker = exchange.market.ticker(SYMBOL)
    assert (ticker["last"], ticker["change"], ticker["volume"]) == ("50.10", "0.10", "4")
    assert (ticker["bid"], ticker["ask"], ticker["ask_quantity"]) == (None, "50.10", "6")
    assert ticker["phase"] == "continuous"
    candle = exchange.market.candles(SYMBOL, "1h")["items"][0]
    assert (candle["close"], candle["turnover"]) == ("50.10", "200.40")


def test_a_new_day_resets_the_figures(exchange):
    """After ROLL_DAY the reference price is the close, the day's figures are empty."""
    exchange.order(1, Side.SELL, 5_010, 10)
    exchange.order(2, Side.BUY, 5_010, 4)
    exchange.send(CommandKind.SET_PHASE, instrument=1, phase=Phase.CLOSED)
    assert exchange.market.book(SYMBOL)["asks"] == []
    exchange.send(
        CommandKind.ROLL_DAY, instrument=1, reference_price_ticks=5_010, trading_day=20_001
    )
    ticker = exchange.market.ticker(SYMBOL)
    assert (ticker["phase"], ticker["trading_day"]) == ("closed", "2024-10-05")
    assert (ticker["reference_price"], ticker["lower_limit"]) == ("50.10", "45.09")
    assert (ticker["last"], ticker["open"], ticker["volume"]) == ("50.10", None, "0")


def test_an_auction_shows_what_it_would_come_to(exchange):
    """Price, quantity and surplus while the books cross, and when the phase is planned to end."""
    ends_at_ns = 1_700_000_000 * 10**9
    phase = {"instrument": 1, "phase": Phase.CALL_AUCTION, "ends_at_ns": ends_at_ns}
    exchange.send(CommandKind.SET_PHASE, **phase)
    exchange.order(1, Side.SELL, 4_990, 4)
    ticker = exchange.market.ticker(SYMBOL)
    assert (ticker["phase"], ticker["ends_at"]) == ("call_auction", "2023-11-14T22:13:20.000000Z")
    assert ticker["indicative_price"] is None
    exchange.order(2, Side.BUY, 5_010, 10)
    ticker = exchange.market.ticker(SYMBOL)
    names = ("bid", "ask", "indicative_price", "indicative_quantity", "indicative_surplus")
    assert tuple(ticker[name] for name in names) == ("50.10", "49.90", "50.10", "4", "6")
    book = exchange.market.book(SYMBOL)
    assert (book["bids"], book["asks"]) == ([["50.10", "10", 1]], [["49.90", "4", 1]])
    exchange.send(CommandKind.SET_PHASE, instrument=1, phase=Phase.CONTINUOUS)
    ticker = exchange.market.ticker(SYMBOL)
    assert (ticker["last"], ticker["volume"], ticker["ends_at"]) == ("50.10", "4", None)
    assert ticker["indicative_price"] is None
    assert exchange.market.book(SYMBOL)["bids"] == [["50.10", "6", 1]]


@given(command_seeds)
@example([1, 214, 152464, 0, 11176, 1272])  # an iceberg in the auction: what it hides counts
@settings(max_examples=60, deadline=None)
def test_an_auction_ends_as_its_last_ticker_said(seeds):
    """What the market shows just before is what the engine does, in any flow."""
    market = Market()
    for answer in run_market_flow(ReferenceEngine(ROOMY_LIMITS), seeds):
        shown = {
            each.number: each.indicative()
            for each in market.instruments
            if each.phase == Phase.CALL_AUCTION
        }
        market.apply(answer)
        ended = answer[answer["kind"] == EventKind.AUCTION_ENDED].view(AUCTION_EVENT)
        for event in ended[np.isin(ended["instrument"], list(shown))]:
            result = tuple(event[["price_ticks", "quantity_lots", "surplus_lots"]].tolist())
            assert result == shown[int(event["instrument"])]


def test_pages_of_trades_follow_the_cursor(exchange):
    """Newest first; the cursor leads to older ones, and is null at the end."""
    exchange.order(1, Side.SELL, 5_000, 5)
    for _ in range(5):
        exchange.order(2, Side.BUY, 5_000, 1)
    pages, cursor = [], None
    while True:
        page = exchange.market.trades(SYMBOL, limit=2, cursor=cursor)
        pages.append([each["trade_id"] for each in page["items"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == [["5", "4"], ["3", "2"], ["1"]]


def test_pages_of_candles_follow_the_cursor(exchange):
    """Newest first, one page after the other, until the cursor is null."""
    instrument = exchange.market.instrument(SYMBOL)
    start_ns = 1_763_602_200_000_000_000
    for minute in range(3):
        instrument.candles.add(start_ns + minute * 60_000_000_000, 5_000 + minute, 1)
    first = exchange.market.candles(SYMBOL, "1m", limit=2)
    assert [each["open"] for each in first["items"]] == ["50.02", "50.01"]
    second = exchange.market.candles(SYMBOL, "1m", limit=2, cursor=first["next_cursor"])
    assert [each["open"] for each in second["items"]] == ["50.00"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda market: market.book("NONE"), KeyError),
        (lambda market: market.ticker("NONE"), KeyError),
        (lambda market: market.trades("NONE"), KeyError),
        (lambda market: market.candles(SYMBOL, "2m"), KeyError),
        (lambda market: market.trades(SYMBOL, cursor="-1"), ValueError),
        (lambda market: market.trades(SYMBOL, cursor="1_0"), ValueError),
        (lambda market: market.candles(SYMBOL, cursor="\u0661"), ValueError),
    ],
)
def test_unknown_things_are_errors(exchange, ask, error):
    """An unknown symbol or interval is a KeyError, a wrong cursor a ValueError."""
    with pytest.raises(error):
        ask(exchange.market)


def test_a_refused_command_changes_nothing(exchange):
    """Its event moves the market's sequence and nothing else."""
    exchange.order(1, Side.SELL, 5_010, 10)
    before = figures(exchange.market), exchange.market.book(SYMBOL)
    exchange.order(1, Side.SELL, 9_999, 10)
    assert (figures(exchange.market), exchange.market.book(SYMBOL)) == before
    assert exchange.market.sequence == exchange.engine.sequence
