"""The stream's own records: their layouts as the page shows them, and market data in them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import pytest
from protocol_page import table

from api import binary_records
from api.binary_records import (
    BookFlag,
    StreamCode,
    StreamKind,
    decode_levels,
    encode_push,
)
from engine.codes import Code, EventKind, Side, TradeType
from engine.records import EVENT, RECORD_BYTES
from marketdata.feed import Push


@pytest.mark.parametrize("name", ["BOOK_RECORD", "MARKET_TRADE_RECORD"])
def test_the_page_shows_the_layout(name: str) -> None:
    """docs/protocol.md and api/binary_records.py agree on every field."""
    layout = getattr(binary_records, name)
    fields = [
        [str(layout.fields[field][1]), str(layout[field].itemsize), layout[field].name, field]
        for field in layout.names
        if field != "padding"
    ]
    assert [row[:4] for row in table(name)] == fields
    assert layout.itemsize == RECORD_BYTES
    assert EVENT.fields is not None
    assert layout.fields["kind"] == EVENT.fields["kind"]


@pytest.mark.parametrize("enumeration", [StreamKind, StreamCode, BookFlag])
def test_the_page_shows_the_values(enumeration: type[IntEnum]) -> None:
    """Each value of the page is a member's, and the other way round."""
    members = [[str(int(value)), name] for name, value in enumeration.__members__.items()]
    assert [row[:2] for row in table(enumeration.__name__)] == members


def test_the_engine_has_other_values() -> None:
    """A record's kind and a refusal's code say which side of the gateway they are from."""
    assert max(EventKind) < min(StreamKind)
    assert max(Code) < min(StreamCode)


def _push(kind: Any, channel: str, data: dict[str, Any]) -> Push:
    return {
        "channel": channel, "symbol": "X", "type": kind, "sequence": 9, "data": data,
        "previous_sequence": None if kind == "snapshot" else 8,
    }  # fmt: skip


@pytest.mark.parametrize(("bids", "asks", "count"), [(0, 0, 1), (1, 1, 2), (5, 6, 3), (0, 11, 3)])
def test_books_survive(bids: int, asks: int, count: int) -> None:
    """As many records as the levels need, whichever sides they are on; the last says so."""
    sides = [[[50 + n, 10**10 + n, n] for n in range(number)] for number in (bids, asks)]
    texts = [[[f"{price / 100:.2f}", str(q), n] for price, q, n in side] for side in sides]
    data = {"bids": texts[0], "asks": texts[1], "checksum": 2**32 - 1}
    raw = encode_push(_push("snapshot", "book", data), 3, 1)
    records = np.frombuffer(raw, binary_records.BOOK_RECORD)
    assert list(decode_levels(records)) == sides
    flags = [BookFlag.SNAPSHOT] * (count - 1) + [BookFlag.SNAPSHOT | BookFlag.LAST]
    assert records["flags"].tolist() == flags
    assert set(records["checksum"].tolist()) == {2**32 - 1}
    assert set(records["instrument"].tolist()) == {3}


def test_trades_survive() -> None:
    """A snapshot comes oldest first, an event alone, and no trade at all as one of quantity 0."""
    trades = [
        {"trade_id": "7", "price": "50.00", "quantity": "3", "taker_side": "sell",
         "type": "block", "time": "2026-11-20T01:30:00.000001Z"},
        {"trade_id": "6", "price": "49.98", "quantity": "2", "taker_side": "buy",
         "type": "continuous", "time": "2026-11-20T01:29:00.000000Z"},
    ]  # fmt: skip
    raw = encode_push(_push("snapshot", "trades", {"items": trades}), 3, 2)
    records = np.frombuffer(raw, binary_records.MARKET_TRADE_RECORD)
    assert records["sequence"].tolist() == [6, 7]
    assert records["price_ticks"].tolist() == [2_499, 2_500]
    assert records["taker_side"].tolist() == [Side.BUY, Side.SELL]
    assert records["trade_type"].tolist() == [TradeType.CONTINUOUS, TradeType.BLOCK]
    assert records["time_ns"][1] % 10**9 == 1_000
    raw = encode_push(_push("event", "trades", trades[0]), 3, 2)
    (record,) = np.frombuffer(raw, binary_records.MARKET_TRADE_RECORD)
    assert (record["sequence"], record["previous_sequence"]) == (7, 8)
    raw = encode_push(_push("snapshot", "trades", {"items": []}), 3, 2)
    (record,) = np.frombuffer(raw, binary_records.MARKET_TRADE_RECORD)
    assert (record["quantity_lots"], record["flags"]) == (0, BookFlag.SNAPSHOT | BookFlag.LAST)
