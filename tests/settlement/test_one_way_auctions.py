"""One-way auctions: reserved, published, bid for, allotted, and traded once wherever they break."""

from __future__ import annotations

import time
from typing import Any

import pytest
from failing_port import BrokenLinkError, FailingPort
from settlement_driver import Exchange
from sqlalchemy import select

from engine.codes import Phase, Side, TradeType
from settlement import auction_bids, one_way_auctions
from settlement.auction_bids import Offer
from settlement.errors import Refused
from settlement.one_way_auctions import Application
from settlement.tables.identity import Account
from settlement.tables.trading import Trade

END_NS = time.time_ns() + 10**15
NOW_NS = END_NS - 1_000


def application(**changes: Any) -> Application:
    """Account 1 sells 100 t, at 55.00 at least."""
    return Application(
        initiator=1,
        instrument=1,
        side=Side.SELL,
        quantity_lots=100,
        reserve_price_ticks=5_500,
        mode="uniform",
        share_cap_ppm=1_000_000,
        notice="100 t of 2025",
        starts_at_ns=1,
        ends_at_ns=END_NS,
    )._replace(**changes)


@pytest.fixture
def market(exchange: Exchange) -> Exchange:
    """The exchange with its accounts in the database."""
    exchange.database.write(
        lambda session: session.add_all(
            Account(number=number, code=f"a{number}", name="A firm", created_time_ns=1)
            for number in (1, 2, 3)
        )
    ).result()
    return exchange


def publish(exchange: Exchange, auction_id: str, *, publish: bool = True) -> None:
    exchange.database.write(
        lambda session: one_way_auctions.decide(
            session, auction_id, "operator", publish=publish, now_ns=NOW_NS
        )
    ).result()


def published(exchange: Exchange, **changes: Any) -> str:
    auction_id = one_way_auctions.apply(exchange.database, exchange, application(**changes))
    publish(exchange, auction_id)
    return auction_id


def bid(exchange: Any, auction_id: str, account: int, price: int, lots: int, name: str) -> str:
    offer = Offer(name, account, price, lots)
    database = getattr(exchange, "exchange", exchange).database
    return auction_bids.place(database, exchange, auction_id, offer, NOW_NS)[0]


def status(exchange: Exchange, auction_id: str) -> str:
    with exchange.database.read() as session:
        return one_way_auctions.find(session, auction_id).status


def trades(exchange: Exchange) -> list[tuple[int, int, int, int]]:
    exchange.intake.flush()
    with exchange.database.read() as session:
        return [
            (row.taker_account, row.price_ticks, row.quantity_lots, row.trade_type)
            for row in session.scalars(select(Trade).order_by(Trade.trade_id))
        ]


def open_orders(exchange: Exchange) -> int:
    return len(exchange.engine.export().orders)


@pytest.mark.parametrize(
    ("mode", "prices"), [("uniform", (5_600, 5_600)), ("highest", (5_700, 5_600))]
)
def test_the_best_bids_win_and_the_rest_is_given_back(
    market: Exchange, mode: str, prices: tuple[int, int]
) -> None:
    """Two winners, one in part; the loser's cash and nothing of the lot stay held."""
    auction_id = published(market, mode=mode)
    bid(market, auction_id, 2, 5_600, 70, "b1")
    bid(market, auction_id, 3, 5_700, 60, "b2")
    bid(market, auction_id, 3, 5_550, 60, "b3")
    with pytest.raises(Refused, match="has not ended"):
        one_way_auctions.close(market.database, market, auction_id, NOW_NS)
    one_way_auctions.close(market.database, market, auction_id, END_NS)
    one_way_auctions.close(market.database, market, auction_id, END_NS)
    assert trades(market) == [
        (2, prices[1], 40, TradeType.ONE_WAY),
        (3, prices[0], 60, TradeType.ONE_WAY),
    ]
    assert open_orders(market) == 0
    assert status(market, auction_id) == "completed"
    with market.database.read() as session:
        number = one_way_auctions.find(session, auction_id).number
        statuses = [each.status for each in auction_bids.of_account(session, number, 3)]
        assert statuses == ["won", "lost"]
        assert [each.allotted_lots for each in auction_bids.winners(session, number)] == [40, 60]


def test_an_auction_to_buy_takes_the_lowest_offers(market: Exchange) -> None:
    """The initiator's cash is held at the reserve price; sellers are paid what they asked."""
    auction_id = published(market, side=Side.BUY, mode="highest")
    bid(market, auction_id, 2, 5_400, 70, "b1")
    bid(market, auction_id, 3, 5_300, 60, "b2")
    with pytest.raises(Refused, match="price_outside_limits"):
        bid(market, auction_id, 3, 5_501, 1, "b3")
    one_way_auctions.close(market.database, market, auction_id, END_NS)
    assert trades(market) == [
        (2, 5_400, 40, TradeType.ONE_WAY),
        (3, 5_300, 60, TradeType.ONE_WAY),
    ]
    assert int(market.account(1).account["held_fen"]) == 0


def test_an_auction_waits_for_the_operator(market: Exchange) -> None:
    """Nobody bids before it is published; a rejected or withdrawn one gives its lot back."""
    database = market.database
    auction_id = one_way_auctions.apply(database, market, application())
    assert market.account(1).positions["held_lots"].tolist() == [100]
    with pytest.raises(Refused, match="not_found"):
        bid(market, auction_id, 2, 5_600, 10, "b1")
    with pytest.raises(Refused, match="not_found"):
        one_way_auctions.withdraw(database, market, 2, auction_id)
    one_way_auctions.withdraw(database, market, 1, auction_id)
    assert status(market, auction_id) == "withdrawn"
    another = one_way_auctions.apply(database, market, application())
    publish(market, another, publish=False)
    assert one_way_auctions.close_due(database, market, NOW_NS) == 1
    assert status(market, another) == "rejected"
    assert open_orders(market) == 0
    with pytest.raises(Refused, match="conflict"):
        publish(market, another)


def test_what_is_asked_twice_is_done_once(market: Exchange) -> None:
    """An Idempotency-Key and a client_order_id stand for one auction and one bid."""
    database = market.database
    first = one_way_auctions.apply(database, market, application(), "key")
    assert one_way_auctions.apply(database, market, application(), "key") == first
    with pytest.raises(Refused, match="conflict"):
        one_way_auctions.apply(database, market, application(mode="highest"), "key")
    publish(market, first)
    one = bid(market, first, 2, 5_600, 10, "b1")
    assert bid(market, first, 2, 5_600, 10, "b1") == one
    with pytest.raises(Refused, match="duplicate_client_order_id"):
        bid(market, first, 2, 5_601, 10, "b1")
    assert open_orders(market) == 2


@pytest.mark.parametrize(
    ("account", "price", "lots", "code"),
    [
        (1, 5_600, 10, "would_self_trade"),
        (2, 5_499, 10, "price_outside_limits"),
        (2, 5_600, 101, "quantity_too_large"),
        (2, 200_000, 100, "insufficient_funds"),
    ],
)
def test_bids_are_checked(market: Exchange, account: int, price: int, lots: int, code: str) -> None:
    """What may not be bid, with the contract's code."""
    auction_id = published(market)
    with pytest.raises(Refused, match=code):
        bid(market, auction_id, account, price, lots, "b1")
    assert open_orders(market) == 1


def test_a_bid_is_taken_back_only_before_the_end(market: Exchange) -> None:
    """By its account alone; after the end it binds, and no other is taken."""
    database = market.database
    auction_id = published(market)
    one = bid(market, auction_id, 2, 5_600, 10, "b1")
    two = bid(market, auction_id, 2, 5_600, 10, "b2")
    with pytest.raises(Refused, match="not_found"):
        auction_bids.withdraw(database, market, auction_id, 3, one, now_ns=NOW_NS)
    for _ in range(2):
        auction_bids.withdraw(database, market, auction_id, 2, one, now_ns=NOW_NS)
    with pytest.raises(Refused, match="conflict"):
        auction_bids.withdraw(database, market, auction_id, 2, two, now_ns=END_NS)
    with pytest.raises(Refused, match="market_closed"):
        auction_bids.place(database, market, auction_id, Offer("b3", 3, 5_600, 1), END_NS)
    assert one_way_auctions.close_due(database, market, END_NS) == 1
    assert trades(market) == [(2, 5_600, 10, TradeType.ONE_WAY)]


def test_a_halt_puts_the_trades_off(market: Exchange) -> None:
    """Who wins is fixed at the end; the trades follow when the halt is over."""
    auction_id = published(market)
    bid(market, auction_id, 2, 5_600, 10, "b1")
    market.set_phase(1, Phase.HALTED)
    with pytest.raises(Refused, match="market_halted"):
        one_way_auctions.close(market.database, market, auction_id, END_NS)
    one_way_auctions.close_due(market.database, market, END_NS)
    assert (status(market, auction_id), trades(market)) == ("allotted", [])
    market.set_phase(1, Phase.CONTINUOUS)
    one_way_auctions.close_due(market.database, market, END_NS)
    assert trades(market) == [(2, 5_600, 10, TradeType.ONE_WAY)]


def test_a_bid_that_is_gone_wins_nothing(market: Exchange) -> None:
    """An account's orders may leave in other ways: its part of the lot stays unsold."""
    auction_id = published(market)
    bid(market, auction_id, 2, 5_700, 60, "b1")
    bid(market, auction_id, 3, 5_600, 60, "b2")
    [order_id] = [row["order_id"] for row in market.engine.export().orders if row["account"] == 2]
    market.cancel(2, int(order_id))
    one_way_auctions.close(market.database, market, auction_id, END_NS)
    assert trades(market) == [(3, 5_600, 40, TradeType.ONE_WAY)]
    assert open_orders(market) == 0


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("breaks_at", range(8))
def test_a_crash_anywhere_leaves_the_same_trades(
    market: Exchange, breaks_at: int, acts: bool
) -> None:
    """Broken at each command, before or after it acts, then carried on by the next round."""
    database = market.database
    port: Any = FailingPort(market, breaks_at, acts)

    def play() -> None:
        auction_id = one_way_auctions.apply(database, port, application(), "key")
        publish(market, auction_id)
        bid(port, auction_id, 2, 5_600, 70, "b1")
        bid(port, auction_id, 3, 5_700, 60, "b2")
        one_way_auctions.close(database, port, auction_id, END_NS)

    with pytest.raises(BrokenLinkError):
        play()
    port = FailingPort(market, 100, acts)
    one_way_auctions.close_due(database, port, NOW_NS)
    if not trades(market):
        play()
    assert trades(market) == [
        (2, 5_600, 40, TradeType.ONE_WAY),
        (3, 5_600, 60, TradeType.ONE_WAY),
    ]
    assert open_orders(market) == 0
