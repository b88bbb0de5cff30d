"""Custody: credits that the exchange keeps for the accounts, so that the engine can trade them.

For every account and instrument the engine's credits equal the blocks in custody, once the trades
of the day are delivered and no operation is under way.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine.codes import CommandKind
from settlement import block_delivery, blocks
from settlement.blocks import Criteria, Status
from settlement.engine_steps import Step
from settlement.errors import Refused
from settlement.operations import Plan, Prepare, Request
from settlement.registry import require
from settlement.tables.registry import Batch, Block, Delivery, Operation, Project
from settlement.tables.trading import Instrument


class DeliveryError(Exception):
    """A delivery that cannot be right: it is stopped, and nothing of it is done."""


class ShortageError(DeliveryError):
    """A seller's custody does not hold what it owes: too few blocks, or frozen ones."""

    def __init__(self, run_key: str, symbol: str, shortage: block_delivery.Shortage) -> None:
        account, owed_lots, held_lots = shortage
        super().__init__(
            f"{run_key}: account {account} owes {owed_lots} of {symbol} and has {held_lots}"
        )
        self.shortage = shortage


def deposit(symbol: str, quantity: int, batch_id: str | None = None) -> Prepare:
    """Held credits come into custody and can be traded."""

    def prepare(session: Session, request: Request) -> Plan:
        instrument = instrument_number(session, symbol)
        criteria = Criteria((symbol,), batch_id)
        chosen = blocks.gather(session, request.account, Status.HELD, criteria, quantity)
        step = Step(CommandKind.DEPOSIT_CREDITS, quantity, instrument)
        return Plan(require(chosen, quantity), Status.CUSTODY, request.account, symbol, (step,))

    return prepare


def withdrawal(symbol: str, quantity: int, batch_id: str | None = None) -> Prepare:
    """Credits in custody that no order holds come back to their account's own keeping."""

    def prepare(session: Session, request: Request) -> Plan:
        instrument = instrument_number(session, symbol)
        criteria = Criteria((symbol,), batch_id)
        chosen = blocks.gather(session, request.account, Status.CUSTODY, criteria, quantity)
        step = Step(CommandKind.WITHDRAW_CREDITS, quantity, instrument)
        return Plan(require(chosen, quantity), Status.HELD, request.account, symbol, (step,))

    return prepare


def withdrawals(session: Session, chosen: Sequence[Block]) -> tuple[Step, ...]:
    """The commands that take the blocks among `chosen` that are in custody out of the engine."""
    quantities: dict[str, int] = defaultdict(int)
    for block in chosen:
        if block.status == Status.CUSTODY:
            symbol = block.batch.project.symbol
            assert symbol is not None, "only what trades is in custody"
            quantities[symbol] += block.quantity
    return tuple(
        Step(CommandKind.WITHDRAW_CREDITS, quantity, instrument_number(session, symbol))
        for symbol, quantity in sorted(quantities.items())
    )


def deliver(
    session: Session,
    symbol: str,
    transfers: np.ndarray | Sequence[tuple[int, int, int]],
    run_key: str,
    block_order: str = "oldest_vintage",
) -> None:
    """Move credits within custody: (from account, to account, quantity), in the order given.

    Each seller's blocks go in `block_order`, then by serial. A `run_key` that was delivered before
    does nothing. Raises ShortageError on a shortage, and Refused `conflict` if one is due to an
    operation under way, which may end either way: settle again then.
    """
    rows = np.asarray(transfers, np.int64).reshape(-1, 3)
    wanted = [(seller, buyer, lots) for seller, buyer, lots in rows.tolist()]
    fingerprint = hashlib.sha256(repr((symbol, wanted)).encode()).hexdigest()
    delivered = session.get(Delivery, run_key)
    if delivered is not None:
        if delivered.fingerprint != fingerprint:
            raise DeliveryError(f"{run_key} was delivered before, with other transfers")
        return
    for seller, buyer, lots in rows[(rows[:, 2] <= 0) | (rows[:, 0] == rows[:, 1])].tolist():
        raise DeliveryError(f"{run_key}: {seller} to {buyer}, {lots} lots")
    time_ns = time.time_ns()
    shortage = block_delivery.move(
        session, symbol, rows, reference=run_key, time_ns=time_ns, block_order=block_order
    )
    if shortage is not None:
        _refuse_if_under_way(session, shortage.account, symbol)
        raise ShortageError(run_key, symbol, shortage)
    session.add(
        Delivery(
            run_key=run_key,
            symbol=symbol,
            quantity=int(rows[:, 2].sum()),
            fingerprint=fingerprint,
            time_ns=time_ns,
        )
    )
    session.flush()


def custody_totals(session: Session) -> dict[tuple[int, str], int]:
    """Credits in custody per (account, symbol); what an unfinished operation froze is not in it."""
    rows = session.execute(
        select(Block.holder_account, Project.symbol, func.sum(Block.quantity))
        .join(Batch, Block.batch_number == Batch.number)
        .join(Project, Batch.project_id == Project.project_id)
        .where(Block.status == Status.CUSTODY)
        .group_by(Block.holder_account, Project.symbol)
    )
    # PostgreSQL sums 64-bit integers into decimals.
    return {(account, symbol or ""): int(quantity) for account, symbol, quantity in rows}


def under_way(session: Session) -> set[int]:
    """Accounts with an unfinished operation: the engine may be ahead of their custody."""
    return set(
        session.scalars(
            select(Operation.account).where(Operation.status.in_(("pending", "reverting")))
        )
    )


def instrument_number(session: Session, symbol: str) -> int:
    """The engine's number of an instrument. Raises Refused `unknown_instrument`."""
    number = session.scalar(select(Instrument.number).where(Instrument.symbol == symbol))
    if number is None:
        raise Refused("unknown_instrument", "There is no such instrument.", field="symbol")
    return number


def _refuse_if_under_way(session: Session, account: int, symbol: str) -> None:
    if account in under_way(session):
        raise Refused(
            "conflict", f"An operation of account {account} with {symbol} is not finished yet."
        )
