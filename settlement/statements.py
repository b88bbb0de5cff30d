"""The statement of an account's day: opening, deposits, trading, fees, closing, for each asset.

A statement is written once, by the end-of-day run, and kept as JSON of integers (fen, lots, ticks);
the fills behind it are immutable and read when it is shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from settlement import bulk, ledger
from settlement.history import Fill, fill_of
from settlement.ledger import CASH, Kind
from settlement.tables.clearing import ClearingNet, ClearingPrice, ClearingRun, Statement
from settlement.tables.ledger import LedgerTransaction
from settlement.tables.trading import Instrument, Trade

# What moved an account's balance besides trading: the kinds of ledger transactions, and the
# statement's names for them.
_MOVEMENTS = {
    "cash_deposited": "deposited",
    "cash_withdrawn": "withdrawn",
    "credits_deposited": "deposited",
    "credits_withdrawn": "withdrawn",
}
_NO_MOVEMENT = dict.fromkeys(("deposited", "withdrawn", "adjusted", "bought", "sold", "fees"), 0)
Body = dict[str, Any]


def write(session: Session, run: ClearingRun) -> int:
    """Write the statement of every account with a balance or a movement; returns how many.

    Nothing after the run's closing sequence counts, so writing again gives the same statements.
    """
    prices = {price.instrument: price for price in prices_of(session, run.run_id)}
    instruments = {item.number: item for item in session.scalars(select(Instrument))}
    symbols = {item.symbol: item for item in instruments.values()}
    lines = _lines(session, run, instruments)
    accounts = sorted(lines)
    bodies = []
    for account in accounts:
        assets = lines[account]
        credits = {}
        for symbol in sorted(assets.keys() - {CASH}):
            price = prices.get(symbols[symbol].number)
            credits[symbol] = assets[symbol] | {
                "tick_fen": symbols[symbol].tick_fen,
                "closing_price_ticks": price.closing_price_ticks
                if price is not None
                else symbols[symbol].reference_price_ticks,
            }
        cash = assets.get(CASH) or {"opening": 0, **_NO_MOVEMENT, "closing": 0}
        body: Body = {"cash": {CASH: cash}, "credits": credits}
        bodies.append(msgspec.json.encode(body).decode())
    common = {"trading_day": run.trading_day, "run_id": run.run_id}
    return bulk.insert(session, Statement, {"account": accounts, **common, "body": bodies})


def prices_of(session: Session, run_id: str) -> list[ClearingPrice]:
    """The instruments that a run settles, in the order of their numbers."""
    query = select(ClearingPrice).where(ClearingPrice.run_id == run_id)
    return list(session.scalars(query.order_by(ClearingPrice.instrument)))


def _lines(
    session: Session, run: ClearingRun, instruments: dict[int, Instrument]
) -> dict[int, dict[str, dict[str, int]]]:
    """By account and asset: opening, movements, closing."""
    until_close = LedgerTransaction.sequence <= run.closing_sequence
    today = and_(until_close, LedgerTransaction.sequence > run.previous_sequence)
    movements: defaultdict[int, defaultdict[str, dict[str, int]]] = defaultdict(
        lambda: defaultdict(lambda: dict(_NO_MOVEMENT))
    )
    for kind, name in _MOVEMENTS.items():
        found = ledger.balances(session, today, LedgerTransaction.kind == kind)
        for holding, amount in found.items():
            if holding.kind == Kind.PARTICIPANT:
                movements[holding.owner][holding.asset][name] += abs(amount)
    adjusted = ledger.balances(session, today, LedgerTransaction.kind == ledger.ADJUSTMENT)
    for holding, amount in adjusted.items():
        if holding.kind == Kind.PARTICIPANT:
            movements[holding.owner][holding.asset]["adjusted"] += amount
    columns = (ClearingNet.account, ClearingNet.instrument)
    amounts = (ClearingNet.bought_fen, ClearingNet.sold_fen, ClearingNet.fees_fen)
    query = select(*columns, *amounts, ClearingNet.bought_lots, ClearingNet.sold_lots)
    for row in session.execute(query.where(ClearingNet.run_id == run.run_id)):
        account, instrument, bought_fen, sold_fen, fees_fen, bought_lots, sold_lots = row
        cash = movements[account][CASH]
        cash["bought"] += bought_fen
        cash["sold"] += sold_fen
        cash["fees"] += fees_fen
        credits = movements[account][instruments[instrument].symbol]
        credits["bought"] += bought_lots
        credits["sold"] += sold_lots
    closing: dict[tuple[int, str], int] = {}
    for holding, amount in ledger.balances(session, until_close).items():
        if holding.kind == Kind.PARTICIPANT:
            closing[holding.owner, holding.asset] = amount
            movements[holding.owner][holding.asset]
    return {
        account: {
            asset: _line(asset, moved, closing.get((account, asset), 0))
            for asset, moved in assets.items()
        }
        for account, assets in movements.items()
    }


def _line(asset: str, moved: dict[str, int], closing: int) -> dict[str, int]:
    """An asset's line; what is bought costs cash and brings credits."""
    traded = moved["bought"] - moved["sold"]
    change = moved["deposited"] - moved["withdrawn"] + moved["adjusted"] - moved["fees"]
    change += -traded if asset == CASH else traded
    return {"opening": closing - change, **moved, "closing": closing}


def fills_of(session: Session, run: ClearingRun, account: int) -> Iterator[tuple[Fill, Instrument]]:
    """The account's fills that the run settled, each with its instrument, oldest first."""
    query = (
        select(Trade, Instrument)
        .join(Instrument, Trade.instrument == Instrument.number)
        .join(ClearingPrice, ClearingPrice.instrument == Trade.instrument)
        .where(
            ClearingPrice.run_id == run.run_id,
            Trade.sequence > ClearingPrice.after_sequence,
            Trade.sequence <= run.closing_sequence,
            or_(Trade.maker_account == account, Trade.taker_account == account),
        )
        .order_by(Trade.trade_id)
    )
    for trade, instrument in session.execute(query):
        yield fill_of(trade, trade.maker_account == account), instrument


def of_run(session: Session, run_id: str, after_account: int, limit: int) -> Sequence[Statement]:
    """A run's statements by ascending account number."""
    query = select(Statement).where(Statement.run_id == run_id, Statement.account > after_account)
    return session.scalars(query.order_by(Statement.account).limit(limit)).all()


def of_account(session: Session, account: int, before_day: int, limit: int) -> Sequence[Statement]:
    """An account's statements, newest first."""
    query = select(Statement).where(
        Statement.account == account, Statement.trading_day < before_day
    )
    return session.scalars(query.order_by(Statement.trading_day.desc()).limit(limit)).all()
