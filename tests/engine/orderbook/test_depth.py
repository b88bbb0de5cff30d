"""Depth shows a side's best levels, with quantities and counts that follow each order."""

from engine_driver import SMALL_LIMITS, instrument_fields, make_command, send

from engine.codes import (
    CommandKind,
    OrderType,
    Phase,
    Purpose,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from engine.matching.engine import Engine
from engine.orderbook.depth import best_levels


def _enter(engine: Engine, account: int, side: Side, price_ticks: int, lots: int) -> int:
    command = make_command(
        CommandKind.NEW_ORDER,
        account=account,
        instrument=1,
        side=side,
        price_ticks=price_ticks,
        quantity_lots=lots,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST,
        purpose=Purpose.VOLUNTARY,
    )
    events = send(engine, command)
    assert events[0]["code"] == 0
    return int(events[0]["order_id"])


def test_depth_follows_entries_trades_and_cancels() -> None:
    """Levels come best first on both sides, cut to the count asked for, and vanish when empty."""
    engine = Engine(SMALL_LIMITS)
    send(engine, make_command(CommandKind.DEFINE_INSTRUMENT, **instrument_fields()))
    for account in (1, 2):
        send(engine, make_command(CommandKind.OPEN_ACCOUNT, account=account))
    cash = {"account": 1, "amount_fen": 10**9}
    send(engine, make_command(CommandKind.DEPOSIT_CASH, **cash))
    credits = {"account": 2, "instrument": 1, "quantity_lots": 1_000}
    send(engine, make_command(CommandKind.DEPOSIT_CREDITS, **credits))
    phase = {"instrument": 1, "phase": Phase.CONTINUOUS}
    send(engine, make_command(CommandKind.SET_PHASE, **phase))

    def depth(side: Side, count: int = 10) -> list[tuple[int, int, int]]:
        return [row.item() for row in best_levels(engine.arrays.book, 1, side, count)]

    assert depth(Side.BUY) == depth(Side.SELL) == []
    for price_ticks, lots in ((10_000, 5), (9_990, 7), (10_000, 3), (9_500, 1)):
        _enter(engine, 1, Side.BUY, price_ticks, lots)
    ask_id = _enter(engine, 2, Side.SELL, 10_010, 4)
    _enter(engine, 2, Side.SELL, 10_300, 6)
    assert depth(Side.BUY) == [(10_000, 8, 2), (9_990, 7, 1), (9_500, 1, 1)]
    assert depth(Side.BUY, 1) == [(10_000, 8, 2)]
    assert depth(Side.SELL) == [(10_010, 4, 1), (10_300, 6, 1)]

    _enter(engine, 2, Side.SELL, 9_990, 9)
    assert depth(Side.BUY) == [(9_990, 6, 1), (9_500, 1, 1)]
    send(engine, make_command(CommandKind.CANCEL_ORDER, account=2, order_id=ask_id))
    assert depth(Side.SELL) == [(10_300, 6, 1)]
