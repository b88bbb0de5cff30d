"""Engine = ledger = custody: compares every balance, at any time, and lists what does not agree.

The engine moves cash and credits at each trade, the ledger and custody at the end of the day. So
the ledger is brought up to the engine's sequence with the nets of the trades that are not settled
yet; custody is compared with the ledger as it stands, for both change in the same transaction.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from sqlalchemy import ColumnElement, not_, or_, select
from sqlalchemy.orm import Session

from engine.queries import BalancesAnswer
from settlement import custody, ledger, netting
from settlement.database import Database
from settlement.intake import wait_for_intake
from settlement.ledger import CASH, Holding, Kind, holder
from settlement.ports import EnginePort
from settlement.tables.clearing import ClearingRun
from settlement.tables.ledger import LedgerTransaction
from settlement.tables.trading import Instrument

# A deposit or withdrawal under way shows in custody and in the ledger one after the other; what
# does not agree is looked at again before it is called a break.
_ATTEMPTS = 10
_PAUSE_SECONDS = 0.1


class BreakKind(StrEnum):
    ENGINE_LEDGER = "engine_ledger"
    LEDGER_CUSTODY = "ledger_custody"
    DELIVERY = "delivery"  # a seller owes in the engine what its custody does not hold
    UNBALANCED = "unbalanced"  # a ledger transaction that does not sum to zero


class Break(NamedTuple):
    """A balance that does not agree; fen of CNY or lots of credits. Sides not compared are 0."""

    kind: BreakKind
    account: int
    asset: str
    engine: int
    ledger: int
    custody: int


class Reconciliation(NamedTuple):
    sequence: int  # the engine's balances are as of this
    balances: int  # how many were compared
    unsettled_trades: int  # taken into account, and not in the ledger yet
    operations_under_way: int  # accounts whose custody is moving and was left out
    breaks: list[Break]


def reconcile(
    database: Database, port: EnginePort, pause: Callable[[float], None] = time.sleep
) -> Reconciliation:
    """Compare all balances. Raises IntakeError if the intake does not reach the engine."""
    for attempt in range(_ATTEMPTS):
        answer = port.balances()
        wait_for_intake(database, answer.sequence)
        with database.read() as session:
            outcome = _compare(session, answer)
        if not outcome.breaks:
            break
        if attempt < _ATTEMPTS - 1:
            pause(_PAUSE_SECONDS)
    return outcome


def _compare(session: Session, answer: BalancesAnswer) -> Reconciliation:
    symbols = {item.number: item.symbol for item in session.scalars(select(Instrument))}
    in_engine = engine_holdings(answer, symbols)
    trades = netting.unsettled(answer.sequence)
    settled = _settled_holdings(session, answer.sequence)
    expected = defaultdict(int, settled)
    for instrument, account, net in netting.nets(session, trades):
        owner = holder(account)
        expected[Holding(*owner, CASH)] += net.sold_fen - net.bought_fen - net.fees_fen
        expected[Holding(Kind.FEE_INCOME, 0, CASH)] += net.fees_fen
        expected[Holding(*owner, symbols[instrument])] += net.bought_lots - net.sold_lots
    breaks = [
        Break(BreakKind.ENGINE_LEDGER, key.owner, key.asset, in_engine.get(key, 0), amount, 0)
        for key, amount in sorted(
            (key, expected.get(key, 0))
            for key in {*expected, *in_engine}
            if expected.get(key, 0) != in_engine.get(key, 0)
        )
    ]
    booked = _holders(ledger.balances(session))
    moving = custody.under_way(session)
    kept = {
        Holding(*holder(account), symbol): lots
        for (account, symbol), lots in custody.custody_totals(session).items()
    }
    credits = {key for key in {*booked, *kept} if key.asset != CASH and key.owner not in moving}
    breaks += [
        Break(BreakKind.LEDGER_CUSTODY, key.owner, key.asset, 0, booked[key], kept.get(key, 0))
        for key in sorted(key for key in credits if booked[key] != kept.get(key, 0))
    ]
    breaks += [
        Break(BreakKind.UNBALANCED, 0, asset, 0, amount, 0)
        for _, asset, amount in ledger.imbalances(session)
    ]
    figures = netting.day_figures(session, trades)
    return Reconciliation(
        sequence=answer.sequence,
        balances=len({*expected, *in_engine}),
        unsettled_trades=sum(day.trades for day in figures.values()),
        operations_under_way=len(moving),
        breaks=breaks,
    )


def engine_holdings(answer: BalancesAnswer, symbols: dict[int, str]) -> dict[Holding, int]:
    """The engine's balances that are not zero, under the names of the ledger."""
    found: dict[Holding, int] = {}
    cash = answer.accounts["available_fen"] + answer.accounts["held_fen"]
    for account in np.flatnonzero(cash).tolist():
        found[Holding(*holder(account), CASH)] = int(cash[account])
    rows = answer.positions
    lots = rows["available_lots"] + rows["held_lots"] + rows["locked_lots"]
    fields = (rows["account"].tolist(), rows["instrument"].tolist(), lots.tolist())
    for account, instrument, quantity in zip(*fields, strict=True):
        if quantity:
            found[Holding(*holder(account), symbols[instrument])] = quantity
    return found


def _settled_holdings(session: Session, sequence: int) -> dict[Holding, int]:
    """The ledger as of `sequence`, without the legs of a delivery that is not finished.

    Until its last batch is posted, an instrument's trades count as unsettled, all of them.
    """
    conditions: list[ColumnElement[bool]] = [LedgerTransaction.sequence <= sequence]
    unfinished = select(ClearingRun.run_id, Instrument.symbol).where(
        ClearingRun.status != "completed",
        Instrument.settled_sequence < ClearingRun.closing_sequence,
    )
    for run_id, symbol in session.execute(unfinished):
        posted = (LedgerTransaction.run_id == run_id) & (LedgerTransaction.symbol == symbol)
        conditions.append(or_(LedgerTransaction.run_id.is_(None), not_(posted)))
    return _holders(ledger.balances(session, *conditions))


def _holders(balances: dict[Holding, int]) -> defaultdict[Holding, int]:
    """The balances of those whom the engine knows: participants, and the exchange's fees."""
    kinds = (Kind.PARTICIPANT, Kind.FEE_INCOME)
    return defaultdict(int, {key: value for key, value in balances.items() if key.kind in kinds})
