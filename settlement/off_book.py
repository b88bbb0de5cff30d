"""What negotiated trades ask of the engine: orders off the book, their matches, their ends.

Every order and match carries a client id derived from a key, which the engine takes only once: so
each of these can be asked for again after a crash, and has its effect once.
"""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

import numpy as np

from engine.codes import (
    Code,
    CommandKind,
    OrderFlag,
    OrderType,
    Purpose,
    SelfTradePrevention,
    Side,
    Target,
    TimeInForce,
)
from engine.packed_texts import pack_client_id
from engine.records import ADMIN_EVENT, COMMAND, MATCH_COMMAND, ORDER_COMMAND, ORDER_EVENT
from settlement.errors import Refused
from settlement.ports import EnginePort

_KEYS = uuid.UUID("0a5d7d52-8d6c-4f7e-9f53-0d3f5a4e2c11")
# The code of the public contract, and what is said of it in English and Chinese.
_REFUSALS = {
    Code.BLOCK_WINDOW_CLOSED: (
        "market_closed",
        "The window for block trades is not open.",
        "当前不在大宗协议交易时段内。",
    ),
    Code.BELOW_MINIMUM_BLOCK: (
        "invalid_request",
        "The quantity is below the smallest block.",
        "数量低于大宗协议交易的最低限额。",
    ),
    Code.MARKET_HALTED: ("market_halted", "Trading is halted.", None),
    Code.QUANTITY_TOO_LARGE: (
        "quantity_too_large",
        "The quantity is too large at this price.",
        None,
    ),
    Code.PRICE_OUTSIDE_LIMITS: (
        "price_outside_limits",
        "The price is outside the limits of block trades.",
        "价格超出大宗协议交易的涨跌幅限制。",
    ),
    Code.INSUFFICIENT_FUNDS: (
        "insufficient_funds",
        "Available cash does not cover the order.",
        None,
    ),
    Code.INSUFFICIENT_CREDITS: (
        "insufficient_credits",
        "Available credits do not cover the order.",
        None,
    ),
    Code.RESALE_LOCKED: ("resale_locked", "Credits bought today cannot be sold today.", None),
    Code.MAX_HOLDING_EXCEEDED: (
        "max_holding_exceeded",
        "The account would hold more than is allowed.",
        None,
    ),
    Code.ACCOUNT_BLOCKED: ("forbidden", "The account is blocked.", "该账户已被冻结。"),
    Code.UNKNOWN_ACCOUNT: ("not_found", "The account is not open on the exchange.", None),
    Code.UNKNOWN_INSTRUMENT: ("unknown_instrument", "There is no such instrument.", None),
    Code.ORDER_NOT_OPEN: (
        "order_not_open",
        "The other side's order is no longer open.",
        "对方的申报已失效。",
    ),
}
# Which field of the request they are about.
_FIELDS = {
    Code.BELOW_MINIMUM_BLOCK: "quantity",
    Code.QUANTITY_TOO_LARGE: "quantity",
    Code.PRICE_OUTSIDE_LIMITS: "price",
    Code.INSUFFICIENT_CREDITS: "quantity",
    Code.RESALE_LOCKED: "quantity",
    Code.MAX_HOLDING_EXCEEDED: "quantity",
}


class OffBookOrder(NamedTuple):
    """An order that only MATCH_ORDERS trades."""

    account: int
    instrument: int
    order_type: OrderType
    side: int
    price_ticks: int
    quantity_lots: int
    time_in_force: TimeInForce


class Entered(NamedTuple):
    """What became of an order; OK with its id, also if it was entered by an earlier try."""

    code: Code
    order_id: int


def enter(port: EnginePort, order: OffBookOrder, key: str) -> Entered:
    """Enter an order off the book under a key of its own."""
    [events] = port.submit(
        _command(
            ORDER_COMMAND,
            CommandKind.NEW_ORDER,
            key,
            **order._asdict(),
            flags=OrderFlag.CLIENT_ID_IS_UUID,
            self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST,
            purpose=Purpose.VOLUNTARY,
        )
    )
    code = Code(int(events[0]["code"]))
    if code is Code.OK:
        return Entered(code, int(events[:1].view(ORDER_EVENT)["order_id"][0]))
    if code is Code.DUPLICATE_CLIENT_ORDER_ID:
        return Entered(Code.OK, int(events[:1].view(ADMIN_EVENT)["order_id"][0]))
    return Entered(code, 0)


def match(port: EnginePort, key: str, **terms: int) -> Code:
    """Let two orders trade, by the fields of MATCH_COMMAND; OK too if they have by this key."""
    [events] = port.submit(_command(MATCH_COMMAND, CommandKind.MATCH_ORDERS, key, **terms))
    code = Code(int(events[0]["code"]))
    return Code.OK if code is Code.DUPLICATE_CLIENT_ORDER_ID else code


def cancel(port: EnginePort, account: int, order_id: int) -> Code:
    """Take an order off; ORDER_NOT_OPEN if it is closed already."""
    fields = {"account": account, "target": Target.ORDER_ID, "order_id": order_id}
    [events] = port.submit(_command(ORDER_COMMAND, CommandKind.CANCEL_ORDER, None, **fields))
    code = Code(int(events[0]["code"]))
    assert code in (Code.OK, Code.ORDER_NOT_OPEN), f"an order of ours is not cancelled: {code.name}"
    return code


def opposite(side: int) -> int:
    return Side.SELL if side == Side.BUY else Side.BUY


def refusal(code: Code) -> Refused:
    """The engine's refusal in the words of the public contract."""
    other = ("conflict", f"The exchange refuses it: {code.name}.", None)
    name, detail, detail_zh = _REFUSALS.get(code, other)
    return Refused(name, detail, detail_zh=detail_zh, field=_FIELDS.get(code))


def _command(layout: np.dtype[Any], kind: CommandKind, key: str | None, **fields: int) -> Any:
    command = np.zeros(1, layout)
    command["kind"] = kind
    for name, value in fields.items():
        command[name] = value
    if key is not None:
        high, low, _ = pack_client_id(str(uuid.uuid5(_KEYS, key)))
        command["client_id_high"], command["client_id_low"] = high, low
    return command.view(COMMAND)
