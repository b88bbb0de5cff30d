"""Which commands of a binary frame may go to the core: checked as columns, never one by one.

What is checked here is what the engine cannot know: rights, and what would harm whoever reads the
journal. All else (prices, quantities, ids) is the engine's to check, as for every command.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from api.auth import Caller
from api.binary_records import StreamCode
from engine.codes import CommandKind, EventKind, OrderFlag, OrderType, Purpose
from engine.records import ADMIN_EVENT, COMMAND, ORDER_COMMAND, QUOTE_COMMAND, RAW, RECORD_BYTES

Records = np.ndarray[Any, np.dtype[Any]]

_KINDS = [
    CommandKind.NEW_ORDER,
    CommandKind.CANCEL_ORDER,
    CommandKind.AMEND_ORDER,
    CommandKind.REPLACE_ORDER,
    CommandKind.CANCEL_ALL,
    CommandKind.SET_QUOTE,
]
_IS_ALLOWED = np.zeros(256, np.bool_)
_IS_ALLOWED[_KINDS] = True
# What counts against the rate, but for a quote without a wanted side.
_IS_COUNTED = np.zeros(256, np.bool_)
_IS_COUNTED[[CommandKind.NEW_ORDER, CommandKind.AMEND_ORDER, CommandKind.REPLACE_ORDER]] = True
_SET_QUOTE, _NEW_ORDER = int(CommandKind.SET_QUOTE), int(CommandKind.NEW_ORDER)
_CANCEL_ALL = int(CommandKind.CANCEL_ALL)
# Which flags a client may set, by kind; elsewhere none.
_ALLOWED_FLAGS = np.zeros(256, np.uint8)
_ALLOWED_FLAGS[CommandKind.NEW_ORDER] = (
    OrderFlag.POST_ONLY | OrderFlag.CANCEL_ON_DISCONNECT | OrderFlag.CLIENT_ID_IS_UUID
)
_ALLOWED_FLAGS[CommandKind.SET_QUOTE] = OrderFlag.CANCEL_ON_DISCONNECT
# The bytes of a client id as text: two integers, each stored with its first character last.
_CLIENT_ID_BYTES = [*range(31, 23, -1), *range(39, 31, -1)]
# A quote as words: the flags with the filling behind them, then filling alone.
_QUOTE_FLAGS_WORD, _FILLING_WORDS = 11, range(12, 16)


def check(commands: Records, caller: Caller) -> np.ndarray:
    """For each command 0, or the StreamCode for which it is refused."""
    kinds = commands["kind"]
    codes = np.zeros(len(commands), np.uint16)
    is_quote = kinds == _SET_QUOTE
    malformed = ~_IS_ALLOWED[kinds] | ~_are_client_ids(commands)
    if is_quote.any():
        malformed |= is_quote & _has_wrong_quote_bytes(commands)
        if "market_maker" not in caller.roles:
            codes[is_quote] = StreamCode.FORBIDDEN
    if not is_quote.all():
        orders = commands.view(ORDER_COMMAND)
        malformed |= ~is_quote & _has_wrong_order_fields(orders)
        codes[~is_quote & _is_purpose_forbidden(orders, caller)] = StreamCode.FORBIDDEN
    accounts = commands["account"]
    codes[(accounts != 0) & (accounts != caller.account)] = StreamCode.FORBIDDEN
    codes[malformed] = StreamCode.MALFORMED
    return codes


def counted(commands: Records) -> np.ndarray:
    """Which commands count against the account's orders a second; what cancels never does."""
    kinds = commands["kind"]
    quotes = commands.view(QUOTE_COMMAND)
    is_wanted = (quotes["bid_quantity_lots"] != 0) | (quotes["ask_quantity_lots"] != 0)
    return np.asarray(_IS_COUNTED[kinds] | ((kinds == _SET_QUOTE) & is_wanted))


def are_cancelled_on_disconnect(commands: Records) -> bool:
    """Whether any command enters orders that go with its connection."""
    kinds, flag = commands["kind"], OrderFlag.CANCEL_ON_DISCONNECT
    quotes, orders = commands.view(QUOTE_COMMAND), commands.view(ORDER_COMMAND)
    flags = np.where(kinds == _SET_QUOTE, quotes["flags"], orders["flags"])
    return bool((flags & flag).any())


def refusals(commands: Records, codes: Any, kind: EventKind | int) -> Records:
    """A reply for each command, as the engine would refuse it, with sequence 0."""
    replies = np.zeros(len(commands), ADMIN_EVENT)
    replies["kind"] = kind
    replies["code"] = codes
    replies["command_kind"] = commands["kind"]
    for name in ("request_id", "instrument", "account", "client_id_high", "client_id_low"):
        replies[name] = commands[name]
    return replies


def select(records: Records, chosen: np.ndarray) -> Records:
    """The chosen records; each is moved as one piece, whatever its fields."""
    chosen_records: Records = records.view(RAW)[chosen].view(records.dtype)
    return chosen_records


def _are_client_ids(commands: Records) -> np.ndarray:
    """None, a UUID of an order, or visible ASCII with nothing but NUL behind it."""
    if not (commands["client_id_high"].any() or commands["client_id_low"].any()):
        return np.ones(len(commands), np.bool_)
    text = commands.view(np.uint8).reshape(-1, RECORD_BYTES)[:, _CLIENT_ID_BYTES]
    is_visible = (text > ord(" ")) & (text < 0x7F)
    is_end = text == 0
    is_text = (is_visible | is_end).all(1) & ~(is_end[:, :-1] & is_visible[:, 1:]).any(1)
    orders = commands.view(ORDER_COMMAND)
    is_uuid = (orders["flags"] & OrderFlag.CLIENT_ID_IS_UUID) != 0
    is_new = commands["kind"] == _NEW_ORDER
    # Elsewhere the id only names an order: one that cannot exist is not found.
    return np.asarray(is_text | is_uuid | ~is_new)


def _has_wrong_quote_bytes(commands: Records) -> np.ndarray:
    words = commands.view("<u8").reshape(-1, RECORD_BYTES // 8)
    wrong = words[:, _QUOTE_FLAGS_WORD] & ~np.uint64(_ALLOWED_FLAGS[_SET_QUOTE])
    for word in _FILLING_WORDS:
        wrong |= words[:, word]
    return np.asarray(wrong != 0)


def _has_wrong_order_fields(orders: Records) -> np.ndarray:
    """What only the exchange sends: some flags, filters by connection, orders off the book."""
    kinds = orders["kind"]
    is_off_book = (kinds == _NEW_ORDER) & (orders["order_type"] > OrderType.MARKET)
    is_filtered = (orders["filter_gateway"] != 0) | (orders["filter_session"] != 0)
    return np.asarray(((orders["flags"] & ~_ALLOWED_FLAGS[kinds]) != 0) | is_filtered | is_off_book)


def _is_purpose_forbidden(orders: Records, caller: Caller) -> np.ndarray:
    """New orders for compliance name a scheme, which takes a text: they are not offered here."""
    purposes = orders["purpose"]
    forbidden = purposes == Purpose.COMPLIANCE
    if "market_maker" not in caller.roles:
        forbidden |= purposes == Purpose.MARKET_MAKING
    return np.asarray(forbidden & (orders["kind"] == _NEW_ORDER))


assert COMMAND.itemsize == RECORD_BYTES
