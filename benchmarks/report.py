"""The challenge's report lines, written by a kernel from the engine's events."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from benchmarks.numerals import SPILL_BYTES, NumeralArrays, store_word, write_number
from engine.codes import Code, CommandKind, EventKind
from engine.compiled import inlined, int64
from engine.matching.arrays import EventArrays
from engine.units import ORDER_SLOT_BITS

# The longest line has six numbers of at most 19 digits, each with the byte behind it.
LINE_BYTES = 128
assert LINE_BYTES >= 6 * 20 + SPILL_BYTES
_SLOT_MASK = (1 << ORDER_SLOT_BITS) - 1
_NEWLINE = ord("\n")
# A line begins with its number and a comma; here for 0, to be added to.
_ZERO_COMMA = ord("0") | ord(",") << 8


class ReportArrays(NamedTuple):
    """Where lines go, and the workload's name for the order in each slot."""

    text: np.ndarray  # uint8
    oids: np.ndarray  # int64, by slot
    numerals: NumeralArrays


@inlined
def write_report(
    events: EventArrays, count: int, first_sequence: int, report: ReportArrays, start: int
) -> Any:
    """Write the lines of `count` events from byte `start` on, each with its newline.

    Gives the end of what was written, or less than 0 for a refusal that the report has no line for:
    minus 1 minus the event's place. `first_sequence` is that of the workload's message 0.
    """
    end = start
    amended = int64(-1)  # place of the event whose line follows its trades
    for place in range(count):
        kind = events.headers[place]["kind"]
        is_followed = place + 1 < count and events.headers[place + 1]["kind"] == EventKind.TRADE
        if kind == EventKind.TRADE:
            end = _trade_line(report, end, events.trades[place], first_sequence)
            if amended >= 0 and not is_followed:
                end = _order_line(report, end, events, amended, first_sequence)
                amended = int64(-1)
        elif kind == EventKind.ORDER_AMENDED and is_followed:
            amended = int64(place)
        elif kind == EventKind.COMMAND_REFUSED and not _has_line(events.admin[place]):
            return -1 - place
        else:
            end = _order_line(report, end, events, place, first_sequence)
    return end


@inlined
def _has_line(refusal: Any) -> Any:
    """Whether a refusal is one that the workload reckons with."""
    return refusal["code"] == Code.ORDER_NOT_OPEN or refusal["code"] == Code.ORDER_NOT_FOUND


@inlined
def _order_line(
    report: ReportArrays, start: int, events: EventArrays, place: int, first_sequence: int
) -> Any:
    """`0` or `3`, sequence, side, oid, price, quantity; `2` has no quantity, `4` and `5` no side.

    Which line comes next nobody can foresee, so all go the same way: what a line does not have is
    written too, and then over it. A refusal has zeros where an order has side and price.
    """
    text = report.text
    order = events.orders[place]
    kind = int64(order["kind"])
    is_refused = int64(kind == EventKind.COMMAND_REFUSED)
    has_quantity = int64(kind != EventKind.ORDER_CANCELLED) & (1 - is_refused)
    is_modify = int64(events.admin[place]["command_kind"] != CommandKind.CANCEL_ORDER)
    # Kinds 1, 2, 3 are lines 0, 2, 3.
    line = (kind - int64(kind == EventKind.ORDER_ACCEPTED)) * (1 - is_refused)
    line += is_refused * (4 + is_modify)
    report.oids[order["order_id"] & _SLOT_MASK] = order["client_id_low"]
    store_word(text, start, _ZERO_COMMA + line)
    end = write_number(text, start + 2, order["sequence"] - first_sequence, report.numerals)
    store_word(text, end, _ZERO_COMMA + int64(order["side"]))
    end += 2 * (1 - is_refused)
    end = write_number(text, end, order["client_id_low"], report.numerals)
    behind_price = write_number(text, end, order["price_ticks"], report.numerals)
    end += (behind_price - end) * (1 - is_refused)
    behind_quantity = write_number(text, end, order["remaining_lots"], report.numerals)
    end += (behind_quantity - end) * has_quantity
    text[end - 1] = _NEWLINE
    return end


@inlined
def _trade_line(report: ReportArrays, start: int, trade: Any, first_sequence: int) -> Any:
    """`1`, sequence, maker's price, quantity, maker's oid, taker's oid."""
    text, oids = report.text, report.oids
    store_word(text, start, _ZERO_COMMA + 1)
    end = write_number(text, start + 2, trade["sequence"] - first_sequence, report.numerals)
    end = write_number(text, end, trade["price_ticks"], report.numerals)
    end = write_number(text, end, trade["quantity_lots"], report.numerals)
    end = write_number(text, end, oids[trade["maker_order_id"] & _SLOT_MASK], report.numerals)
    end = write_number(text, end, oids[trade["taker_order_id"] & _SLOT_MASK], report.numerals)
    text[end - 1] = _NEWLINE
    return end
