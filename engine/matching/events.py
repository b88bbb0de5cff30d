"""Writing events: the reply, refusals, and what happened to an order.

`row` is always the row of the command in the batch. The first event of a command is its reply.
"""

from __future__ import annotations

from typing import Any

from engine.codes import EventKind, OrderFlag, TimeInForce
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import EVENT_WORDS, EngineArrays

# An order with any of these has a row of its own in `conditions`.
CONDITIONAL = int(OrderFlag.STOP | OrderFlag.ICEBERG)


@inlined
def add_event(arrays: EngineArrays, row: int, kind: int, instrument: int) -> Any:
    """Begin a further event of the command; its place in the buffer."""
    command = arrays.commands.headers[row]
    sequence, time_ns = command["sequence"], command["time_ns"]
    progress = arrays.progress[0]
    place = progress["events"]
    progress["events"] = place + 1
    first_word = place * EVENT_WORDS
    words = arrays.events.words
    for word in range(EVENT_WORDS):
        words[first_word + word] = 0
    event = arrays.events.headers[place]
    event["sequence"] = sequence
    event["time_ns"] = time_ns
    event["instrument"] = instrument
    event["kind"] = kind
    event["gateway"] = command["gateway"]
    return place


@inlined
def add_reply(arrays: EngineArrays, row: int, kind: int, instrument: int) -> Any:
    """Begin the command's first event; its place in the buffer."""
    place = add_event(arrays, row, kind, instrument)
    arrays.events.headers[place]["request_id"] = arrays.commands.headers[row]["request_id"]
    return place


@kernel
def refuse(arrays: EngineArrays, row: int, code: int, first_id: int) -> None:
    """The whole answer to a command that is refused.

    `first_id` is what the client id stands for already (less than 0: minus a sequence), if that is
    the reason, else 0.
    """
    command = arrays.commands.headers[row]
    place = add_reply(arrays, row, EventKind.COMMAND_REFUSED, command["instrument"])
    event = arrays.events.admin[place]
    event["code"] = code
    event["command_kind"] = command["kind"]
    event["account"] = command["account"]
    event["client_id_high"] = command["client_id_high"]
    event["client_id_low"] = command["client_id_low"]
    event["order_id"] = abs(first_id)


@kernel
def add_admin_reply(arrays: EngineArrays, row: int, kind: int) -> Any:
    """Begin a reply of the layout ADMIN_EVENT; its place in the buffer."""
    command = arrays.commands.headers[row]
    place = add_reply(arrays, row, kind, command["instrument"])
    event = arrays.events.admin[place]
    event["account"] = command["account"]
    event["client_id_high"] = command["client_id_high"]
    event["client_id_low"] = command["client_id_low"]
    return place


@kernel
def add_payload_reply(arrays: EngineArrays, row: int, kind: int) -> Any:
    """Begin a reply that repeats the payload of an ADMIN_COMMAND; its place in the buffer."""
    command = arrays.commands.admin[row]
    place = add_admin_reply(arrays, row, kind)
    event = arrays.events.admin[place]
    event["amount_fen"] = command["amount_fen"]
    event["quantity_lots"] = command["quantity_lots"]
    event["reference_price_ticks"] = command["reference_price_ticks"]
    event["scheme"] = command["scheme"]
    event["trading_day"] = command["trading_day"]
    event["phase"] = command["phase"]
    return place


@inlined
def describe_order(
    arrays: EngineArrays, place: int, slot: int, price_ticks: int, remaining_lots: int, reason: int
) -> None:
    """Fill in an event that has begun with all there is to know of an order.

    The price is given apart: the limit of a market order need not fit the pool's record.
    """
    order = arrays.book.orders[slot]
    details = arrays.book.details[slot]
    event = arrays.events.orders[place]
    high, low = details["client_id_high"], details["client_id_low"]
    event["order_id"] = order["order_id"]
    event["client_id_high"] = high
    event["client_id_low"] = low
    event["price_ticks"] = price_ticks
    event["quantity_lots"] = order["quantity_lots"]
    event["remaining_lots"] = remaining_lots
    if order["time_in_force"] == TimeInForce.GTD:
        event["expires_at_ns"] = arrays.book.expiries[slot]["expires_at_ns"]
    if int64(order["flags"]) & CONDITIONAL:
        conditions = arrays.book.conditions[slot]
        event["stop_price_ticks"] = conditions["stop_price_ticks"]
        event["display_quantity_lots"] = conditions["display_quantity_lots"]
    event["account"] = order["account"]
    event["scheme"] = details["scheme"]
    event["session"] = details["session"]
    copy_terms(order, event)
    event["reason"] = reason


@inlined
def copy_terms(source: Any, target: Any) -> None:
    """Copy what an order is, which commands, orders and events have in the same order.

    All is read before anything is written, so that it can be moved as one or two words.
    """
    side, order_type = source["side"], source["order_type"]
    time_in_force, flags = source["time_in_force"], source["flags"]
    self_trade_prevention, purpose = source["self_trade_prevention"], source["purpose"]
    target["side"] = side
    target["order_type"] = order_type
    target["time_in_force"] = time_in_force
    target["flags"] = flags
    target["self_trade_prevention"] = self_trade_prevention
    target["purpose"] = purpose
