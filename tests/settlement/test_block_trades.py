"""Block trades: proposed, accepted, ended, and traded once wherever a crash falls."""

from __future__ import annotations

from typing import Any

import pytest
from failing_port import BrokenLinkError, FailingPort
from settlement_driver import Exchange
from sqlalchemy import select

from engine.codes import CommandKind, Phase, Side, TradeType
from engine.records import ADMIN_COMMAND
from settlement import block_trades, netting
from settlement.block_trades import Proposal
from settlement.errors import Refused
from settlement.market_rules import ClosingPriceRule
from settlement.tables.identity import Account
from settlement.tables.trading import Instrument, Trade


def set_window(exchange: Exchange, *, is_open: bool = True, minimum: int = 100) -> None:
    exchange.command(
        CommandKind.SET_BLOCK_RULES,
        ADMIN_COMMAND,
        instrument=1,
        quantity_lots=minimum,
        block_limit_ppm=300_000,
        is_open=int(is_open),
    )
    exchange.intake.flush()


def proposal(**changes: Any) -> Proposal:
    """Account 1 offers 200 t to account 2 at 60.00, beyond the limits of listed orders."""
    return Proposal(
        client_order_id="block-1",
        proposer=1,
        counterparty=2,
        instrument=1,
        side=Side.SELL,
        price_ticks=6_000,
        quantity_lots=200,
    )._replace(**changes)


@pytest.fixture
def market(exchange: Exchange) -> Exchange:
    """The exchange with its accounts in the database, and the block window open."""
    exchange.database.write(
        lambda session: session.add_all(
            Account(number=number, code=f"a{number}", name="A firm", created_time_ns=1)
            for number in (1, 2, 3)
        )
    ).result()
    set_window(exchange)
    return exchange


def trades(exchange: Exchange) -> list[tuple[int, int, int]]:
    exchange.intake.flush()
    with exchange.database.read() as session:
        rows = session.scalars(select(Trade).order_by(Trade.trade_id))
        return [(row.price_ticks, row.quantity_lots, row.trade_type) for row in rows]


def status(exchange: Exchange, block_trade_id: str) -> str:
    exchange.intake.flush()
    with exchange.database.read() as session:
        trade = block_trades.find(session, 1, block_trade_id)
        return block_trades.status_of(session, trade)


def open_orders(exchange: Exchange) -> int:
    return len(exchange.engine.export().orders)


def test_a_proposal_holds_its_means_and_trades_when_it_is_accepted(market: Exchange) -> None:
    """The proposer is prefunded, the counterparty pays, and nobody else is met."""
    database = market.database
    market.order(3, 1, Side.BUY, 5_000, 10)
    block_trade_id, replayed = block_trades.propose(database, market, proposal())
    assert not replayed
    assert market.account(1).positions["held_lots"].tolist() == [200]
    block_trades.accept(database, market, 2, block_trade_id)
    assert status(market, block_trade_id) == "completed"
    assert trades(market) == [(6_000, 200, TradeType.BLOCK)]
    assert market.account(1).positions["available_lots"].tolist() == [800]
    assert market.account(2).positions["locked_lots"].tolist() == [200]
    block_trades.accept(database, market, 2, block_trade_id)
    assert len(trades(market)) == 1


def test_the_same_request_is_the_same_proposal(market: Exchange) -> None:
    """A repeated client_order_id gives the proposal again; another body is refused."""
    first = block_trades.propose(market.database, market, proposal())
    assert block_trades.propose(market.database, market, proposal()) == (first[0], True)
    with pytest.raises(Refused, match="duplicate_client_order_id"):
        block_trades.propose(market.database, market, proposal(price_ticks=6_001))
    assert open_orders(market) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity_lots": 99}, "invalid_request"),
        ({"price_ticks": 6_501}, "price_outside_limits"),
        ({"quantity_lots": 1_001}, "insufficient_credits"),
        ({"side": Side.BUY, "quantity_lots": 1_700}, "insufficient_funds"),
        ({"counterparty": 1}, "would_self_trade"),
    ],
)
def test_what_is_refused_leaves_no_order(
    market: Exchange, changes: dict[str, int], code: str
) -> None:
    """The refusal has the contract's code, and comes again with the same request."""
    for _ in range(2):
        with pytest.raises(Refused, match=code):
            block_trades.propose(market.database, market, proposal(**changes))
    assert open_orders(market) == 0


def test_each_side_has_its_own_part(market: Exchange) -> None:
    """Only the counterparty accepts and rejects, the proposer withdraws; others see nothing."""
    database = market.database
    block_trade_id, _ = block_trades.propose(database, market, proposal())
    with pytest.raises(Refused, match="not_found"):
        block_trades.accept(database, market, 3, block_trade_id)
    with pytest.raises(Refused, match="forbidden"):
        block_trades.accept(database, market, 1, block_trade_id)
    with pytest.raises(Refused, match="forbidden"):
        block_trades.close(database, market, 2, block_trade_id, "withdrawn")
    with pytest.raises(Refused, match="forbidden"):
        block_trades.close(database, market, 1, block_trade_id, "rejected")
    block_trades.close(database, market, 2, block_trade_id, "rejected")
    block_trades.close(database, market, 2, block_trade_id, "rejected")
    assert status(market, block_trade_id) == "rejected"
    with pytest.raises(Refused, match="conflict"):
        block_trades.accept(database, market, 2, block_trade_id)
    again, _ = block_trades.propose(database, market, proposal(client_order_id="block-2"))
    block_trades.close(database, market, 1, again, "withdrawn")
    assert status(market, again) == "withdrawn"
    assert open_orders(market) == 0
    with database.read() as session:
        listed = [trade.block_trade_id for trade in block_trades.page(session, 2, 2**62, 10)]
        assert listed == [again, block_trade_id]
        assert block_trades.page(session, 3, 2**62, 10) == []


def test_a_proposal_ends_with_the_window(market: Exchange) -> None:
    """Its order leaves when the window closes; accepting it then costs the counterparty nothing."""
    database = market.database
    block_trade_id, _ = block_trades.propose(database, market, proposal())
    set_window(market, is_open=False)
    assert status(market, block_trade_id) == "expired"
    with pytest.raises(Refused, match="market_closed"):
        block_trades.accept(database, market, 2, block_trade_id)
    set_window(market)
    with pytest.raises(Refused, match="order_not_open"):
        block_trades.accept(database, market, 2, block_trade_id)
    assert status(market, block_trade_id) == "expired"
    assert trades(market) == []
    assert open_orders(market) == 0


def test_an_acceptance_that_fails_can_be_tried_again(market: Exchange) -> None:
    """A counterparty without means leaves the proposal as it was; so does a halt at the match."""
    database = market.database
    block_trade_id, _ = block_trades.propose(database, market, proposal())
    market.withdraw_cash(2, 10_000_000)
    with pytest.raises(Refused, match="insufficient_funds"):
        block_trades.accept(database, market, 2, block_trade_id)
    assert status(market, block_trade_id) == "proposed"
    market.deposit_cash(2, 10_000_000)
    market.on_command(CommandKind.MATCH_ORDERS, lambda: market.set_phase(1, Phase.HALTED))
    with pytest.raises(Refused, match="market_halted"):
        block_trades.accept(database, market, 2, block_trade_id)
    assert status(market, block_trade_id) == "proposed"
    assert open_orders(market) == 1
    market.set_phase(1, Phase.CONTINUOUS)
    block_trades.accept(database, market, 2, block_trade_id)
    assert trades(market) == [(6_000, 200, TradeType.BLOCK)]


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("breaks_at", range(3))
def test_a_crash_anywhere_leaves_one_trade(market: Exchange, breaks_at: int, acts: bool) -> None:
    """Broken at each command, before or after it acts, then repeated: one trade, no order left."""
    database = market.database
    port = FailingPort(market, breaks_at, acts)
    block_trade_id = ""
    for attempt in range(2):
        try:
            block_trade_id, _ = block_trades.propose(database, port, proposal())
            block_trades.accept(database, port, 2, block_trade_id)
        except BrokenLinkError:
            assert attempt == 0
            port = FailingPort(market, 100, acts)
            assert block_trades.resume_pending(database, port) == 1
    assert status(market, block_trade_id) == "completed"
    assert trades(market) == [(6_000, 200, TradeType.BLOCK)]
    assert open_orders(market) == 0


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("breaks_at", range(4))
def test_a_crash_while_an_acceptance_is_undone(
    market: Exchange, breaks_at: int, acts: bool
) -> None:
    """Broken anywhere between a refused match and its end, the counterparty's order is gone."""
    database = market.database
    block_trade_id, _ = block_trades.propose(database, market, proposal())
    market.on_command(CommandKind.MATCH_ORDERS, lambda: market.set_phase(1, Phase.HALTED))
    with pytest.raises((BrokenLinkError, Refused)):
        block_trades.accept(database, FailingPort(market, breaks_at, acts), 2, block_trade_id)
    block_trades.resume_pending(database, market)
    assert status(market, block_trade_id) in ("proposed", "completed")
    assert open_orders(market) == (1 if status(market, block_trade_id) == "proposed" else 0)


def test_blocks_make_no_price_but_are_settled(market: Exchange) -> None:
    """The day's figures leave a block out and tell it apart; both accounts' nets have it."""
    block_trade_id, _ = block_trades.propose(market.database, market, proposal())
    block_trades.accept(market.database, market, 2, block_trade_id)
    market.order(1, 1, Side.SELL, 5_100, 10)
    market.order(3, 1, Side.BUY, 5_100, 10)
    market.intake.flush()
    with market.database.read() as session:
        unsettled = netting.unsettled(2**62)
        figures = netting.day_figures(session, unsettled)[1]
        instrument = session.get_one(Instrument, 1)
        assert (figures.trades, figures.volume_lots, figures.negotiated_lots) == (1, 10, 200)
        assert (figures.notional_fen, figures.negotiated_fen) == (51_000, 1_200_000)
        assert figures.fees_fen == (51_000 + 1_200_000) * 4 // 1_000
        rule = ClosingPriceRule(thin_market_quantity=0, source="test")
        assert netting.closing_price(instrument, figures, rule) == (5_100, "vwap")
        nets = {
            (instrument, account): net
            for instrument, account, net in netting.nets(session, unsettled)
        }
        assert (nets[1, 1].sold_lots, nets[1, 2].bought_lots) == (210, 200)
