"""Block trades (大宗协议): one account proposes, another accepts, and both trade with each other.

    proposing   the proposer's order is on its way to the engine, where it holds what it needs
    proposed    it waits for the counterparty
    accepting   the counterparty's order, then the match, are on their way
    undoing     the match was refused: the counterparty's order is on its way out
    closing     the proposer's order is on its way out, because of what `outcome` says

    completed, withdrawn, rejected, expired, refused     it is over

Each step is written down before the engine is asked, and what is asked has its effect once: so
whoever finds a proposal under way carries it on, and a crash anywhere changes nothing.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Literal, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from engine.codes import Code, OrderType, TimeInForce
from settlement import off_book
from settlement.database import Database
from settlement.errors import Refused
from settlement.off_book import OffBookOrder
from settlement.ports import EnginePort
from settlement.tables.negotiated import BlockTrade
from settlement.tables.trading import Order

Status = Literal[
    "proposing",
    "proposed",
    "accepting",
    "undoing",
    "closing",
    "completed",
    "withdrawn",
    "rejected",
    "expired",
    "refused",
]
UNDER_WAY: tuple[Status, ...] = ("proposing", "accepting", "undoing", "closing")
# Two at one proposal could otherwise undo and match it at the same time.
_LOCK = "block_trades"


class Proposal(NamedTuple):
    """What the proposer asks for."""

    client_order_id: str
    proposer: int
    counterparty: int
    instrument: int
    side: int
    price_ticks: int
    quantity_lots: int


def propose(database: Database, port: EnginePort, proposal: Proposal) -> tuple[str, bool]:
    """Place it; its id, and whether the same request had placed it before. Raises Refused."""

    def begin(session: Session) -> tuple[str, bool]:
        known = session.scalar(
            select(BlockTrade).where(
                BlockTrade.proposer == proposal.proposer,
                BlockTrade.client_order_id == proposal.client_order_id,
            )
        )
        if known is not None:
            if any(getattr(known, name) != value for name, value in proposal._asdict().items()):
                raise Refused(
                    "duplicate_client_order_id",
                    "The client_order_id was used for another block trade.",
                    field="client_order_id",
                )
            return known.block_trade_id, True
        if proposal.counterparty == proposal.proposer:
            raise Refused(
                "would_self_trade",
                "A block trade is between two accounts.",
                field="counterparty",
            )
        time_ns = time.time_ns()
        trade = BlockTrade(
            block_trade_id=str(uuid.uuid4()),
            status="proposing",
            **proposal._asdict(),
            created_time_ns=time_ns,
            updated_time_ns=time_ns,
        )
        session.add(trade)
        session.flush()
        return trade.block_trade_id, False

    block_trade_id, replayed = database.write(begin).result()
    trade = execute(database, port, block_trade_id)
    if trade.status == "refused":
        raise _refusal(trade)
    return block_trade_id, replayed


def accept(database: Database, port: EnginePort, account: int, block_trade_id: str) -> None:
    """Trade it, for its counterparty. Raises Refused."""

    def begin(session: Session) -> None:
        trade = find(session, account, block_trade_id, as_counterparty=True)
        if trade.status in ("accepting", "completed"):
            return
        _require_proposed(trade)
        trade.attempts += 1
        trade.refused_code = None
        _move(trade, "accepting")

    database.write(begin).result()
    trade = execute(database, port, block_trade_id)
    if trade.status != "completed":
        raise _refusal(trade)


def close(
    database: Database,
    port: EnginePort,
    account: int,
    block_trade_id: str,
    outcome: Literal["withdrawn", "rejected"],
) -> None:
    """Withdraw it, for its proposer, or reject it, for its counterparty. Raises Refused."""

    def begin(session: Session) -> None:
        is_rejected = outcome == "rejected"
        trade = find(session, account, block_trade_id, as_counterparty=is_rejected)
        if outcome in (trade.status, trade.outcome):
            return
        _require_proposed(trade)
        trade.outcome = outcome
        _move(trade, "closing")

    database.write(begin).result()
    trade = execute(database, port, block_trade_id)
    if trade.status != outcome:
        raise Refused("order_not_open", f"The proposal is {trade.status}.")


def find(
    session: Session, account: int, block_trade_id: str, *, as_counterparty: bool | None = None
) -> BlockTrade:
    """A proposal of or to the account, or in one of both roles only. Raises Refused."""
    trade = session.scalar(select(BlockTrade).where(BlockTrade.block_trade_id == block_trade_id))
    if trade is None or account not in (trade.proposer, trade.counterparty):
        raise Refused("not_found", "There is no such block trade.")
    if as_counterparty is not None and as_counterparty != (account == trade.counterparty):
        raise Refused("forbidden", "That is for the other side to do.")
    return trade


def page(session: Session, account: int, before: int, limit: int) -> list[BlockTrade]:
    """Proposals of and to the account with a number under `before`, newest first."""
    query = select(BlockTrade).where(
        or_(BlockTrade.proposer == account, BlockTrade.counterparty == account),
        BlockTrade.number < before,
    )
    return list(session.scalars(query.order_by(BlockTrade.number.desc()).limit(limit)))


def status_of(session: Session, trade: BlockTrade) -> str:
    """Its status as clients see it: one whose order left the engine meanwhile has expired."""
    if trade.status == "proposed" and trade.proposer_order_id is not None:
        order = session.get(Order, trade.proposer_order_id)
        return "expired" if order is not None and order.remaining_lots == 0 else "proposed"
    return "pending" if trade.status in UNDER_WAY else trade.status


def resume_pending(database: Database, port: EnginePort) -> int:
    """Carry on what a crash interrupted; how many proposals that were."""
    with database.read() as session:
        query = select(BlockTrade.block_trade_id).where(BlockTrade.status.in_(UNDER_WAY))
        unfinished = session.scalars(query.order_by(BlockTrade.number)).all()
    for block_trade_id in unfinished:
        execute(database, port, block_trade_id)
    return len(unfinished)


def execute(database: Database, port: EnginePort, block_trade_id: str) -> BlockTrade:
    """Carry a proposal on until nothing of it is under way; the proposal after it."""
    with database.exclusive(_LOCK):
        while True:
            with database.read() as session:
                trade = _get(session, block_trade_id)
            step = _STEPS.get(trade.status)
            if step is None:
                return trade
            step(database, port, trade)


def _propose(database: Database, port: EnginePort, trade: BlockTrade) -> None:
    order = _order(trade, trade.proposer, trade.side)
    entered = off_book.enter(port, order, f"{trade.block_trade_id}/proposal")

    def note(found: BlockTrade) -> None:
        if entered.code is Code.OK:
            found.proposer_order_id = entered.order_id
            _move(found, "proposed")
        else:
            found.refused_code = int(entered.code)
            _move(found, "refused")

    _change(database, trade, note)


def _accept(database: Database, port: EnginePort, trade: BlockTrade) -> None:
    order = _order(trade, trade.counterparty, off_book.opposite(trade.side))
    key = f"{trade.block_trade_id}/acceptance-{trade.attempts}"
    entered = off_book.enter(port, order, key)
    code = entered.code
    if code is Code.OK:
        code = _match(port, trade, entered.order_id)

    def note(found: BlockTrade) -> None:
        found.counterparty_order_id = entered.order_id or None
        if code is Code.OK:
            _move(found, "completed")
            return
        found.refused_code = int(code)
        _move(found, "undoing" if entered.order_id else "proposed")

    _change(database, trade, note)


def _undo(database: Database, port: EnginePort, trade: BlockTrade) -> None:
    """Take the counterparty's order off again, unless somebody else matched it after all."""
    assert trade.counterparty_order_id is not None
    off_book.cancel(port, trade.counterparty, trade.counterparty_order_id)
    # That order is closed: what the match is answered now will not change any more.
    is_matched = _match(port, trade, trade.counterparty_order_id) is Code.OK
    is_gone = trade.refused_code == Code.ORDER_NOT_OPEN

    def note(found: BlockTrade) -> None:
        after: Status = "expired" if is_gone else "proposed"
        _move(found, "completed" if is_matched else after)

    _change(database, trade, note)


def _close(database: Database, port: EnginePort, trade: BlockTrade) -> None:
    assert trade.proposer_order_id is not None
    # One that is closed already was cancelled by this very step, earlier, or has expired.
    off_book.cancel(port, trade.proposer, trade.proposer_order_id)
    _change(database, trade, lambda found: _move(found, found.outcome or "withdrawn"))


_STEPS: dict[str, Callable[[Database, EnginePort, BlockTrade], None]] = {
    "proposing": _propose,
    "accepting": _accept,
    "undoing": _undo,
    "closing": _close,
}


def _order(trade: BlockTrade, account: int, side: int) -> OffBookOrder:
    return OffBookOrder(
        account=account,
        instrument=trade.instrument,
        order_type=OrderType.BLOCK,
        side=side,
        price_ticks=trade.price_ticks,
        quantity_lots=trade.quantity_lots,
        time_in_force=TimeInForce.DAY,
    )


def _match(port: EnginePort, trade: BlockTrade, taker_order_id: int) -> Code:
    assert trade.proposer_order_id is not None
    return off_book.match(
        port,
        f"{trade.block_trade_id}/match-{trade.attempts}",
        instrument=trade.instrument,
        maker_order_id=trade.proposer_order_id,
        taker_order_id=taker_order_id,
        price_ticks=trade.price_ticks,
        quantity_lots=trade.quantity_lots,
    )


def _change(database: Database, trade: BlockTrade, note: Callable[[BlockTrade], None]) -> None:
    """Write down what the engine answered, unless somebody else was faster."""

    def work(session: Session) -> None:
        found = _get(session, trade.block_trade_id)
        if (found.status, found.attempts) == (trade.status, trade.attempts):
            note(found)

    database.write(work).result()


def _move(trade: BlockTrade, status: str) -> None:
    trade.status = status
    trade.updated_time_ns = time.time_ns()


def _require_proposed(trade: BlockTrade) -> None:
    if trade.status != "proposed":
        detail = "under way" if trade.status in UNDER_WAY else trade.status
        raise Refused("conflict", f"The proposal is {detail}.")


def _refusal(trade: BlockTrade) -> Refused:
    if trade.refused_code is None:
        return Refused("conflict", f"The proposal is {trade.status}.")
    return off_book.refusal(Code(trade.refused_code))


def _get(session: Session, block_trade_id: str) -> BlockTrade:
    query = select(BlockTrade).where(BlockTrade.block_trade_id == block_trade_id)
    return session.scalars(query).one()
