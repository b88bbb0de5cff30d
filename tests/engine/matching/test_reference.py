"""The reference engine's own parts; its rules are tested by the scenarios."""

import numpy as np
import pytest
from engine_driver import SMALL_LIMITS, instrument_fields, make_command, read_events, stamp

from engine.codes import CommandKind, EventKind, OrderType, Side, TimeInForce
from engine.matching.reference import ReferenceEngine
from engine.matching.reference.administration import limits_fit, price_limits
from engine.matching.reference.book import Book, Order
from engine.matching.reference.risk import fee_fen, hold_fen
from engine.matching.reference.state import Instrument
from engine.records import COMMAND, EVENT, INSTRUMENT_COMMAND


def _order(order_id: int, side: Side, price_ticks: int) -> Order:
    return Order(
        order_id=order_id,
        client_id_high=0,
        client_id_low=0,
        entered_time_ns=0,
        price_ticks=price_ticks,
        quantity_lots=10,
        remaining_lots=10,
        account=1,
        instrument=1,
        scheme=0,
        session=0,
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        flags=0,
        self_trade_prevention=1,
        purpose=1,
        gateway=0,
    )


@pytest.mark.parametrize(
    ("side", "expected"), [(Side.BUY, [3, 5, 1, 4, 2]), (Side.SELL, [2, 4, 1, 3, 5])]
)
def test_a_book_is_sorted_by_price_then_time(side: Side, expected: list[int]) -> None:
    """The highest bid and the lowest ask first; at one price the earliest."""
    book = Book()
    for order_id, price_ticks in enumerate((100, 98, 101, 99, 101), start=1):
        book.add(_order(order_id, side, price_ticks))
    assert [order.order_id for order in book.orders(side)] == expected


def test_an_order_faces_what_it_reaches() -> None:
    """Opposite orders at its limit or better, and no others."""
    book = Book()
    asks = [_order(number, Side.SELL, 99 + number) for number in range(4)]
    for ask in asks:
        book.add(ask)
    book.add(_order(9, Side.BUY, 98))
    assert list(book.facing(_order(10, Side.BUY, 101))) == asks[:3]
    assert list(book.facing(_order(11, Side.BUY, 98))) == []
    book.remove(asks[0])
    assert next(book.facing(_order(12, Side.BUY, 101))) is asks[1]


@pytest.mark.parametrize(
    ("reference", "limit_ppm", "limits"),
    [
        (10_000, 100_000, (9_000, 11_000)),
        (10_003, 100_000, (9_003, 11_003)),  # 9,002.7 up, 11,003.3 down
        (1, 999_999, (1, 1)),
        (1, 0, (1, 1)),
        (2**31 - 1, 0, (2**31 - 1, 2**31 - 1)),
        (2**31 - 1, 999_999, (2_148, 4_294_965_146)),
    ],
)
def test_price_limits_are_rounded_inwards(
    reference: int, limit_ppm: int, limits: tuple[int, int]
) -> None:
    """Never outside the percentage, never below one tick."""
    assert price_limits(reference, limit_ppm) == limits


@pytest.mark.parametrize(
    ("upper", "maximum_order_lots", "levels", "fits"),
    [
        (163, 1, 64, True),
        (164, 1, 64, False),
        (2**25 - 1, 2**20, 2**25, True),
        (2**25, 2**20, 2**25, True),
        (2**25 + 1, 2**20, 2**26, False),
    ],
)
def test_limits_fit_ladder_and_notional(
    upper: int, maximum_order_lots: int, levels: int, fits: bool
) -> None:
    """Both bounds are reached exactly."""
    assert limits_fit(100, upper, 1, maximum_order_lots, levels) == fits


def test_a_hold_covers_any_sequence_of_trades() -> None:
    """The fee of the whole is never less than the fees of its parts, each rounded down."""
    instrument = Instrument(tick_fen=1, maker_fee_ppm=333, taker_fee_ppm=77)
    for parts in ((1, 2), (1, 1, 1), (7, 13, 101), (1,) * 50):
        paid = sum(999 * part + fee_fen(999 * part, 333) for part in parts)
        assert hold_fen(instrument, 999, sum(parts)) >= paid


def test_commands_are_read_through_any_view() -> None:
    """The array may carry the header's dtype or the layout's own; an empty one does nothing."""
    command = stamp(make_command(CommandKind.DEFINE_INSTRUMENT, **instrument_fields()), 1)
    answers = [
        ReferenceEngine(SMALL_LIMITS).apply(view)
        for view in (command.view(COMMAND), command.view(INSTRUMENT_COMMAND))
    ]
    assert answers[0].dtype == EVENT
    assert answers[0].tobytes() == answers[1].tobytes()
    assert read_events(answers[0])[0]["kind"] == EventKind.INSTRUMENT_DEFINED

    engine = ReferenceEngine(SMALL_LIMITS)
    assert len(engine.apply(np.zeros(0, COMMAND))) == 0
    assert engine.sequence == 0
    engine.apply(command)
    assert engine.sequence == 1
