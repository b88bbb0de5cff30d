"""The end-of-day run: what it comes to, and that it comes to it however often it is killed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from engine.codes import Phase, Side
from engine.state import state_hash
from settlement import blocks, clearing, custody, ledger
from settlement.clearing import Clearing
from settlement.database import Database
from settlement.errors import Refused
from settlement.lease import Lease
from settlement.ledger import Holding
from settlement.reconciliation import reconcile
from settlement.tables.clearing import ClearingPrice, ClearingRun, Statement
from settlement.tables.ledger import LedgerAccount, LedgerEntry, LedgerTransaction
from settlement.tables.registry import Block
from settlement.tables.trading import CalendarDay, Instrument

BUY, SELL = Side.BUY, Side.SELL
DAY = 20_777


@pytest.fixture
def market(database: Database, new_exchange: Callable[[Database], Any]) -> Any:
    """Two instruments in continuous trading; accounts 1 to 4 with cash, 1 and 2 with credits."""
    return build_market(new_exchange(database))


def build_market(exchange: Any) -> Any:
    for number, symbol in ((1, "GD-PHCER"), (2, "XM-CER")):
        exchange.define(number, symbol)
    for account in (1, 2, 3, 4):
        exchange.open_account(account)
        exchange.deposit_cash(account, 10_000_000)
    exchange.bring_credits(1, "GD-PHCER", 1_000)
    exchange.bring_credits(2, "GD-PHCER", 500)
    exchange.bring_credits(1, "XM-CER", 300)
    for number in (1, 2):
        exchange.set_phase(number, Phase.CONTINUOUS)
    return exchange


def trade_a_day(exchange: Any) -> None:
    """Account 3 buys from 1 and 2, account 4 from 1; 2 buys back; XM-CER stays thin."""
    exchange.order(1, 1, SELL, 5_000, 300)
    exchange.order(2, 1, SELL, 5_010, 200)
    exchange.order(3, 1, BUY, 5_010, 400)
    exchange.order(1, 1, BUY, 5_005, 10)
    exchange.order(2, 1, SELL, 5_005, 10)
    exchange.order(4, 1, BUY, 5_020, 50)
    exchange.order(1, 2, SELL, 5_100, 60)
    exchange.order(4, 2, BUY, 5_100, 60)
    exchange.order(3, 2, BUY, 4_800, 5)
    exchange.intake.flush()


def settle(exchange: Any, folder: Path, *, reopen: bool = True, day: int = DAY) -> str:
    work = Clearing(exchange.database, exchange, folder, reopen=reopen)
    run_id = work.begin(day)
    assert work.run(run_id)
    return run_id


def test_a_day_is_settled(market: Any, tmp_path: Path) -> None:
    """After the run engine, ledger and custody agree, and the next day is open."""
    trade_a_day(market)
    before = market.balances()
    run_id = settle(market, tmp_path)

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
    for name in ("available_fen", "held_fen"):
        released = after.accounts[name] - before.accounts[name]
        assert released.sum() == 0 or name in ("available_fen", "held_fen")
    assert not after.positions["locked_lots"].any(), "the resale lock is released"
    for account in (1, 2, 3, 4):
        cash = after.accounts["available_fen"][account] + after.accounts["held_fen"][account]
        assert balances[Holding("participant", account, "CNY")] == cash
    assert balances[Holding("fee_income", 0, "CNY")] == after.accounts["available_fen"][0]
    assert Holding("clearing_house", 0, "CNY") not in balances


def test_closing_prices(market: Any, tmp_path: Path) -> None:
    """The volume-weighted average rounded half up; the previous close in a thin market."""
    trade_a_day(market)
    run_id = settle(market, tmp_path)
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


class Killed(BaseException):
    """The process is gone: nothing after this runs, as with kill -9."""


class Fuse:
    """Blows at the n-th dangerous moment."""

    def __init__(self, moments: int) -> None:
        self.left = moments

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


class KillableDatabase(Database):
    """A database whose process can die before and after each commit."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(url)
        self._fuse = fuse

    def write(self, work: Callable[..., Any]) -> Future[Any]:
        def dangerous(session: Any) -> Any:
            outcome = work(session)
            self._fuse.burn()
            return outcome

        done = super().write(dangerous)
        done.result()
        self._fuse.burn()
        return done


class KillablePort:
    """A link whose process can die before a command is sent, and before its answer is read."""

    def __init__(self, exchange: Any, fuse: Fuse) -> None:
        self._exchange = exchange
        self._fuse = fuse
        self.account = exchange.account
        self.balances = exchange.balances

    def submit(self, commands: np.ndarray) -> list[np.ndarray]:
        self._fuse.burn()
        answers = self._exchange.submit(commands)
        self._fuse.burn()
        return answers


def outcome_of(database: Database, run_id: str) -> dict[str, list[Any]]:
    """Everything that a run leaves, without its id and with nothing that depends on time."""
    with database.read() as session:
        entries = session.execute(
            select(LedgerTransaction.posting_key, LedgerTransaction.kind)
            .add_columns(LedgerAccount.kind, LedgerAccount.owner)
            .add_columns(LedgerEntry.asset, LedgerEntry.amount)
            .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.transaction_id)
            .join(LedgerAccount, LedgerAccount.account_id == LedgerEntry.account_id)
            .where(LedgerTransaction.run_id.is_not(None))
        ).all()
        held = session.scalars(select(Block).order_by(Block.batch_number, Block.start_number))
        statements = session.scalars(select(Statement).order_by(Statement.account))
        prices = session.scalars(select(ClearingPrice).order_by(ClearingPrice.instrument))
        return {
            "entries": sorted((row[0].replace(run_id, "RUN"), *row[1:]) for row in entries),
            "blocks": [
                (row.batch_number, row.start_number, row.end_number, row.holder_account, row.status)
                for row in held.unique()
            ],
            "statements": [(row.account, row.trading_day, row.body) for row in statements],
            "prices": [(row.instrument, row.closing_price_ticks, row.method) for row in prices],
        }


def test_a_run_killed_anywhere_comes_to_the_same_result(
    tmp_path: Path,
    new_database: Callable[[], Database],
    new_exchange: Callable[[Database], Any],
) -> None:
    """Die at every commit and at every command, before and after, carry on: one result."""

    def day() -> Any:
        exchange = build_market(new_exchange(new_database()))
        trade_a_day(exchange)
        return exchange

    expected_exchange = day()
    run_id = settle(expected_exchange, tmp_path)
    expected = outcome_of(expected_exchange.database, run_id)
    moments = 0
    for moment in itertools.count(1):
        exchange = day()
        fuse = Fuse(moment)
        killable = KillableDatabase(exchange.database.url.render_as_string(False), fuse)
        folder = tmp_path / str(moment)
        folder.mkdir()
        try:
            work = Clearing(killable, KillablePort(exchange, fuse), folder, reopen=True)
            work.run(work.begin(DAY))
            break
        except Killed:
            moments += 1
        finally:
            killable.close()
        with exchange.database.read() as session:
            if session.scalar(select(ClearingRun.status)) != "completed":
                run_id = settle(exchange, folder)
            else:
                run_id = session.scalar(select(ClearingRun.run_id))
        found = outcome_of(exchange.database, run_id)
        assert found == expected, f"killed at moment {moment}"
        assert reconcile(exchange.database, exchange).breaks == []
        assert state_hash(exchange.engine.export()) == state_hash(
            expected_exchange.engine.export()
        ), f"killed at moment {moment}"
        exchange.intake.close()
        exchange.database.close()
    assert moments > 25
