"""Books and trades of `puhui.binary.v1`, read into the messages that other streams get as texts."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any

import numpy as np

from api.client.results import Instrument
from api.client.subscriptions import Push
from engine.codes import Side, TradeType
from engine.records import EVENT, RECORD_BYTES
from engine.times import format_time

Records = np.ndarray[Any, np.dtype[Any]]

# The public channels whose messages are records.
CHANNELS = ("book", "trades")
_SNAPSHOT = 1  # the flag of a message that begins a chain
# docs/protocol.md has the layouts: both have this header, then their own fields.
_HEADER = struct.Struct("<qqqiHBB")
_BOOK = struct.Struct("<IBxxx")
_LEVEL = struct.Struct("<qii")
_TRADE = struct.Struct("<qqBB")


class MarketKind(IntEnum):
    """Kinds of records that are market data."""

    BOOK = 64
    MARKET_TRADE = 65


def is_market_data(records: Records) -> bool:
    """Whether a frame (dtype EVENT) is a message of a public channel; it is all or nothing."""
    return int(records["kind"][0]) in (MarketKind.BOOK, MarketKind.MARKET_TRADE)


def read_push(records: Records, instrument: Instrument) -> Push:
    """One message of CHANNELS, with prices as texts, as its checksum wants them."""
    assert records.dtype == EVENT
    frame = records.tobytes()
    places = range(0, len(frame), RECORD_BYTES)
    headers = [_HEADER.unpack_from(frame, place) for place in places]
    sequence, _, previous_sequence, _, _, kind, flags = headers[-1]
    is_snapshot = bool(flags & _SNAPSHOT)
    data: dict[str, Any]
    if kind == MarketKind.BOOK:
        data = _read_book(frame, headers, instrument)
        if is_snapshot:
            data |= {"symbol": instrument.symbol, "sequence": sequence}
    else:
        trades = [_read_trade(frame, place, instrument) for place in places]
        # Of no trade at all there is one record, without a quantity; the newest one comes last.
        items = [trade for trade in reversed(trades) if trade["quantity"] != "0"]
        data = {"items": items} if is_snapshot else trades[0]
    other = "delta" if kind == MarketKind.BOOK else "event"
    return {
        "channel": "book" if kind == MarketKind.BOOK else "trades",
        "symbol": instrument.symbol,
        "type": "snapshot" if is_snapshot else other,
        "sequence": sequence,
        "previous_sequence": None if is_snapshot else previous_sequence,
        "data": data,
    }


def _read_book(
    frame: bytes, headers: list[tuple[Any, ...]], instrument: Instrument
) -> dict[str, Any]:
    sides: tuple[list[list[Any]], ...] = ([], [])
    checksum = 0
    for number, (*_, levels, _, _) in enumerate(headers):
        place = number * RECORD_BYTES + _HEADER.size
        checksum, side = _BOOK.unpack_from(frame, place)
        place += _BOOK.size
        for start in range(place, place + levels * _LEVEL.size, _LEVEL.size):
            quantity_lots, price_ticks, orders = _LEVEL.unpack_from(frame, start)
            sides[side].append([str(price_ticks * instrument.tick), str(quantity_lots), orders])
    return {"bids": sides[Side.BUY], "asks": sides[Side.SELL], "checksum": checksum}


def _read_trade(frame: bytes, place: int, instrument: Instrument) -> dict[str, Any]:
    trade_id, time_ns, *_ = _HEADER.unpack_from(frame, place)
    price_ticks, quantity_lots, taker_side, trade_type = _TRADE.unpack_from(
        frame, place + _HEADER.size
    )
    return {
        "trade_id": str(trade_id),
        "symbol": instrument.symbol,
        "price": str(price_ticks * instrument.tick),
        "quantity": str(quantity_lots),
        "taker_side": "sell" if taker_side == Side.SELL else "buy",
        "type": TradeType(trade_type).name.lower(),
        "time": format_time(time_ns),
    }
