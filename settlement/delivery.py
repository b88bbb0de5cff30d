"""Delivery against payment: blocks and cash of a batch change hands in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from settlement import custody, netting
from settlement.ledger import CASH, Kind, Leg, Posting, holder, is_posted, post
from settlement.netting import Batch
from settlement.tables.clearing import ClearingNet, ClearingRun
from settlement.tables.trading import Instrument


def plan(session: Session, run_id: str) -> dict[int, list[Batch]]:
    """The batches of each instrument with nets, always the same ones for the same run."""
    nets: defaultdict[int, list[ClearingNet]] = defaultdict(list)
    query = select(ClearingNet).where(ClearingNet.run_id == run_id)
    for net in session.scalars(query.order_by(ClearingNet.instrument, ClearingNet.account)):
        nets[net.instrument].append(net)
    return {
        instrument: netting.batches(of_instrument, netting.BATCH_SIZE)
        for instrument, of_instrument in nets.items()
    }


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
    if batch.transfers:
        custody.deliver(session, terms.symbol, batch.transfers, key)
    posting = Posting(
        key=key,
        kind="settlement",
        time_ns=run.started_time_ns,
        legs=_legs(session, run_id, terms, batch),
        run_id=run_id,
        symbol=terms.symbol,
    )
    post(session, [posting])
    if index == len(planned) - 1:
        terms.settled_sequence = run.closing_sequence


def _legs(session: Session, run_id: str, terms: Instrument, batch: Batch) -> list[Leg]:
    """Credits go from holder to holder; cash through the clearing house, which ends at zero."""
    legs: list[Leg] = []
    for from_account, to_account, lots in batch.transfers:
        legs.append(Leg(*holder(from_account), terms.symbol, -lots))
        legs.append(Leg(*holder(to_account), terms.symbol, lots))
    for account in batch.accounts:
        net = session.get_one(ClearingNet, (run_id, terms.number, account))
        traded_fen = net.sold_fen - net.bought_fen
        legs.append(Leg(*holder(account), CASH, traded_fen - net.fees_fen))
        legs.append(Leg(Kind.CLEARING_HOUSE, 0, CASH, -traded_fen))
        legs.append(Leg(Kind.FEE_INCOME, 0, CASH, net.fees_fen))
    return legs
