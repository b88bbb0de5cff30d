"""Records of `puhui.binary.v1` that are not the engine's: market data, and the gateway's refusals.

Every record is RECORD_BYTES long and has its kind at the same place, so a frame from the server is
read as an array of EVENT and taken apart by kind. docs/protocol.md shows the layouts as tables.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

import numpy as np

from engine.codes import Side, TradeType
from engine.decimals import parse_price
from engine.records import EVENT, RAW, RECORD_BYTES
from engine.times import parse_time
from marketdata.feed import Push

SUBPROTOCOL = "puhui.binary.v1"
# The public channels that have a binary form; the others are texts on every connection.
CHANNELS = ("book", "trades")
LEVELS_PER_RECORD = 5


class StreamKind(IntEnum):
    """Kinds of records that only streams have; the engine's kinds stay below 64."""

    BOOK = 64  # layout BOOK_RECORD
    MARKET_TRADE = 65  # layout MARKET_TRADE_RECORD
    COMMAND_UNKNOWN = 66  # layout ADMIN_EVENT: sent to the core, which was lost before its reply


class StreamCode(IntEnum):
    """Why the gateway refused a command: it never reached the engine. The engine's are below."""

    UNAUTHENTICATED = 1000
    FORBIDDEN = 1001  # a scope or role is missing, or the account is another one
    MALFORMED = 1002  # a kind, flag, client id or filling byte that no client may send
    TOO_MANY_REQUESTS = 1003
    SERVICE_UNAVAILABLE = 1004  # there is no connection to the engine
    EXECUTION_UNKNOWN = 1005  # with COMMAND_UNKNOWN


class BookFlag(IntFlag):
    """Where a record stands in its message; a message may take several."""

    NONE = 0
    SNAPSHOT = 1  # the message replaces the whole book, else it changes levels
    LAST = 2  # the message is complete, and its checksum holds


_MARKET_HEADER = [
    ("sequence", "<i8"),
    ("time_ns", "<i8"),
    ("previous_sequence", "<i8"),
    ("instrument", "<i4"),
    ("levels", "<u2"),
    ("kind", "u1"),
    ("flags", "u1"),
]


def _record(fields: list[tuple[str, str]]) -> np.dtype[Any]:
    layout = np.dtype(fields)
    return np.dtype([*fields, ("padding", f"({RECORD_BYTES - layout.itemsize},)u1")])


BOOK_RECORD = _record(
    [
        *_MARKET_HEADER,
        ("checksum", "<u4"),
        ("side", "u1"),
        ("reserved", "u1"),
        ("reserved_half", "<u2"),
        *(
            field
            for number in range(1, LEVELS_PER_RECORD + 1)
            for field in (
                (f"quantity_lots_{number}", "<i8"),
                (f"price_ticks_{number}", "<i4"),
                (f"orders_{number}", "<i4"),
            )
        ),
    ]
)

MARKET_TRADE_RECORD = _record(
    [
        *_MARKET_HEADER,
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("taker_side", "u1"),
        ("trade_type", "u1"),
    ]
)

# A level within a record, and the levels of many records as one array: `records.view(RAW)`
# cannot name a repeated group, so they are laid over the bytes.
_LEVEL = np.dtype([("quantity_lots", "<i8"), ("price_ticks", "<i4"), ("orders", "<i4")])
_LEVELS_OFFSET = 40
_LEVELS_VIEW = np.dtype(
    {
        "names": ["levels"],
        "formats": [(_LEVEL, (LEVELS_PER_RECORD,))],
        "offsets": [_LEVELS_OFFSET],
        "itemsize": RECORD_BYTES,
    }
)


def encode_push(push: Push, instrument: int, tick_fen: int) -> bytes:
    """A message of one of CHANNELS as records."""
    encode = _encode_book if push["channel"] == "book" else _encode_trades
    return encode(push, instrument, tick_fen)


def decode_levels(records: np.ndarray) -> tuple[list[list[int]], list[list[int]]]:
    """Bids and asks of one book message: [price in ticks, quantity in lots, orders] each."""
    sides: tuple[list[list[int]], list[list[int]]] = ([], [])
    for record in records.view(RAW).view(BOOK_RECORD):
        levels = np.frombuffer(record.tobytes(), _LEVELS_VIEW)["levels"][0][: record["levels"]]
        sides[record["side"]].extend(
            [int(level["price_ticks"]), int(level["quantity_lots"]), int(level["orders"])]
            for level in levels
        )
    return sides


def _header(records: np.ndarray, push: Push, instrument: int, kind: StreamKind) -> None:
    records["sequence"] = push["sequence"]
    records["previous_sequence"] = push["previous_sequence"] or 0
    records["instrument"] = instrument
    records["kind"] = kind


def _encode_book(push: Push, instrument: int, tick_fen: int) -> bytes:
    """At most five levels of one side in each record; an empty message is one empty record."""
    data = push["data"]
    parts = [
        (side, levels[start : start + LEVELS_PER_RECORD])
        for side, levels in ((Side.BUY, data["bids"]), (Side.SELL, data["asks"]))
        for start in range(0, len(levels), LEVELS_PER_RECORD)
    ] or [(Side.BUY, [])]
    records = np.zeros(len(parts), BOOK_RECORD)
    _header(records, push, instrument, StreamKind.BOOK)
    records["checksum"] = data["checksum"]
    records["side"] = [side for side, _ in parts]
    records["levels"] = [len(levels) for _, levels in parts]
    records["flags"] = BookFlag.SNAPSHOT if push["type"] == "snapshot" else BookFlag.NONE
    records["flags"][-1] |= BookFlag.LAST
    places = records.view(_LEVELS_VIEW)["levels"]
    for row, (_, levels) in enumerate(parts):
        for column, (price, quantity, orders) in enumerate(levels):
            places[row, column] = (int(quantity), parse_price(price, tick_fen), orders)
    return records.tobytes()


def _encode_trades(push: Push, instrument: int, tick_fen: int) -> bytes:
    """One record for each trade, oldest first; of no trade at all, one with quantity 0."""
    is_snapshot = push["type"] == "snapshot"
    trades = push["data"]["items"][::-1] if is_snapshot else [push["data"]]
    records = np.zeros(max(len(trades), 1), MARKET_TRADE_RECORD)
    _header(records, push, instrument, StreamKind.MARKET_TRADE)
    records["flags"] = BookFlag.SNAPSHOT if is_snapshot else BookFlag.NONE
    records["flags"][-1] |= BookFlag.LAST
    for row, trade in enumerate(trades):
        records[row]["sequence"] = int(trade["trade_id"])
        records[row]["time_ns"] = parse_time(trade["time"])
        records[row]["price_ticks"] = parse_price(trade["price"], tick_fen)
        records[row]["quantity_lots"] = int(trade["quantity"])
        records[row]["taker_side"] = Side.SELL if trade["taker_side"] == "sell" else Side.BUY
        records[row]["trade_type"] = TradeType[trade["type"].upper()]
    return records.tobytes()


assert BOOK_RECORD.itemsize == MARKET_TRADE_RECORD.itemsize == EVENT.itemsize == RECORD_BYTES
