"""Seeded flows for benchmarks: the same messages as engine commands and as plain tuples.

One instrument, one account that buys and one that sells (so no order meets its own), and a price
that wanders: of a hundred messages about 50 rest near the best prices, 10 take from the other side
at once (IOC), 30 cancel and 10 replace an order sent lately, which may be closed by then.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import numpy as np

from engine.codes import (
    CommandKind,
    OrderType,
    Phase,
    Purpose,
    SelfTradePrevention,
    Side,
    Target,
    TimeInForce,
)
from engine.packed_texts import pack_text
from engine.records import ADMIN_COMMAND, COMMAND, INSTRUMENT_COMMAND, ORDER_COMMAND
from engine.state import EngineLimits

LIMITS = EngineLimits(
    orders=65_536, accounts=8, positions=16, allowances=8, instruments=4, ladder_levels=65_536
)
_INSTRUMENT = 1
_ACCOUNTS = {Side.BUY: 1, Side.SELL: 2}
_REFERENCE_TICKS = 100_000
_RECENT_ORDERS = 400
_NS_PER_COMMAND = 1_000


class Message(NamedTuple):
    """One message, for a book that knows nothing but orders. A cancel has no price or quantity."""

    kind: int
    side: int
    client_id: int
    price_ticks: int
    quantity_lots: int
    is_ioc: bool


def messages(count: int, seed: int) -> list[Message]:
    """A flow of `count` messages; the same for the same seed."""
    random = Random(seed)
    middle_ticks = _REFERENCE_TICKS
    sides = [Side.BUY]  # of each client id; ids begin with 1
    flow = []
    for _ in range(count):
        middle_ticks += random.choice((-1, 0, 0, 0, 1))
        what = random.random()
        is_new = what < 0.6 or len(sides) == 1
        if is_new:
            client_id, side = len(sides), random.choice((Side.BUY, Side.SELL))
            sides.append(side)
        else:
            client_id = random.randrange(max(1, len(sides) - _RECENT_ORDERS), len(sides))
            side = sides[client_id]
        if not is_new and what < 0.9:
            flow.append(Message(CommandKind.CANCEL_ORDER, side, client_id, 0, 0, False))
            continue
        kind = CommandKind.NEW_ORDER if is_new else CommandKind.REPLACE_ORDER
        is_ioc = is_new and what < 0.1
        # An IOC reaches across the middle, everything else rests up to 20 ticks behind it.
        distance = -random.randint(1, 5) if is_ioc else random.randint(0, 20)
        price_ticks = middle_ticks + (distance if side == Side.SELL else -distance)
        quantity_lots = random.randint(1, 100)
        flow.append(Message(kind, side, client_id, price_ticks, quantity_lots, is_ioc))
    return flow


def to_commands(flow: list[Message], first_sequence: int) -> np.ndarray:
    """The flow as stamped commands, dtype COMMAND."""
    commands = np.zeros(len(flow), ORDER_COMMAND)
    kinds, sides, client_ids, prices, quantities, is_ioc = zip(*flow, strict=True)
    is_new = np.array(kinds) == CommandKind.NEW_ORDER
    commands["kind"] = kinds
    commands["instrument"] = _INSTRUMENT
    commands["account"] = [_ACCOUNTS[Side(side)] for side in sides]
    commands["client_id_low"] = client_ids
    commands["price_ticks"] = prices
    commands["quantity_lots"] = quantities
    commands["target"] = np.where(is_new, 0, Target.CLIENT_ORDER_ID)
    commands["side"] = np.where(is_new, sides, 0)
    commands["order_type"] = np.where(is_new, OrderType.LIMIT, 0)
    time_in_force = np.where(is_ioc, TimeInForce.IOC, TimeInForce.DAY)
    commands["time_in_force"] = np.where(is_new, time_in_force, 0)
    commands["self_trade_prevention"] = np.where(is_new, SelfTradePrevention.CANCEL_NEWEST, 0)
    commands["purpose"] = np.where(is_new, Purpose.VOLUNTARY, 0)
    return _stamped(commands.view(COMMAND), first_sequence)


def opening() -> np.ndarray:
    """Commands that set the scene: an open market, a buyer with cash, a seller with credits."""
    instrument = np.zeros(1, INSTRUMENT_COMMAND)
    instrument["kind"] = CommandKind.DEFINE_INSTRUMENT
    instrument["instrument"] = _INSTRUMENT
    instrument["symbol_high"], instrument["symbol_low"] = pack_text("BENCH")
    instrument["reference_price_ticks"] = _REFERENCE_TICKS
    instrument["price_limit_ppm"] = 100_000
    instrument["ladder_levels"] = 32_768
    instrument["tick_fen"] = 1
    instrument["maker_fee_ppm"], instrument["taker_fee_ppm"] = 200, 500
    instrument["maximum_order_lots"] = 1_000
    instrument["maximum_holding_lots"] = 2**40
    instrument["trading_day"] = 20_000

    admin = np.zeros(5, ADMIN_COMMAND)
    admin["kind"] = [
        CommandKind.OPEN_ACCOUNT,
        CommandKind.OPEN_ACCOUNT,
        CommandKind.DEPOSIT_CASH,
        CommandKind.DEPOSIT_CREDITS,
        CommandKind.SET_PHASE,
    ]
    buyer, seller = _ACCOUNTS[Side.BUY], _ACCOUNTS[Side.SELL]
    admin["account"] = [buyer, seller, buyer, seller, 0]
    admin["amount_fen"][2] = 2**50
    admin["quantity_lots"][3] = 2**40
    admin["instrument"][3:] = _INSTRUMENT
    admin["phase"][4] = Phase.CONTINUOUS
    return _stamped(np.concatenate([instrument.view(COMMAND), admin.view(COMMAND)]), 1)


def _stamped(commands: np.ndarray, first_sequence: int) -> np.ndarray:
    commands["sequence"] = np.arange(first_sequence, first_sequence + len(commands))
    commands["time_ns"] = commands["sequence"] * _NS_PER_COMMAND
    return commands
