"""The end-of-day run: what it comes to, who may begin it, and what can come in between."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from engine.codes import CommandKind, Phase, Side, TimeInForce
from engine.times import format_day
from settlement import blocks, clearing, custody, delivery, ledger, market_rules
from settlement.clearing import Clearing
from settlement.errors import Refused
from settlement.lease import Lease
from settlement.ledger import Holding
from settlement.tables.registry import Block
from settlement.tables.trading import Instrument, Order

BUY, SELL = Side.BUY, Side.SELL
DAY = 20_777


def test_a_day_is_settled(market: Any, tmp_path: Path) -> None:
    """After the run engine, ledger and custody agree, and the next day is open."""
    market.trade_a_day()
    run_id = market.settle(tmp_path)

    with market.database.read() as session:
        outcome = clearing.report(session, run_id)
        totals = custody.custody_totals(session)
        balances = ledger.balances(session)
        assert ledger.imbalances(session) == []
        assert blocks.partition_faults(session) == []
    assert (outcome.run.status, outcome.breaks) == ("completed", [])
    assert outcome.batches_done == outcome.run.batches == 2
    assert totals == {
        (1, "GD-PHCER"): 710,
        (2, "GD-PHCER"): 340,
        (3, "GD-PHCER"): 400,
        (4, "GD-PHCER"): 50,
        (1, "XM-CER"): 240,
        (4, "XM-CER"): 60,
    }
    after = market.balances()
    assert not after.positions["locked_lots"].any(), "the resale lock is released"
    for account in (1, 2, 3, 4):
        cash = after.accounts["available_fen"][account] + after.accounts["held_fen"][account]
        assert balances[Holding("participant", account, "CNY")] == cash
    assert balances[Holding("fee_income", 0, "CNY")] == after.accounts["available_fen"][0]
    assert Holding("clearing_house", 0, "CNY") not in balances


def test_closing_prices(market: Any, tmp_path: Path) -> None:
    """The volume-weighted average rounded half up; the previous close in a thin market."""
    market.trade_a_day()
    run_id = market.settle(tmp_path)
    with market.database.read() as session:
        prices = clearing.report(session, run_id).prices
    weighted = 300 * 5_000 + 100 * 5_010 + 10 * 5_005 + 50 * 5_010
    assert [
        (instrument.symbol, price.closing_price_ticks, price.method, price.volume_lots)
        for price, instrument in prices
    ] == [
        ("GD-PHCER", round(weighted / 460), "vwap", 460),
        ("XM-CER", 5_000, "previous_close", 60),
    ]
    with market.database.read() as session:
        instruments = session.scalars(select(Instrument).order_by(Instrument.number)).all()
    assert [item.reference_price_ticks for item in instruments] == [5_003, 5_000]
    assert {item.trading_day for item in instruments} == {DAY + 1}
    assert {item.phase for item in instruments} == {Phase.CONTINUOUS}


def test_a_closing_auction_counts_like_any_trade(market: Any, tmp_path: Path) -> None:
    """The end of the day ends the auction, and its trades are in the day's average."""
    market.order(1, 1, SELL, 5_000, 300)
    market.order(3, 1, BUY, 5_000, 300)
    market.set_phase(1, Phase.CALL_AUCTION)
    market.order(2, 1, SELL, 5_040, 100)
    market.order(4, 1, BUY, 5_100, 100)
    market.intake.flush()
    run_id = market.settle(tmp_path)
    with market.database.read() as session:
        price, _ = clearing.report(session, run_id).prices[0]
    found = (price.volume_lots, price.closing_price_ticks, price.method)
    assert found == (400, 5_010, "vwap")


def test_a_closed_market_stays_closed(market: Any, tmp_path: Path) -> None:
    """Without `reopen` the next day waits; day orders have expired, gtc orders rest."""
    market.order(3, 1, BUY, 4_900, 5)
    lasting = market.order(3, 1, BUY, 4_901, 5, time_in_force=TimeInForce.GTC)
    market.settle(tmp_path, reopen=False)
    with market.database.read() as session:
        instruments = session.scalars(select(Instrument)).all()
        assert {item.phase for item in instruments} == {Phase.CLOSED}
        assert {item.trading_day for item in instruments} == {DAY + 1}
        statuses = {order.order_id: order.status for order in session.scalars(select(Order))}
    assert sorted(statuses.values()) == ["expired", "open"]
    assert statuses[lasting] == "open"


def test_days_follow_each_other(market: Any, tmp_path: Path) -> None:
    """What was bought one day is sold the next, and each day settles its own trades."""
    market.trade_a_day()
    market.settle(tmp_path)
    market.order(3, 1, SELL, 5_000, 150)
    market.order(1, 1, BUY, 5_000, 150)
    market.intake.flush()
    run_id = market.settle(tmp_path, day=DAY + 1)
    with market.database.read() as session:
        outcome = clearing.report(session, run_id)
        totals = custody.custody_totals(session)
    assert outcome.breaks == []
    assert [price.volume_lots for price, _ in outcome.prices] == [150, 0]
    assert (totals[3, "GD-PHCER"], totals[1, "GD-PHCER"]) == (250, 860)


def test_a_day_without_trades(market: Any, tmp_path: Path) -> None:
    """Nothing to deliver is no obstacle: prices stay, the day is rolled."""
    run_id = market.settle(tmp_path)
    with market.database.read() as session:
        outcome = clearing.report(session, run_id)
    assert (outcome.run.status, outcome.run.batches, outcome.breaks) == ("completed", 0, [])
    assert [price.method for price, _ in outcome.prices] == ["previous_close"] * 2


def test_days_that_cannot_be_settled(market: Any, tmp_path: Path) -> None:
    """Another day than the present one, a settled one, and the one that is at work."""
    work = Clearing(market.database, market, tmp_path, reopen=True)
    for day in (DAY - 1, DAY + 1):
        with pytest.raises(Refused) as refused:
            work.begin(day)
        assert refused.value.code == "conflict"
    run_id = work.begin(DAY)
    assert work.begin(DAY) == run_id
    assert work.run(run_id)
    with pytest.raises(Refused) as refused:
        work.begin(DAY)
    assert (refused.value.code, refused.value.extra) == ("already_settled", {"run_id": run_id})


def test_one_run_at_a_time(market: Any, tmp_path: Path) -> None:
    """Whoever comes while a run is at work leaves it alone."""
    market.trade_a_day()
    work = Clearing(market.database, market, tmp_path, reopen=True)
    run_id = work.begin(DAY)
    elsewhere = Lease(tmp_path / "settlement.lock")
    assert elsewhere.acquire()
    assert not work.run(run_id)
    elsewhere.release()
    with ThreadPoolExecutor(4) as pool:
        works = [Clearing(market.database, market, tmp_path, reopen=True) for _ in range(4)]
        assert any(list(pool.map(lambda each: each.run(run_id), works)))
    with market.database.read() as session:
        outcome = clearing.report(session, run_id)
    assert (outcome.run.status, outcome.breaks, outcome.batches_done) == ("completed", [], 2)


def test_the_calendar_is_the_operators(market: Any, tmp_path: Path) -> None:
    """Days that the calendar closes are passed over."""

    def close_days(session: Session) -> None:
        for days in (1, 2, 4):
            rule = {"is_trading": False, "note": "Maintenance"}
            key = format_day(DAY + days)
            market_rules.propose(session, "day", key, rule, actor="one", needs_approval=False)

    market.database.write(close_days).result()
    market.settle(tmp_path)
    with market.database.read() as session:
        assert clearing.current_trading_day(session) == DAY + 3


def test_the_thin_market_is_the_operators(market: Any, tmp_path: Path) -> None:
    """60 t of XM-CER make a price where the rule says that 59 t do not."""
    market.rule("closing_price", "XM-CER", {"thin_market_quantity": 59, "source": "Notice 12"})
    market.trade_a_day()
    run_id = market.settle(tmp_path)
    with market.database.read() as session:
        prices = clearing.report(session, run_id).prices
    assert [price.method for price, _ in prices] == ["vwap", "vwap"]
    assert prices[1][0].closing_price_ticks == 5_100


def test_breaks_are_kept_and_keep_the_market_closed(market: Any, tmp_path: Path) -> None:
    """A block that went astray shows as a break, and nothing opens before somebody has looked."""
    market.trade_a_day()

    def steal(session: Session) -> None:
        session.execute(update(Block).where(Block.holder_account == 2).values(holder_account=4))

    work = Clearing(market.database, market, tmp_path, reopen=True)
    run_id = work.begin(DAY)
    market.on_command(CommandKind.ROLL_DAY, lambda: market.database.write(steal).result())
    assert work.run(run_id)
    with market.database.read() as session:
        outcome = clearing.report(session, run_id)
        phases = set(session.scalars(select(Instrument.phase)))
    assert [(row.kind, row.account, row.ledger, row.custody) for row in outcome.breaks] == [
        ("ledger_custody", 2, 340, 0),
        ("ledger_custody", 4, 50, 390),
    ]
    assert phases == {Phase.CLOSED}


def test_trades_after_the_close_belong_to_the_next_day(market: Any, tmp_path: Path) -> None:
    """If somebody opens the market while a run is at work, nothing is lost or settled twice."""
    market.trade_a_day()

    def interfere() -> None:
        market.set_phase(1, Phase.CONTINUOUS)
        market.order(2, 1, SELL, 5_000, 7)
        market.order(4, 1, BUY, 5_000, 7)

    market.on_command(CommandKind.ROLL_DAY, interfere)
    run_id = market.settle(tmp_path)
    with market.database.read() as session:
        outcome = clearing.report(session, run_id)
    assert (outcome.run.status, outcome.breaks) == ("completed", [])
    assert [price.volume_lots for price, _ in outcome.prices] == [460, 60]
    run_id = market.settle(tmp_path, day=DAY + 1)
    with market.database.read() as session:
        outcome = clearing.report(session, run_id)
    assert [price.volume_lots for price, _ in outcome.prices] == [7, 0]
    assert outcome.breaks == []


def test_a_price_whose_limits_do_not_fit_is_not_rolled(market: Any, tmp_path: Path) -> None:
    """The closing price is published, but the engine keeps the reference price it can hold."""
    fields = {"ladder_levels": 1_024, "reference_price_ticks": 5_000}
    market.define(3, "WH-CER", **fields)
    market.bring_credits(1, "WH-CER", 500)
    market.set_phase(3, Phase.CONTINUOUS)
    market.order(1, 3, SELL, 5_500, 300)
    market.order(2, 3, BUY, 5_500, 300)
    market.intake.flush()
    run_id = market.settle(tmp_path)
    with market.database.read() as session:
        price, instrument = clearing.report(session, run_id).prices[-1]
    assert (price.closing_price_ticks, instrument.reference_price_ticks) == (5_500, 5_000)
    assert instrument.trading_day == DAY + 1


def test_a_run_waits_for_the_database(
    market: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away delays a run and does not change it."""
    market.trade_a_day()
    monkeypatch.setattr(clearing, "_DATABASE_PAUSE_SECONDS", 0)
    failures = itertools.cycle([True, False])
    post = ledger.post

    def sometimes(*arguments: Any) -> int:
        if next(failures):
            raise OperationalError("INSERT", {}, Exception("the server is away"))
        return post(*arguments)

    monkeypatch.setattr(delivery, "post", sometimes)
    run_id = market.settle(tmp_path)
    with market.database.read() as session:
        outcome = clearing.report(session, run_id)
    assert (outcome.run.status, outcome.breaks, outcome.run.error) == ("completed", [], None)


def test_a_run_that_fails_says_why_and_can_be_carried_on(
    market: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stopped a run stands in its record; asked for again, it goes on."""
    market.trade_a_day()
    with monkeypatch.context() as patched:
        patched.setattr(custody, "deliver", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            market.settle(tmp_path)
    with market.database.read() as session:
        run_id = clearing.unfinished_run(session, also_failed=True)
        assert run_id is not None
        run = clearing.report(session, run_id).run
    assert (run.status, run.step, run.error) == (
        "failed",
        "net",
        "ZeroDivisionError: division by zero",
    )
    assert market.settle(tmp_path) == run_id
    with market.database.read() as session:
        outcome = clearing.report(session, run_id)
    assert (outcome.run.status, outcome.run.error, outcome.breaks) == ("completed", None, [])
