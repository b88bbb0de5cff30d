"""The part of generated flows that is negotiated: blocks, auctions, orders taken by their ids."""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

import numpy as np
from engine_driver import make_command

from engine.codes import (
    CommandKind,
    OrderType,
    Purpose,
    SelfTradePrevention,
    Side,
    TimeInForce,
)


class Known(NamedTuple):
    """What a flow knows when a command is made."""

    accounts: tuple[int, ...]
    centres: dict[int, int]  # price in ticks by instrument
    lots: int  # quantities are multiples of it
    open_orders: dict[int, dict[str, int]]  # by order id
    closed_ids: list[int]
    time_ns: int


def negotiation(random: Random, known: Known, client_id: int) -> np.ndarray:
    """One of the commands, by how often each is of use."""
    make: Any = random.choices(
        (_place_off_book, _match_orders, _take_order, _set_block_rules), (12, 8, 6, 2)
    )[0]
    kind, fields = make(random, known)
    if kind != CommandKind.SET_BLOCK_RULES:
        fields["client_id_low"] = client_id
    return make_command(kind, **fields)


def set_block_rules(instrument: int, minimum: int = 1, limit: int = 300_000, **more: int) -> Any:
    """SET_BLOCK_RULES; without more the window is open."""
    return make_command(
        CommandKind.SET_BLOCK_RULES,
        instrument=instrument,
        quantity_lots=minimum,
        block_limit_ppm=limit,
        **{"is_open": 1} | more,
    )


def _place_off_book(random: Random, known: Known) -> tuple[CommandKind, dict[str, int]]:
    """A side of a block trade or of an auction, at prices at which both sides often meet."""
    instrument = random.choice(list(known.centres))
    side = random.choice((Side.BUY, Side.SELL))
    distance = random.choice((-2, 0, 0, 1)) * (1 if side == Side.SELL else -1)
    [time_in_force] = random.choices((TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD), (5, 5, 1))
    fields = {
        "account": random.choice(known.accounts),
        "instrument": instrument,
        "side": side,
        "order_type": random.choice((OrderType.BLOCK, OrderType.BID)),
        "time_in_force": time_in_force,
        "price_ticks": max(1, known.centres[instrument] + distance),
        "quantity_lots": known.lots * random.choice((1, 2, 3, 5, 8)),
        "self_trade_prevention": SelfTradePrevention.CANCEL_NEWEST,
        "purpose": random.choice((Purpose.VOLUNTARY, Purpose.EVENT)),
    }
    if time_in_force == TimeInForce.GTD:
        fields["expires_at_ns"] = known.time_ns + 100_000
    if side == Side.BUY and random.random() < 0.2:
        fields |= {"purpose": Purpose.COMPLIANCE, "scheme": 1, "account": 1}
    return CommandKind.NEW_ORDER, fields


def _match_orders(random: Random, known: Known) -> tuple[CommandKind, dict[str, int]]:
    """Two orders off the book that could trade, if there are any; else any one with itself."""
    orders = [order for order in known.open_orders.values() if order["order_type"] >= 3]
    pairs = [
        (maker, taker)
        for maker in orders
        for taker in orders
        if maker["side"] != taker["side"]
        and maker["order_type"] == taker["order_type"]
        and maker["instrument"] == taker["instrument"]
    ]
    if not pairs or random.random() < 0.1:
        order_id = random.choice([*known.closed_ids, *known.open_orders])
        pairs = [({"order_id": order_id, "instrument": 1, "price_ticks": 100},) * 2]
    maker, taker = random.choice(pairs)
    return CommandKind.MATCH_ORDERS, {
        "instrument": maker["instrument"],
        "maker_order_id": maker["order_id"],
        "taker_order_id": taker["order_id"],
        "price_ticks": random.choice((maker["price_ticks"], taker["price_ticks"])),
        "quantity_lots": known.lots * random.choice((1, 1, 2, 3)),
    }


def _take_order(random: Random, known: Known) -> tuple[CommandKind, dict[str, int]]:
    """Any open order, or now and then one that is closed."""
    closed = {"order_id": random.choice(known.closed_ids), "instrument": 2, "side": Side.SELL}
    chosen = [closed | {"price_ticks": known.centres[2]}]
    if known.open_orders and random.random() < 0.9:
        chosen = list(known.open_orders.values())
    target = random.choice(chosen)
    return CommandKind.TAKE_ORDER, {
        "account": random.choice(known.accounts),
        "instrument": target["instrument"],
        "order_id": target["order_id"],
        "side": Side(1 - target["side"]),
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.IOC,
        "price_ticks": target["price_ticks"] + random.choice((0, 0, 0, 1, -1)),
        "quantity_lots": known.lots * random.choice((1, 1, 2, 5)),
        "self_trade_prevention": SelfTradePrevention.CANCEL_NEWEST,
        "purpose": Purpose.VOLUNTARY,
    }


def _set_block_rules(random: Random, known: Known) -> tuple[CommandKind, dict[str, int]]:
    return CommandKind.SET_BLOCK_RULES, {
        "instrument": random.choice(list(known.centres)),
        "quantity_lots": known.lots * random.choice((1, 1, 2, 5)),
        "block_limit_ppm": random.choice((300_000, 300_000, 10_000, 0)),
        "is_open": random.choice((1, 1, 0)),
    }
