"""Delivery against payment: blocks and cash of a batch change hands in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from engine.times import format_day
from settlement import bulk, custody, netting
from settlement.block_delivery import Shortage
from settlement.ledger import CASH, Kind, Leg, Posting, holder, is_posted, post
from settlement.market_rules import settlement_rules
from settlement.netting import Batch
from settlement.reconciliation import BreakKind
from settlement.tables.clearing import (
    ClearingNet,
    ClearingPrice,
    ClearingRun,
    ReconciliationBreak,
)
from settlement.tables.trading import Instrument


def plan(session: Session, run_id: str) -> dict[int, list[Batch]]:
    """The batches of each instrument with nets, always the same ones for the same run."""
    query = (
        select(ClearingNet.instrument, ClearingNet.account)
        .add_columns(ClearingNet.bought_lots - ClearingNet.sold_lots)
        .add_columns(ClearingNet.sold_fen - ClearingNet.bought_fen, ClearingNet.fees_fen)
        .where(ClearingNet.run_id == run_id)
        .order_by(ClearingNet.instrument, ClearingNet.account)
    )
    nets = bulk.read(session, query, 5).T
    return {
        instrument: netting.batches(nets[nets[:, 0] == instrument, 1:], netting.BATCH_SIZE)
        for instrument in np.unique(nets[:, 0]).tolist()
    }


def needs_approval(session: Session, run_id: str) -> bool:
    """Whether the rule of an instrument that is to be delivered asks for an operator's approval."""
    rule_of = settlement_rules(session)
    query = select(Instrument.symbol).where(
        Instrument.number.in_(select(ClearingNet.instrument).where(ClearingNet.run_id == run_id))
    )
    return any(rule_of(symbol).needs_approval for symbol in session.scalars(query))


def deliver_batch(
    session: Session, run_id: str, instrument: int, planned: Sequence[Batch], index: int
) -> None:
    """Deliver and pay one of an instrument's batches, unless that is done already.

    With the last one the instrument's trades count as settled. Raises what custody raises.
    """
    run = session.get_one(ClearingRun, run_id)
    terms = session.get_one(Instrument, instrument)
    key = f"{run_id}:{terms.symbol}:{index}"
    if is_posted(session, key):
        return
    batch = planned[index]
    if len(batch.transfers):
        block_order = settlement_rules(session)(terms.symbol).block_order
        custody.deliver(session, terms.symbol, batch.transfers, key, block_order)
    posting = Posting(
        key=key,
        kind="settlement",
        time_ns=run.started_time_ns,
        legs=_legs(terms.symbol, batch),
        run_id=run_id,
        symbol=terms.symbol,
    )
    post(session, [posting])
    if index == len(planned) - 1:
        terms.settled_sequence = run.closing_sequence
        _mend(session, run, terms.symbol)


def carry_over(
    session: Session, run_id: str, instrument: int, batches: int, shortage: Shortage
) -> None:
    """Leave an instrument's trades, none of them delivered yet, to the next run; a break says so.

    The engine has moved cash and credits at each trade; here they go on counting as not settled.
    """
    run = session.get_one(ClearingRun, run_id)
    price = session.get_one(ClearingPrice, (run_id, instrument))
    if not price.is_delivered:
        return
    mine = (ClearingNet.run_id == run_id) & (ClearingNet.instrument == instrument)
    session.execute(delete(ClearingNet).where(mine))
    price.is_delivered, price.after_sequence = False, run.closing_sequence
    run.batches -= batches
    session.add(
        ReconciliationBreak(
            run_id=run_id,
            kind=BreakKind.DELIVERY,
            account=shortage.account,
            asset=session.get_one(Instrument, instrument).symbol,
            engine=shortage.owed_lots,
            ledger=0,
            custody=shortage.held_lots,
        )
    )


def _mend(session: Session, run: ClearingRun, symbol: str) -> None:
    """Close the breaks of earlier runs that could not deliver the instrument; now it is."""
    failed = (
        (ReconciliationBreak.kind == BreakKind.DELIVERY)
        & (ReconciliationBreak.asset == symbol)
        & (ReconciliationBreak.status == "open")
    )
    found = {
        "status": "resolved",
        "reason": f"delivered with {format_day(run.trading_day)}",
        "resolved_by": "settlement",
        "resolved_time_ns": run.started_time_ns,
    }
    session.execute(update(ReconciliationBreak).where(failed).values(found))


def _legs(symbol: str, batch: Batch) -> list[Leg]:
    """Credits go from holder to holder; cash through the clearing house, which ends at zero."""
    legs: list[Leg] = []
    for from_account, to_account, lots in batch.transfers.tolist():
        legs.append(Leg(*holder(from_account), symbol, -lots))
        legs.append(Leg(*holder(to_account), symbol, lots))
    for account, _, traded_fen, fees_fen in batch.payments.tolist():
        legs.append(Leg(*holder(account), CASH, traded_fen - fees_fen))
    _, _, traded_fen, fees_fen = batch.payments.sum(axis=0).tolist()
    legs.append(Leg(Kind.CLEARING_HOUSE, 0, CASH, -traded_fen))
    legs.append(Leg(Kind.FEE_INCOME, 0, CASH, fees_fen))
    return legs
