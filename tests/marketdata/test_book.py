"""A book's levels, its changes and its checksum."""

from __future__ import annotations

import zlib

import pytest

from engine.codes import Side
from marketdata.book import Book, BookSide, checksum


def test_the_checksum_of_a_hand_made_book():
    """`price:quantity` of bids, then asks, best first, joined by `|`, through CRC-32."""
    bids = [["49.99", "100", 3], ["49.98", "5", 1]]
    asks = [["50.01", "7", 2]]
    assert checksum(bids, asks) == zlib.crc32(b"49.99:100|49.98:5|50.01:7") == 0x6A33CB5B


def test_the_checksum_of_known_bytes():
    """One level, whose CRC-32 other tools give too (`printf 1.00:1 | gzip -c | tail -c8`)."""
    assert checksum([["1.00", "1", 1]], []) == 0xA02227BC
    assert checksum([], []) == 0


def test_the_checksum_is_of_ten_levels_of_each_side():
    """What lies deeper does not count, on either side."""
    bids = [[f"{90 - level}.00", "1", 1] for level in range(12)]
    asks = [[f"{91 + level}.00", "1", 1] for level in range(12)]
    assert checksum(bids, asks) == checksum(bids[:10], asks[:10])
    assert checksum(bids, asks) != checksum(bids[:9], asks[:10])


@pytest.mark.parametrize(
    ("side", "best_first"),
    [(Side.BUY, ["50.20", "50.10", "50.00"]), (Side.SELL, ["50.00", "50.10", "50.20"])],
)
def test_levels_come_best_first(side, best_first):
    """The highest bid and the lowest ask are best; depth cuts from there."""
    book_side = BookSide(side, tick_fen=10)
    for price_ticks in (501, 500, 502):
        book_side.add(book_side.sign * price_ticks, 7, 1)
    assert [level[0] for level in book_side.depth(None)] == best_first
    assert [level[0] for level in book_side.depth(2)] == best_first[:2]
    assert book_side.best() == (502 if side == Side.BUY else 500, 7)


@pytest.mark.parametrize(
    ("steps", "changes"),
    [
        pytest.param([(5000, 10, 1)], [["50.00", "10", 1]], id="a new level"),
        pytest.param([(4990, 5, 1)], [["49.90", "25", 3]], id="a fuller level"),
        pytest.param([(4990, -20, -2)], [["49.90", "0", 0]], id="a level that goes"),
        pytest.param([(5000, 10, 1), (5000, -10, -1)], [], id="a level that came and went"),
        pytest.param([(4990, -20, -2), (4990, 20, 2)], [], id="a level that went and came back"),
        pytest.param([(4990, -20, -2), (4990, 20, 1)], [["49.90", "20", 1]], id="fewer orders"),
    ],
)
def test_changes_are_net(steps, changes):
    """Only levels that differ in the end are reported, once, with their new values."""
    side = BookSide(Side.BUY, tick_fen=1)
    side.add(-4990, 20, 2)
    side.take_changes()
    for price_ticks, quantity_lots, orders in steps:
        side.add(-price_ticks, quantity_lots, orders)
    assert side.view(side.take_changes()) == changes
    assert side.take_changes() == []


def test_a_book_says_when_nothing_has_changed():
    """A step that leaves the book as it was gives no changes, and the checksum stays."""
    book = Book(tick_fen=1)
    book.bids.add(-5000, 1, 1)
    assert book.take_changes() == ([(-5_000, (1, 1))], [])
    before = book.checksum
    book.asks.add(5001, 1, 1)
    book.asks.add(5001, -1, -1)
    assert book.take_changes() is None
    assert book.checksum == before
