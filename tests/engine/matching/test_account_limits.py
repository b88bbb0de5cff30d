"""An account's rate is counted anew in each whole second of command time; both engines agree."""

from collections.abc import Callable

import numpy as np
from engine_driver import (
    SMALL_LIMITS,
    AnyEngine,
    instrument_fields,
    make_command,
    read_events,
    send,
    stamp,
)

from engine.codes import Code, CommandKind, OrderType, Phase, Purpose, SelfTradePrevention
from engine.codes import TimeInForce as InForce
from engine.state import EngineLimits, state_hash
from engine.units import NANOSECONDS_PER_SECOND

SECOND_NS = 1_700_000_100 * NANOSECONDS_PER_SECOND


def _limited_engine(engine_class: Callable[[EngineLimits], AnyEngine], rate: int) -> AnyEngine:
    engine = engine_class(SMALL_LIMITS)
    for command in (
        make_command(CommandKind.DEFINE_INSTRUMENT, **instrument_fields()),
        make_command(CommandKind.OPEN_ACCOUNT, account=1),
        make_command(CommandKind.DEPOSIT_CASH, account=1, amount_fen=10**9),
        make_command(CommandKind.SET_PHASE, instrument=1, phase=Phase.CONTINUOUS),
        make_command(CommandKind.SET_ACCOUNT_LIMITS, account=1, maximum_orders_per_second=rate),
    ):
        assert send(engine, command)[0]["code"] == Code.OK
    return engine


def _buy_at(engine: AnyEngine, time_ns: int) -> int:
    """The code of a buy order that comes at this time."""
    order = make_command(
        CommandKind.NEW_ORDER,
        account=1,
        instrument=1,
        price_ticks=9_900,
        quantity_lots=1,
        order_type=OrderType.LIMIT,
        time_in_force=InForce.DAY,
        self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST,
        purpose=Purpose.VOLUNTARY,
    )
    stamp(order, engine.sequence + 1)
    order["time_ns"] = time_ns
    return int(read_events(engine.apply(order))[0]["code"])


def test_each_second_begins_at_none(engine_class: Callable[[EngineLimits], AnyEngine]) -> None:
    """The last nanosecond of one second and the first of the next are far apart."""
    engine = _limited_engine(engine_class, rate=2)
    times_ns = [SECOND_NS - 1] * 3 + [SECOND_NS, SECOND_NS + 999_999_999, SECOND_NS + 999_999_999]
    codes = [_buy_at(engine, time_ns) for time_ns in times_ns]
    exceeded = Code.ORDER_RATE_EXCEEDED
    assert codes == [Code.OK, Code.OK, exceeded, Code.OK, Code.OK, exceeded]


def test_the_count_is_part_of_the_state(engine_class: Callable[[EngineLimits], AnyEngine]) -> None:
    """Two engines that would answer the next order differently have different hashes."""
    hashes = set()
    for times_ns in ([SECOND_NS - 1, SECOND_NS], [SECOND_NS, SECOND_NS]):
        engine = _limited_engine(engine_class, rate=2)
        assert [_buy_at(engine, time_ns) for time_ns in times_ns] == [Code.OK, Code.OK]
        state = engine.export()
        state.orders["entered_time_ns"] = 0
        hashes.add(state_hash(state))
        assert np.count_nonzero(state.accounts["orders_in_second"]) == 1
    assert len(hashes) == 2
