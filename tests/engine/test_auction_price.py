"""The price of an auction against its definition: every price in ticks is tried."""

from engine_driver import SMALL_LIMITS, instrument_fields, make_command, send
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.auction_price import NO_AUCTION_PRICE, AuctionPrice, PriceLevel, auction_price
from engine.codes import CommandKind, OrderType, Phase, Purpose, SelfTradePrevention, TimeInForce
from engine.matching.auction import find_clearing
from engine.matching.engine import Engine

_LOWEST, _HIGHEST = 90, 110
_levels = st.lists(st.tuples(st.integers(_LOWEST, _HIGHEST), st.integers(1, 6)), max_size=8)
_references = st.integers(_LOWEST - 5, _HIGHEST + 5)
Levels = list[PriceLevel]


def _defined(bids: Levels, asks: Levels, reference_ticks: int) -> AuctionPrice:
    """docs/protocol.md, word for word."""

    def demand(price_ticks: int) -> int:
        return sum(lots for limit, lots in bids if limit >= price_ticks)

    def supply(price_ticks: int) -> int:
        return sum(lots for limit, lots in asks if limit <= price_ticks)

    def volume(price_ticks: int) -> int:
        return min(demand(price_ticks), supply(price_ticks))

    def surplus(price_ticks: int) -> int:
        return demand(price_ticks) - supply(price_ticks)

    prices = list(range(_LOWEST, _HIGHEST + 1))
    most = max(volume(price) for price in prices)
    if most == 0:
        return NO_AUCTION_PRICE
    prices = [price for price in prices if volume(price) == most]
    least = min(abs(surplus(price)) for price in prices)
    prices = [price for price in prices if abs(surplus(price)) == least]
    if all(surplus(price) > 0 for price in prices):
        chosen = max(prices)
    elif all(surplus(price) < 0 for price in prices):
        chosen = min(prices)
    else:
        chosen = min(prices, key=lambda price: abs(price - reference_ticks))
    return AuctionPrice(chosen, most, surplus(chosen))


@settings(max_examples=400, deadline=None)
@given(bids=_levels, asks=_levels, reference_ticks=_references)
def test_the_rule_is_its_definition(bids: Levels, asks: Levels, reference_ticks: int) -> None:
    """Market data and the reference engine find the price that trying all of them finds."""
    bids, asks = sorted(bids, reverse=True), sorted(asks)
    assert auction_price(bids, asks, reference_ticks) == _defined(bids, asks, reference_ticks)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bids=_levels, asks=_levels, reference_ticks=_references)
def test_the_ladders_give_the_same(bids: Levels, asks: Levels, reference_ticks: int) -> None:
    """So does the compiled engine, from both ends of its ladders."""
    engine = _engine_with(bids, asks)
    found = find_clearing(engine.arrays.book, 1, reference_ticks)
    assert tuple(map(int, found)) == _defined(bids, asks, reference_ticks)


def _engine_with(bids: Levels, asks: Levels) -> Engine:
    """An engine in a call auction with one order for each level."""
    engine = Engine(SMALL_LIMITS)
    rule = {"reference_price_ticks": 100, "price_limit_ppm": 100_000, "ladder_levels": 64}
    send(engine, make_command(CommandKind.DEFINE_INSTRUMENT, **instrument_fields(**rule)))
    phase = {"instrument": 1, "phase": Phase.CALL_AUCTION}
    send(engine, make_command(CommandKind.SET_PHASE, **phase))
    for account, kind, amount in (
        (1, CommandKind.DEPOSIT_CASH, {"amount_fen": 1_000_000}),
        (2, CommandKind.DEPOSIT_CREDITS, {"instrument": 1, "quantity_lots": 1_000}),
    ):
        send(engine, make_command(CommandKind.OPEN_ACCOUNT, account=account))
        send(engine, make_command(kind, account=account, **amount))
    for side, levels in enumerate((bids, asks)):
        for price_ticks, lots in levels:
            order = make_command(
                CommandKind.NEW_ORDER,
                account=1 + side,
                instrument=1,
                side=side,
                order_type=OrderType.LIMIT,
                time_in_force=TimeInForce.DAY,
                self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST,
                purpose=Purpose.VOLUNTARY,
                price_ticks=price_ticks,
                quantity_lots=lots,
            )
            assert send(engine, order)[0]["code"] == 0
    return engine


def test_a_book_that_does_not_cross_has_none() -> None:
    """Nor has one without bids, without asks, or with neither."""
    bids, asks = [(100, 5), (99, 5)], [(101, 5)]
    no_levels: Levels = []
    for levels in ((bids, asks), (bids, no_levels), (no_levels, asks), (no_levels, no_levels)):
        assert auction_price(*levels, 100) == NO_AUCTION_PRICE
