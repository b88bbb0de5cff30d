"""One-way auctions (单向竞价): an account offers a lot, or asks for one, and others bid, sealed.

    entering    the lot's order is on its way to the engine, where it holds what it needs
    submitted   it waits for the operator
    published   everybody may read the notice, and bid between its start and its end
    closing     it has ended: bids that are under way come to rest, then the lot is allotted
    allotted    who wins is written down; the engine trades bid by bid
    ending      it was not published: the lot's order is on its way out, `outcome` says why

    completed, rejected, withdrawn, refused     it is over

Each step is written down before the engine is asked, and what is asked has its effect once: so
whoever finds an auction under way carries it on, and a crash anywhere changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.codes import Code, OrderType, TimeInForce
from settlement import auction_bids, off_book
from settlement.allotment import Bid, Lot, allot
from settlement.database import Database
from settlement.errors import Refused, require_same_request
from settlement.off_book import OffBookOrder
from settlement.ports import EnginePort
from settlement.tables.negotiated import Auction, AuctionBid

Status = Literal[
    "entering",
    "submitted",
    "published",
    "closing",
    "allotted",
    "ending",
    "completed",
    "rejected",
    "withdrawn",
    "refused",
]
UNDER_WAY: tuple[Status, ...] = ("entering", "closing", "allotted", "ending")
PUBLIC: tuple[Status, ...] = ("published", "closing", "allotted", "completed")
# Two at one auction would only send everything twice.
_LOCK = "auctions"


class Application(NamedTuple):
    """What the initiator asks for."""

    initiator: int
    instrument: int
    side: int
    quantity_lots: int
    reserve_price_ticks: int
    mode: str
    share_cap_ppm: int
    notice: str
    starts_at_ns: int
    ends_at_ns: int


def apply(
    database: Database,
    port: EnginePort,
    application: Application,
    idempotency_key: str | None = None,
) -> str:
    """Reserve the lot and submit the auction to the operator; its id. Raises Refused."""
    fields = application._asdict()
    fingerprint = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

    def begin(session: Session) -> str:
        if idempotency_key is not None:
            known = session.scalar(
                select(Auction).where(
                    Auction.initiator == application.initiator,
                    Auction.idempotency_key == idempotency_key,
                )
            )
            if known is not None:
                require_same_request(known.fingerprint, fingerprint)
                return known.auction_id
        time_ns = time.time_ns()
        if application.ends_at_ns <= time_ns:
            raise Refused("invalid_request", "The end must be in the future.", field="ends_at")
        auction = Auction(
            auction_id=str(uuid.uuid4()),
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            status="entering",
            **fields,
            created_time_ns=time_ns,
        )
        session.add(auction)
        session.flush()
        return auction.auction_id

    auction_id = database.write(begin).result()
    auction = execute(database, port, auction_id)
    if auction.status == "refused" and auction.refused_code is not None:
        raise off_book.refusal(Code(auction.refused_code))
    return auction_id


def decide(
    session: Session, auction_id: str, decided_by: str, *, publish: bool, now_ns: int
) -> None:
    """The operator's word on a submitted auction; for `Database.write`. Raises Refused."""
    auction = find(session, auction_id)
    outcome = "published" if publish else "rejected"
    if outcome in (auction.status, auction.outcome):
        return
    if auction.status != "submitted":
        raise Refused("conflict", f"The auction is {auction.status}.")
    if publish and auction.ends_at_ns <= now_ns:
        raise Refused("conflict", "The auction's end has passed.")
    auction.decided_by = decided_by
    auction.status = "published" if publish else "ending"
    auction.outcome = None if publish else "rejected"


def withdraw(database: Database, port: EnginePort, account: int, auction_id: str) -> None:
    """Take an auction back that is not published yet, for its initiator. Raises Refused."""

    def begin(session: Session) -> None:
        auction = find(session, auction_id, initiator=account)
        if "withdrawn" in (auction.status, auction.outcome):
            return
        if auction.status != "submitted":
            raise Refused("conflict", f"The auction is {auction.status}.")
        auction.status, auction.outcome = "ending", "withdrawn"

    database.write(begin).result()
    execute(database, port, auction_id)


def close(database: Database, port: EnginePort, auction_id: str, now_ns: int) -> None:
    """Allot an auction that has ended, and trade. Raises Refused."""

    def begin(session: Session) -> None:
        auction = find(session, auction_id)
        if auction.status in ("closing", "allotted", "completed"):
            return
        if auction.status != "published":
            raise Refused("conflict", f"The auction is {auction.status}.")
        if now_ns < auction.ends_at_ns:
            raise Refused("conflict", "The auction has not ended.")
        auction.status = "closing"

    database.write(begin).result()
    auction = execute(database, port, auction_id)
    if auction.status != "completed":
        raise Refused("market_halted", "Trading is halted; the auction is completed after it.")


def close_due(database: Database, port: EnginePort, now_ns: int) -> int:
    """Close every auction whose end has come, and carry on what is under way; how many."""
    with database.read() as session:
        ended = (Auction.status == "published") & (Auction.ends_at_ns <= now_ns)
        query = select(Auction).where(ended | Auction.status.in_(UNDER_WAY))
        found = [(each.auction_id, each.status) for each in session.scalars(query)]
    for auction_id, status in found:
        try:
            if status == "published":
                close(database, port, auction_id, now_ns)
            else:
                execute(database, port, auction_id)
        except Refused:
            # Halted, or somebody else was faster: the next round sees.
            continue
    return len(found)


def find(session: Session, auction_id: str, *, initiator: int | None = None) -> Auction:
    """The auction, or only if it is this account's. Raises Refused."""
    auction = session.scalar(select(Auction).where(Auction.auction_id == auction_id))
    if auction is None or initiator not in (None, auction.initiator):
        raise Refused("not_found", "There is no such auction.")
    return auction


def page(
    session: Session,
    before: int,
    limit: int,
    *,
    statuses: tuple[str, ...] | None = None,
    initiator: int | None = None,
) -> list[Auction]:
    """Auctions with a number under `before`, newest first."""
    query = select(Auction).where(Auction.number < before)
    if statuses is not None:
        query = query.where(Auction.status.in_(statuses))
    if initiator is not None:
        query = query.where(Auction.initiator == initiator)
    return list(session.scalars(query.order_by(Auction.number.desc()).limit(limit)))


def execute(database: Database, port: EnginePort, auction_id: str) -> Auction:
    """Carry an auction on until nothing of it is under way, or trading is halted; how it is."""
    with database.exclusive(_LOCK):
        while True:
            with database.read() as session:
                auction = find(session, auction_id)
            step = _STEPS.get(auction.status)
            if step is None or not step(database, port, auction):
                return auction


def _enter(database: Database, port: EnginePort, auction: Auction) -> bool:
    order = OffBookOrder(
        account=auction.initiator,
        instrument=auction.instrument,
        order_type=OrderType.BID,
        side=auction.side,
        price_ticks=auction.reserve_price_ticks,
        quantity_lots=auction.quantity_lots,
        time_in_force=TimeInForce.GTC,
    )
    entered = off_book.enter(port, order, f"{auction.auction_id}/lot")

    def note(found: Auction) -> None:
        found.order_id = entered.order_id or None
        found.status = "submitted" if entered.code is Code.OK else "refused"
        found.refused_code = int(entered.code) or None

    return _change(database, auction, note)


def _end(database: Database, port: EnginePort, auction: Auction) -> bool:
    assert auction.order_id is not None
    off_book.cancel(port, auction.initiator, auction.order_id)
    return _change(database, auction, lambda found: _finish(found, found.outcome or "withdrawn"))


def _allot(database: Database, port: EnginePort, auction: Auction) -> bool:
    """Let bids under way come to rest, then write down who wins."""
    auction_bids.settle_pending(database, port, auction)

    def note(session: Session, found: Auction) -> None:
        bids = {each.number: each for each in auction_bids.standing(session, found.number)}
        for won in allot(_lot_of(found), map(_bid_of, bids.values())):
            bids[won.number].allotted_lots = won.quantity_lots
            bids[won.number].allotted_price_ticks = won.price_ticks
        found.status = "allotted"

    return _change_in(database, auction, note)


def _trade(database: Database, port: EnginePort, auction: Auction) -> bool:
    """Trade bid by bid, then give back what is left; False while trading is halted."""
    assert auction.order_id is not None
    with database.read() as session:
        bids = auction_bids.standing(session, auction.number)
    failed = set()
    for bid in bids:
        if bid.allotted_lots:
            code = _match(port, auction, bid)
            if code is Code.MARKET_HALTED:
                return False
            if code is not Code.OK:
                failed.add(bid.number)
    for bid in bids:
        assert bid.order_id is not None
        off_book.cancel(port, bid.account, bid.order_id)
    off_book.cancel(port, auction.initiator, auction.order_id)

    def note(session: Session, found: Auction) -> None:
        for bid in auction_bids.standing(session, found.number):
            if bid.number in failed:
                bid.allotted_lots = bid.allotted_price_ticks = 0
            bid.status = "won" if bid.allotted_lots else "lost"
        _finish(found, "completed")

    return _change_in(database, auction, note)


def _match(port: EnginePort, auction: Auction, bid: AuctionBid) -> Code:
    """One bid's trade. A bid or lot that is gone (its account was blocked) trades nothing."""
    assert auction.order_id is not None
    assert bid.order_id is not None
    return off_book.match(
        port,
        f"{auction.auction_id}/match-{bid.bid_id}",
        instrument=auction.instrument,
        maker_order_id=auction.order_id,
        taker_order_id=bid.order_id,
        price_ticks=bid.allotted_price_ticks,
        quantity_lots=bid.allotted_lots,
    )


_STEPS: dict[str, Callable[[Database, EnginePort, Auction], bool]] = {
    "entering": _enter,
    "ending": _end,
    "closing": _allot,
    "allotted": _trade,
}


def _lot_of(auction: Auction) -> Lot:
    return Lot(auction.side, auction.quantity_lots, auction.mode, auction.share_cap_ppm)


def _bid_of(bid: AuctionBid) -> Bid:
    return Bid(bid.number, bid.account, bid.price_ticks, bid.quantity_lots)


def _finish(auction: Auction, status: str) -> None:
    auction.status = status
    auction.closed_time_ns = time.time_ns()


def _change(database: Database, auction: Auction, note: Callable[[Auction], None]) -> bool:
    return _change_in(database, auction, lambda _, found: note(found))


def _change_in(
    database: Database, auction: Auction, note: Callable[[Session, Auction], Any]
) -> bool:
    """Write down what the engine answered, unless somebody else was faster."""

    def work(session: Session) -> None:
        found = find(session, auction.auction_id)
        if found.status == auction.status:
            note(session, found)

    database.write(work).result()
    return True
