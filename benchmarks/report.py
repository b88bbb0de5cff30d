"""The challenge's report lines, written by a kernel from the engine's events."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from benchmarks.numerals import SPILL_BYTES, store_word, write_number
from engine.codes import Code, CommandKind, EventKind
from engine.compiled import entry_point, inlined, int64
from engine.matching.arrays import EventArrays
from engine.units import ORDER_SLOT_BITS

# The longest line has six numbers of at most 19 digits, each with the byte behind it.
LINE_BYTES = 128
assert LINE_BYTES >= 6 * 20 + SPILL_BYTES
_SLOT_MASK = (1 << ORDER_SLOT_BITS) - 1
_COMMA = ord(",")
_NEWLINE = ord("\n")
_ZERO = ord("0")


class ReportArrays(NamedTuple):
    """Where lines go, and the workload's name for the order in each slot."""

    text: np.ndarray  # uint8
    oids: np.ndarray  # int64, by slot


@entry_point
def write_report(
    events: EventArrays, count: int, first_sequence: int, report: ReportArrays, start: int
) -> Any:
    """Write the lines of `count` events from byte `start` on, each with its newline.

    Gives the end of what was written, or less than 0 for a refusal that the report has no line for:
    minus 1 minus the event's place. `first_sequence` is that of the workload's message 0.
    """
    text, oids = report.text, report.oids
    end = start
    amended = int64(-1)  # place of the event whose line follows its trades
    for place in range(count):
        header = events.headers[place]
        kind = header["kind"]
        if amended >= 0 and header["sequence"] != events.headers[amended]["sequence"]:
            end = _order_line(text, end, 3, events.orders[amended], first_sequence)
            amended = int64(-1)
        if kind == EventKind.TRADE:
            end = _trade_line(text, end, events.trades[place], first_sequence, oids)
        elif kind == EventKind.ORDER_ACCEPTED:
            order = events.orders[place]
            oids[order["order_id"] & _SLOT_MASK] = order["client_id_low"]
            end = _order_line(text, end, 0, order, first_sequence)
        elif kind == EventKind.ORDER_CANCELLED:
            end = _cancel_line(text, end, events.orders[place], first_sequence)
        elif kind == EventKind.ORDER_AMENDED:
            amended = int64(place)
        else:
            refusal = events.admin[place]
            line = _refusal_line(refusal)
            if line < 0:
                return -1 - place
            end = _digit(text, end, line)
            end = write_number(text, end, refusal["sequence"] - first_sequence, _COMMA)
            end = write_number(text, end, refusal["client_id_low"], _NEWLINE)
    if amended >= 0:
        end = _order_line(text, end, 3, events.orders[amended], first_sequence)
    return end


@inlined
def _refusal_line(refusal: Any) -> Any:
    """Which line tells of a refusal: 4 for a cancel, 5 for a modify, -1 for anything else."""
    if refusal["code"] != Code.ORDER_NOT_OPEN and refusal["code"] != Code.ORDER_NOT_FOUND:
        return -1
    return 4 if refusal["command_kind"] == CommandKind.CANCEL_ORDER else 5


@inlined
def _order_line(text: np.ndarray, end: int, line: int, order: Any, first_sequence: int) -> Any:
    """`0` or `3`, sequence, side, oid, price, quantity."""
    end = _digit(text, end, line)
    end = write_number(text, end, order["sequence"] - first_sequence, _COMMA)
    end = _digit(text, end, int64(order["side"]))
    end = write_number(text, end, order["client_id_low"], _COMMA)
    end = write_number(text, end, order["price_ticks"], _COMMA)
    return write_number(text, end, order["remaining_lots"], _NEWLINE)


@inlined
def _cancel_line(text: np.ndarray, end: int, order: Any, first_sequence: int) -> Any:
    """`2`, sequence, side, oid, price."""
    end = _digit(text, end, 2)
    end = write_number(text, end, order["sequence"] - first_sequence, _COMMA)
    end = _digit(text, end, int64(order["side"]))
    end = write_number(text, end, order["client_id_low"], _COMMA)
    return write_number(text, end, order["price_ticks"], _NEWLINE)


@inlined
def _trade_line(
    text: np.ndarray, end: int, trade: Any, first_sequence: int, oids: np.ndarray
) -> Any:
    """`1`, sequence, maker's price, quantity, maker's oid, taker's oid."""
    end = _digit(text, end, 1)
    end = write_number(text, end, trade["sequence"] - first_sequence, _COMMA)
    end = write_number(text, end, trade["price_ticks"], _COMMA)
    end = write_number(text, end, trade["quantity_lots"], _COMMA)
    end = write_number(text, end, oids[trade["maker_order_id"] & _SLOT_MASK], _COMMA)
    return write_number(text, end, oids[trade["taker_order_id"] & _SLOT_MASK], _NEWLINE)


@inlined
def _digit(text: np.ndarray, end: int, digit: int) -> Any:
    """Write a number of one digit and a comma; the new end."""
    store_word(text, end, _ZERO + digit | _COMMA << 8)
    return end + 2
