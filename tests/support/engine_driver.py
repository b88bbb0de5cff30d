"""Drives an engine in tests: builds and stamps commands, reads events, checks the state."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from engine.codes import CommandKind, EventKind, InstrumentFlag, OrderFlag, Purpose, Side
from engine.queries import MatchingEngine as AnyEngine
from engine.records import (
    ADMIN_COMMAND,
    ADMIN_EVENT,
    COMMAND,
    INSTRUMENT_COMMAND,
    INSTRUMENT_EVENT,
    ORDER_COMMAND,
    ORDER_EVENT,
    QUOTE_COMMAND,
    TRADE_EVENT,
    pack_text,
)
from engine.state import EngineLimits, EngineState
from engine.units import ONE_MILLION, ORDER_SLOT_BITS

SMALL_LIMITS = EngineLimits(
    orders=512, accounts=64, positions=256, allowances=32, instruments=8, ladder_levels=16_384
)
# What a test's clock starts with; commands are a microsecond apart.
FIRST_TIME_NS = 1_700_000_000_000_000_000


def command_layout(kind: int) -> np.dtype:
    """The payload's layout for a kind of command; ADMIN_COMMAND for unknown ones."""
    if CommandKind.NEW_ORDER <= kind <= CommandKind.CANCEL_ALL:
        return ORDER_COMMAND
    if kind == CommandKind.SET_QUOTE:
        return QUOTE_COMMAND
    return INSTRUMENT_COMMAND if kind == CommandKind.DEFINE_INSTRUMENT else ADMIN_COMMAND


def event_layout(kind: int) -> np.dtype:
    """The payload's layout for a kind of event."""
    if kind <= EventKind.ORDER_AMENDED:
        return ORDER_EVENT
    if kind == EventKind.TRADE:
        return TRADE_EVENT
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


def stamp(command: np.ndarray, sequence: int) -> np.ndarray:
    """Give a command what the core gives it, and a request id to look for in the reply."""
    command["sequence"] = sequence
    command["time_ns"] = FIRST_TIME_NS + 1_000 * sequence
    command["request_id"] = 1_000_000 + sequence
    return command


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
    _check_conservation(state)
    _check_holds(state)
    _check_positions(state)
    _check_book(state)
    _check_slots(state)


def _check_conservation(state: EngineState) -> None:
    accounts, positions = state.accounts, state.positions
    assert (accounts["available_fen"] >= 0).all()
    assert (accounts["held_fen"] >= 0).all()
    cash = accounts["available_fen"].sum() + accounts["held_fen"].sum()
    assert cash == state.counters["total_cash_fen"][0]

    credits = np.zeros(len(state.instruments), np.int64)
    for name in ("available_lots", "held_lots", "locked_lots"):
        assert (positions[name] >= 0).all()
        np.add.at(credits, positions["instrument"], positions[name])
    assert (credits == state.instruments["total_credits_lots"]).all()


def _check_holds(state: EngineState) -> None:
    held_fen: dict[int, int] = defaultdict(int)
    open_orders: dict[int, int] = defaultdict(int)
    compliance: dict[tuple[int, int], int] = defaultdict(int)
    for order in state.orders:
        account = int(order["account"])
        open_orders[account] += 1
        if order["side"] == Side.BUY:
            held_fen[account] += _hold_fen(state.instruments[order["instrument"]], order)
        if order["purpose"] == Purpose.COMPLIANCE:
            compliance[account, int(order["scheme"])] += int(order["remaining_lots"])
    for number, account_row in enumerate(state.accounts):
        assert account_row["held_fen"] == held_fen[number]
        assert account_row["open_orders"] == open_orders[number]
        assert account_row["is_open"] or account_row["open_orders"] == 0
    for row in state.allowances:
        assert row["open_lots"] == compliance.pop((int(row["account"]), int(row["scheme"])), 0)
    assert not compliance, "every compliance order has an allowance"


def _hold_fen(instrument: Any, order: Any) -> int:
    price_fen = int(order["price_ticks"]) * int(instrument["tick_fen"])
    notional = price_fen * int(order["remaining_lots"])
    fee_ppm = max(int(instrument["maker_fee_ppm"]), int(instrument["taker_fee_ppm"]))
    return notional + notional * fee_ppm // ONE_MILLION


def _check_positions(state: EngineState) -> None:
    lots: dict[tuple[int, int, int], int] = defaultdict(int)
    quotes: dict[tuple[int, int, int], int] = {}
    for order in state.orders:
        key = (int(order["account"]), int(order["instrument"]), int(order["side"]))
        lots[key] += int(order["remaining_lots"])
        if order["flags"] & OrderFlag.QUOTE:
            assert key not in quotes, "at most one quote stands on a side"
            quotes[key] = int(order["order_id"])
    for row in state.positions:
        account, instrument = int(row["account"]), int(row["instrument"])
        assert row["buying_lots"] == lots.pop((account, instrument, Side.BUY), 0)
        assert row["held_lots"] == lots.pop((account, instrument, Side.SELL), 0)
        assert row["bid_quote_order_id"] == quotes.get((account, instrument, Side.BUY), 0)
        assert row["ask_quote_order_id"] == quotes.get((account, instrument, Side.SELL), 0)
    assert not lots, "every order has a position"


def _check_book(state: EngineState) -> None:
    for number in np.unique(state.orders["instrument"]):
        orders = state.orders[state.orders["instrument"] == number]
        instrument = state.instruments[number]
        prices = orders["price_ticks"]
        assert (prices >= instrument["lower_limit_ticks"]).all()
        assert (prices <= instrument["upper_limit_ticks"]).all()
        assert (orders["remaining_lots"] > 0).all()
        assert (orders["remaining_lots"] <= orders["quantity_lots"]).all()
        bids = prices[orders["side"] == Side.BUY]
        asks = prices[orders["side"] == Side.SELL]
        assert (np.diff(orders["side"].astype(int)) >= 0).all()
        assert (np.diff(bids) <= 0).all()
        assert (np.diff(asks) >= 0).all()
        assert not len(bids) or not len(asks) or bids[0] < asks[0], "the book is crossed"


def _check_slots(state: EngineState) -> None:
    taken = [int(order_id) & ((1 << ORDER_SLOT_BITS) - 1) for order_id in state.orders["order_id"]]
    slots = taken + [int(slot) for slot in state.free_slots]
    assert sorted(slots) == list(range(1, state.slots_used + 1))
