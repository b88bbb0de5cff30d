"""Custody: credits that the exchange keeps for the accounts, so that the engine can trade them.

For every account and instrument the engine's credits equal the blocks in custody, once the trades
of the day are delivered and no operation is under way.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine.codes import CommandKind
from settlement import blocks
from settlement.blocks import Criteria, Status
from settlement.engine_steps import Step
from settlement.errors import Refused
from settlement.operations import Plan, Prepare, Request
from settlement.registry import require
from settlement.tables.registry import Batch, Block, Delivery, Operation, Project
from settlement.tables.trading import Instrument


class DeliveryError(Exception):
    """A delivery that cannot be right: it is stopped, and nothing of it is done."""


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
    session: Session, symbol: str, transfers: Sequence[tuple[int, int, int]], run_key: str
) -> None:
    """Move credits within custody: (from account, to account, quantity), in the order given.

    The oldest vintage goes first, then the lowest serial. A `run_key` that was delivered before
    does nothing. Raises DeliveryError on a shortage, and Refused `conflict` if one is due to an
    operation under way, which may end either way: settle again then.
    """
    fingerprint = hashlib.sha256(repr((symbol, list(transfers))).encode()).hexdigest()
    delivered = session.get(Delivery, run_key)
    if delivered is not None:
        if delivered.fingerprint != fingerprint:
            raise DeliveryError(f"{run_key} was delivered before, with other transfers")
        return
    time_ns = time.time_ns()
    for from_account, to_account, quantity in transfers:
        if quantity <= 0 or from_account == to_account:
            raise DeliveryError(f"{run_key}: {from_account} to {to_account}, {quantity} lots")
        criteria = Criteria((symbol,))
        chosen = blocks.gather(session, from_account, Status.CUSTODY, criteria, quantity)
        found = sum(block.quantity for block in chosen)
        if found < quantity:
            _refuse_if_under_way(session, from_account, symbol)
            raise DeliveryError(
                f"{run_key}: account {from_account} owes {quantity} of {symbol} and has {found}"
            )
        for block in chosen:
            blocks.move(
                session,
                block,
                account=to_account,
                status=Status.CUSTODY,
                reference=run_key,
                time_ns=time_ns,
            )
    session.add(
        Delivery(
            run_key=run_key,
            symbol=symbol,
            quantity=sum(quantity for _, _, quantity in transfers),
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
