"""Drives an engine in tests: builds and stamps commands, reads events, checks the state."""

from __future__ import annotations

from collections import Counter, defaultdict
from random import Random
from typing import Any

import numpy as np

from engine.codes import (
    CommandKind,
    EventKind,
    InstrumentFlag,
    OrderFlag,
    OrderType,
    Phase,
    Purpose,
    Resting,
    Side,
)
from engine.packed_texts import pack_text
from engine.queries import MatchingEngine
from engine.records import (
    ACCOUNT_LIMITS_EVENT,
    ADMIN_COMMAND,
    ADMIN_EVENT,
    AUCTION_EVENT,
    BLOCK_RULES_EVENT,
    COMMAND,
    INSTRUMENT_COMMAND,
    INSTRUMENT_EVENT,
    MATCH_COMMAND,
    ORDER_COMMAND,
    ORDER_EVENT,
    QUOTE_COMMAND,
    TRADE_EVENT,
)
from engine.state import EngineLimits, EngineState
from engine.units import ONE_MILLION, ORDER_SLOT_BITS

_AUCTION_EVENTS = (
    EventKind.AUCTION_ENDED,
    EventKind.VOLATILITY_INTERRUPTED,
    EventKind.PHASE_CHANGED,
    EventKind.VOLATILITY_SET,
)
# Either engine.
AnyEngine = MatchingEngine
SMALL_LIMITS = EngineLimits(
    orders=512, accounts=64, positions=256, allowances=32, instruments=8, ladder_levels=16_384
)
_EXTREMES = (
    0, 1, -1, 2, 63, 64, 255, 2**16, 2**24, 2**31 - 1, 2**31, -(2**31), 2**45, 2**45 + 1,
    2**60, 2**60 + 1, 2**63 - 1, -(2**63),
)  # fmt: skip
# What a test's clock starts with; commands are a microsecond apart.
FIRST_TIME_NS = 1_700_000_000_000_000_000


ORDER_EVENTS = (
    EventKind.ORDER_ACCEPTED,
    EventKind.ORDER_CANCELLED,
    EventKind.ORDER_AMENDED,
    EventKind.ORDER_TRIGGERED,
    EventKind.ORDER_REFRESHED,
)


def command_layout(kind: int) -> np.dtype:
    """The payload's layout for a kind of command; ADMIN_COMMAND for unknown ones."""
    is_of_orders = CommandKind.NEW_ORDER <= kind <= CommandKind.CANCEL_ALL
    if is_of_orders or kind == CommandKind.TAKE_ORDER:
        return ORDER_COMMAND
    if kind == CommandKind.SET_QUOTE:
        return QUOTE_COMMAND
    if kind == CommandKind.MATCH_ORDERS:
        return MATCH_COMMAND
    return INSTRUMENT_COMMAND if kind == CommandKind.DEFINE_INSTRUMENT else ADMIN_COMMAND


def event_layout(kind: int) -> np.dtype:
    """The payload's layout for a kind of event."""
    if kind in ORDER_EVENTS:
        return ORDER_EVENT
    if kind == EventKind.TRADE:
        return TRADE_EVENT
    if kind in _AUCTION_EVENTS:
        return AUCTION_EVENT
    if kind == EventKind.BLOCK_RULES_SET:
        return BLOCK_RULES_EVENT
    if kind == EventKind.ACCOUNT_LIMITS_SET:
        return ACCOUNT_LIMITS_EVENT
    return INSTRUMENT_EVENT if kind == EventKind.INSTRUMENT_DEFINED else ADMIN_EVENT


def make_command(kind: int, **fields: int) -> np.ndarray:
    """One command, shape (1,), dtype COMMAND, not stamped yet."""
    command = np.zeros(1, command_layout(kind))
    command["kind"] = kind
    for name, value in fields.items():
        command[name] = value
    return command.view(COMMAND)


def instrument_fields(**changes: int) -> dict[str, int]:
    """A plain instrument: tick 1 fen, 100.00 CNY, limits 10 %, no fees, no resale lock."""
    symbol_high, symbol_low = pack_text("DEMO")
    plain = {
        "instrument": 1,
        "symbol_high": symbol_high,
        "symbol_low": symbol_low,
        "reference_price_ticks": 10_000,
        "maximum_order_lots": 1_000,
        "maximum_holding_lots": 100_000,
        "tick_fen": 1,
        "price_limit_ppm": 100_000,
        "ladder_levels": 4_096,
        "trading_day": 20_000,
        "flags": InstrumentFlag.NONE,
    }
    return plain | changes


def define(instrument: int, **changes: int) -> np.ndarray:
    small = {"maximum_order_lots": 60, "maximum_holding_lots": 260, "ladder_levels": 64}
    fields = instrument_fields(instrument=instrument, **(small | changes))
    return make_command(CommandKind.DEFINE_INSTRUMENT, **fields)


def set_phase(instrument: int, phase: Phase) -> np.ndarray:
    return make_command(CommandKind.SET_PHASE, instrument=instrument, phase=phase)


def stamp(command: np.ndarray, sequence: int) -> np.ndarray:
    """Give a command what the core gives it, and a request id to look for in the reply."""
    command["sequence"] = sequence
    command["time_ns"] = FIRST_TIME_NS + 1_000 * sequence
    command["request_id"] = 1_000_000 + sequence
    return command


def spoil(random: Random, command: np.ndarray) -> None:
    """Put an extreme value into one field, or change the kind."""
    layout = command_layout(int(command["kind"][0]))
    stamped = ("sequence", "time_ns", "request_id", "reserved_header", "padding")
    name = random.choice([field for field in layout.names or () if field not in stamped])
    bounds = np.iinfo(layout[name])
    fitting = [value for value in _EXTREMES if bounds.min <= value <= bounds.max]
    power = 1 << random.randrange(bounds.bits - 1)
    command.view(layout)[name] = random.choice([random.choice(fitting), power, power - 1])


def send(engine: AnyEngine, command: np.ndarray) -> list[dict[str, Any]]:
    """Stamp one command, apply it, and return its events as dicts."""
    stamped = stamp(command, engine.sequence + 1)
    return read_events(engine.apply(stamped))


def read_events(events: np.ndarray) -> list[dict[str, Any]]:
    """Events as dicts of plain integers, without their padding."""
    read = []
    for index in range(len(events)):
        layout = event_layout(int(events["kind"][index]))
        row = events[index : index + 1].view(layout)[0]
        names = (name for name in layout.names or () if name != "padding")
        read.append({name: int(row[name]) for name in names})
    return read


def check_reply(command: np.ndarray, events: list[dict[str, Any]]) -> None:
    """What holds for the events of every command: the header, and that a refusal is alone."""
    assert events, "every command is answered"
    request_ids = [event["request_id"] for event in events]
    assert request_ids == [int(command["request_id"][0])] + [0] * (len(events) - 1)
    for event in events:
        assert event["sequence"] == command["sequence"][0]
        assert event["time_ns"] == command["time_ns"][0]
        assert event["gateway"] == command["gateway"][0]
        is_refusal = event["kind"] == EventKind.COMMAND_REFUSED
        assert is_refusal == (event["code"] != 0)
        assert not is_refusal or len(events) == 1


def check_state(state: EngineState) -> None:
    """Conservation, holds, counts, the book and the slots, all against the open orders."""
    orders = _rows(state.orders)
    positions = _rows(state.positions)
    instruments = _rows(state.instruments)
    _check_conservation(state, positions, instruments)
    _check_holds(state, orders, instruments)
    _check_positions(positions, orders)
    _check_book(orders, instruments)
    _check_slots(state, orders)


def _rows(array: np.ndarray) -> list[dict[str, int]]:
    """The rows of a structured array as dicts of plain integers."""
    return [dict(zip(array.dtype.names or (), row, strict=True)) for row in array.tolist()]


def _check_conservation(
    state: EngineState, positions: list[dict[str, int]], instruments: list[dict[str, int]]
) -> None:
    accounts = _rows(state.accounts)
    assert all(row["available_fen"] >= 0 and row["held_fen"] >= 0 for row in accounts)
    cash = sum(row["available_fen"] + row["held_fen"] for row in accounts)
    assert cash == state.counters["total_cash_fen"][0]

    credits = [0] * len(instruments)
    for row in positions:
        parts = [row["available_lots"], row["held_lots"], row["locked_lots"]]
        assert min(parts) >= 0
        credits[row["instrument"]] += sum(parts)
    assert credits == [row["total_credits_lots"] for row in instruments]


def _check_holds(
    state: EngineState, orders: list[dict[str, int]], instruments: list[dict[str, int]]
) -> None:
    held_fen: Counter[int] = Counter()
    open_orders: Counter[int] = Counter()
    compliance: Counter[tuple[int, int]] = Counter()
    for order in orders:
        open_orders[order["account"]] += 1
        if order["side"] == Side.BUY:
            held_fen[order["account"]] += _hold_fen(instruments[order["instrument"]], order)
        if order["purpose"] == Purpose.COMPLIANCE:
            compliance[order["account"], order["scheme"]] += order["remaining_lots"]
    for number, account in enumerate(_rows(state.accounts)):
        assert account["held_fen"] == held_fen[number]
        assert account["open_orders"] == open_orders[number]
        assert account["is_open"] or account["open_orders"] == 0
    for row in _rows(state.allowances):
        assert row["open_lots"] == compliance.pop((row["account"], row["scheme"]), 0)
    assert not compliance, "every compliance order has an allowance"


def _hold_fen(instrument: dict[str, int], order: dict[str, int]) -> int:
    notional = order["price_ticks"] * instrument["tick_fen"] * order["remaining_lots"]
    fee_ppm = max(instrument["maker_fee_ppm"], instrument["taker_fee_ppm"])
    return notional + notional * fee_ppm // ONE_MILLION


def _check_positions(positions: list[dict[str, int]], orders: list[dict[str, int]]) -> None:
    lots: Counter[tuple[int, int, int]] = Counter()
    quotes: dict[tuple[int, int, int], int] = {}
    for order in orders:
        key = (order["account"], order["instrument"], order["side"])
        lots[key] += order["remaining_lots"]
        if order["flags"] & OrderFlag.QUOTE:
            assert key not in quotes, "at most one quote stands on a side"
            quotes[key] = order["order_id"]
    for row in positions:
        bid = (row["account"], row["instrument"], int(Side.BUY))
        ask = (row["account"], row["instrument"], int(Side.SELL))
        assert row["buying_lots"] == lots.pop(bid, 0)
        assert row["held_lots"] == lots.pop(ask, 0)
        assert row["bid_quote_order_id"] == quotes.get(bid, 0)
        assert row["ask_quote_order_id"] == quotes.get(ask, 0)
    assert not lots, "every order has a position"


def _check_book(orders: list[dict[str, int]], instruments: list[dict[str, int]]) -> None:
    places = [_place(order) for order in orders]
    assert places == sorted(places)
    prices: dict[tuple[int, int], list[int]] = defaultdict(list)
    own: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for order in orders:
        instrument = instruments[order["instrument"]]
        price = order["price_ticks"]
        assert 0 < order["remaining_lots"] <= order["quantity_lots"]
        if order["resting"] == Resting.OFF_BOOK:
            assert order["order_type"] >= OrderType.BLOCK
            continue
        if order["resting"] == Resting.STOPS:
            _check_pending(order, instrument)
            continue
        assert order["order_type"] < OrderType.BLOCK
        shown_lots = order["display_quantity_lots"] or order["remaining_lots"]
        assert 0 < order["shown_lots"] <= min(shown_lots, order["remaining_lots"])
        prices[order["instrument"], order["side"]].append(price)
        own[order["instrument"], order["side"], order["account"]].append(price)
    for number, instrument in enumerate(instruments):
        bids, asks = prices[number, int(Side.BUY)], prices[number, int(Side.SELL)]
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        may_cross = instrument["phase"] not in (Phase.CONTINUOUS, Phase.CLOSED)
        assert may_cross or not bids or not asks or bids[0] < asks[0], "the book is crossed"
    for (number, side, account), bids in own.items():
        asks = own.get((number, int(Side.SELL), account), [])
        is_bid = side == Side.BUY and bool(asks)
        assert not is_bid or bids[0] < asks[0], "an account would trade with itself"


def _place(order: dict[str, int]) -> tuple[int, ...]:
    """What exported orders ascend by: instrument, book or stops or neither, then side, or id."""
    is_off_book = order["resting"] == Resting.OFF_BOOK
    within = order["order_id"] if is_off_book else order["side"]
    return (order["instrument"], order["resting"], within)


def _check_pending(order: dict[str, int], instrument: dict[str, int]) -> None:
    stop, last = order["stop_price_ticks"], instrument["last_price_ticks"]
    assert order["shown_lots"] == order["display_quantity_lots"] == 0
    assert instrument["lower_limit_ticks"] <= stop <= instrument["upper_limit_ticks"]
    if last and instrument["phase"] == Phase.CONTINUOUS:
        assert stop > last if order["side"] == Side.BUY else stop < last, "no stop waits in vain"


def _check_slots(state: EngineState, orders: list[dict[str, int]]) -> None:
    taken = [order["order_id"] & ((1 << ORDER_SLOT_BITS) - 1) for order in orders]
    assert sorted(taken + state.free_slots.tolist()) == list(range(1, state.slots_used + 1))
