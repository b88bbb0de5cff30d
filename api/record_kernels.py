"""Compiled passes over the records of binary streams: each looks once at every record of a frame.

A frame of some hundred records is too short for columns: a dozen NumPy calls take longer than the
records themselves. A pass reads a record through all its layouts at once (`COMMANDS`, `EVENTS`),
and is compiled, or loaded from disk, when it is first called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import records
from engine.codes import CommandKind, EventKind, OrderFlag, OrderType, Purpose, Reason
from engine.compiled import direct_call, entry_point, inlined, int64

_WORDS = records.RECORD_BYTES // 8


def _overlay(header: np.dtype[Any], **layouts: np.dtype[Any]) -> np.dtype[Any]:
    """The fields of the header, those of each layout behind its name, and all as `words`."""
    fields = {name: (header[name], header.fields[name][1]) for name in header.names[:-1]}  # type: ignore[index]
    for prefix, layout in layouts.items():
        assert layout.names is not None
        assert layout.fields is not None
        for name in layout.names:
            if name not in fields and name != "padding":
                fields[f"{prefix}_{name}"] = (layout[name], layout.fields[name][1])
    fields["words"] = (np.dtype(("<i8", (_WORDS,))), 0)
    return np.dtype(
        {
            "names": list(fields),
            "formats": [form for form, _ in fields.values()],
            "offsets": [offset for _, offset in fields.values()],
            "itemsize": records.RECORD_BYTES,
        }
    )


COMMANDS = _overlay(records.COMMAND, order=records.ORDER_COMMAND, quote=records.QUOTE_COMMAND)
EVENTS = _overlay(
    records.EVENT, order=records.ORDER_EVENT, trade=records.TRADE_EVENT, admin=records.ADMIN_EVENT
)

# What a kind of command may do.
ALLOWED, COUNTED = 1, 2
# Whose an event is, by its kind.
OF_NOBODY, OF_ORDER, OF_TRADE, OF_ADMIN = range(4)

_NEW_ORDER, _SET_QUOTE = int(CommandKind.NEW_ORDER), int(CommandKind.SET_QUOTE)
_CANCEL_ORDER = int(CommandKind.CANCEL_ORDER)
_MARKET, _COMPLIANCE = int(OrderType.MARKET), int(Purpose.COMPLIANCE)
_MARKET_MAKING = int(Purpose.MARKET_MAKING)
_IS_UUID, _ON_DISCONNECT = int(OrderFlag.CLIENT_ID_IS_UUID), int(OrderFlag.CANCEL_ON_DISCONNECT)
_QUOTE, _WITHDRAWN = int(OrderFlag.QUOTE), int(Reason.QUOTE_WITHDRAWN)
_ACCEPTED, _CANCELLED = int(EventKind.ORDER_ACCEPTED), int(EventKind.ORDER_CANCELLED)
_AMENDED = int(EventKind.ORDER_AMENDED)
# A quote as words: the flags with the filling behind them, then filling alone.
_QUOTE_FLAGS_WORD = 11

_machine_code: dict[Callable[..., Any], Callable[..., Any]] = {}


def run(kernel: Callable[..., Any], *arguments: Any) -> Any:
    """Call a kernel of this module, always with the same types of arguments."""
    found = _machine_code.get(kernel)
    if found is None:
        found = _machine_code[kernel] = direct_call(kernel, *arguments)
    return found(*arguments)


def warm_up() -> None:
    """Have all of them ready: to compile one takes a second, and nobody's frame shall wait."""
    by_kind = np.zeros(256, np.uint8)
    commands, events = np.zeros(1, COMMANDS), np.zeros(1, EVENTS)
    numbers = np.zeros(2, np.int64)
    codes, is_counted = np.zeros(1, np.uint16), np.zeros(1, np.bool_)
    run(check_commands, commands, 0, False, by_kind, by_kind, numbers, codes, is_counted)
    run(stamp_commands, commands, 0, 0, numbers[:1])
    run(copy_own_events, events, 0, by_kind, True, events.copy())
    run(name_replies, events, numbers, numbers)
    run(find_replies, events, 0, 0, 0, numbers, numbers)


@entry_point
def check_commands(
    commands: Any,
    account: int,
    is_maker: bool,
    rights: np.ndarray,
    flags: np.ndarray,
    refusals: np.ndarray,
    codes: np.ndarray,
    is_counted: np.ndarray,
) -> int:
    """Give each command its code, and mark those that count as orders; how many may be cancels.

    `rights` and `flags` say by kind what is allowed; `refusals` holds the codes for what is
    malformed and for what is forbidden.
    """
    cancels = 0
    for row in range(len(codes)):
        command = commands[row]
        kind = int64(command["kind"])
        code = refusals[0]
        if not int64(rights[kind]) & ALLOWED:
            pass
        elif kind == _SET_QUOTE:
            if _has_clean_tail(command, int64(flags[kind])):
                code = 0 if is_maker else refusals[1]
        elif not _has_wrong_fields(command, kind, int64(flags[kind])):
            code = refusals[1] if _is_purpose_forbidden(command, kind, is_maker) else 0
        if code == 0 and command["account"] != 0 and command["account"] != account:
            code = refusals[1]
        codes[row] = code
        if code == 0:
            is_wanted = command["quote_bid_quantity_lots"] | command["quote_ask_quantity_lots"] != 0
            is_order = int64(rights[kind]) & COUNTED != 0
            is_counted[row] = is_order or (kind == _SET_QUOTE and is_wanted)
            cancels += kind == _CANCEL_ORDER
    return cancels


@inlined
def _has_clean_tail(command: Any, flags: int) -> Any:
    """Whether a quote has no other flags and nothing but zeros behind them."""
    words = command["words"]
    wrong = words[_QUOTE_FLAGS_WORD] & ~flags
    for word in range(_QUOTE_FLAGS_WORD + 1, _WORDS):
        wrong |= words[word]
    return wrong == 0


@inlined
def _has_wrong_fields(command: Any, kind: int, flags: int) -> Any:
    """What only the exchange sends (some flags, filters by connection, orders off the book), and
    a new order's client id that is none."""
    return (
        int64(command["order_flags"]) & ~flags != 0
        or command["order_filter_gateway"] != 0
        or command["order_filter_session"] != 0
        or (
            kind == _NEW_ORDER
            and (int64(command["order_order_type"]) > _MARKET or not _has_client_id(command))
        )
    )


@inlined
def _has_client_id(command: Any) -> Any:
    """None, a UUID, or visible ASCII with nothing but NUL behind it."""
    high, low = command["client_id_high"], command["client_id_low"]
    is_text = True
    if (high != 0 or low != 0) and not int64(command["order_flags"]) & _IS_UUID:
        has_ended = False
        for place in range(16):
            half = high if place < 8 else low
            character = (half >> (56 - 8 * (place & 7))) & 0xFF
            is_visible = 0x20 < character < 0x7F
            is_text &= not has_ended if is_visible else character == 0
            has_ended |= character == 0
    return is_text


@inlined
def _is_purpose_forbidden(command: Any, kind: int, is_maker: bool) -> Any:
    """New orders for compliance name a scheme, which takes a text: they are not offered here."""
    purpose = int64(command["order_purpose"])
    return kind == _NEW_ORDER and (
        purpose == _COMPLIANCE or (purpose == _MARKET_MAKING and not is_maker)
    )


@entry_point
def stamp_commands(commands: Any, account: int, session: int, request_ids: np.ndarray) -> bool:
    """Make them the account's and the connection's, and keep the client's request ids aside;
    whether any enters orders that go with the connection."""
    is_flagged = False
    for row in range(len(request_ids)):
        command = commands[row]
        is_quote = int64(command["kind"]) == _SET_QUOTE
        flags = int64(command["quote_flags"]) if is_quote else int64(command["order_flags"])
        is_flagged |= flags & _ON_DISCONNECT != 0
        request_ids[row] = command["request_id"]
        command["account"] = account
        command["session"] = session
    return is_flagged


@entry_point
def copy_own_events(
    events: Any, account: int, owners: np.ndarray, with_own_quotes: bool, copies: Any
) -> int:
    """Copy the account's own events, with what is others' taken out; how many they are.

    Without own quotes those are left out that only say what a SET_QUOTE did to its orders.
    """
    count = 0
    for row in range(len(events)):
        event = events[row]
        owner = int64(owners[event["kind"]])
        if owner == OF_ORDER:
            is_own = event["order_account"] == account and (
                with_own_quotes or not _is_of_quote(event)
            )
        elif owner == OF_ADMIN:
            is_own = event["admin_account"] == account
        else:
            is_own = owner == OF_TRADE and (
                event["trade_maker_account"] == account or event["trade_taker_account"] == account
            )
        if is_own:
            copy = copies[count]
            source, target = event["words"], copy["words"]
            for word in range(_WORDS):
                target[word] = source[word]
            copy["request_id"] = 0
            copy["gateway"] = 0
            if owner == OF_TRADE:
                _hide_other_side(copy, account)
            count += 1
    return count


@inlined
def _is_of_quote(event: Any) -> Any:
    """Whether the event repeats what the reply to a SET_QUOTE has said; a reply never does."""
    kind = int64(event["kind"])
    return (
        int64(event["order_flags"]) & _QUOTE != 0
        and event["request_id"] == 0
        and (
            kind in (_ACCEPTED, _AMENDED)
            or (kind == _CANCELLED and int64(event["order_reason"]) == _WITHDRAWN)
        )
    )


@inlined
def _hide_other_side(trade: Any, account: int) -> None:
    if trade["trade_maker_account"] != account:
        trade["trade_maker_account"] = 0
        trade["trade_maker_order_id"] = 0
        trade["trade_maker_remaining_lots"] = 0
        trade["trade_maker_fee_fen"] = 0
        trade["trade_maker_purpose"] = 0
    if trade["trade_taker_account"] != account:
        trade["trade_taker_account"] = 0
        trade["trade_taker_order_id"] = 0
        trade["trade_taker_remaining_lots"] = 0
        trade["trade_taker_fee_fen"] = 0
        trade["trade_taker_purpose"] = 0


@entry_point
def name_replies(events: Any, sequences: np.ndarray, request_ids: np.ndarray) -> int:
    """Write each request id into the first event of its sequence; how many were found.

    Both are in ascending order of sequence, so one walk along both finds them all.
    """
    found = 0
    for row in range(len(events)):
        if found == len(sequences):
            break
        if events[row]["sequence"] == sequences[found]:
            events[row]["request_id"] = request_ids[found]
            found += 1
    return found


@entry_point
def find_replies(
    events: Any, gateway: int, first_id: int, end_id: int, rows: np.ndarray, sequences: np.ndarray
) -> int:
    """Where the gateway's replies are: their rows and sequences; how many, or -1.

    -1: they are not those to `first_id`, the one after it, and so on. Ids from `end_id` on, and
    before the first, are those of an earlier gateway of the same number.
    """
    count = 0
    for row in range(len(events)):
        event = events[row]
        request_id = event["request_id"]
        if (
            request_id != 0
            and int64(event["gateway"]) == gateway
            and first_id <= request_id < end_id
        ):
            if request_id != first_id + count:
                return -1
            sequences[count] = event["sequence"]
            rows[count] = row
            count += 1
    return count
