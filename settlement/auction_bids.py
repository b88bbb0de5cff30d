"""The sealed bids of a one-way auction: each is an order off the book until the auction closes.

entering      its order is on its way to the engine, where it holds what it needs
open          it stands
withdrawing   its order is on its way out

withdrawn, refused, won, lost     it is over
"""

from __future__ import annotations

import uuid
from typing import Literal, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.codes import Code, OrderType, Side, TimeInForce
from settlement import off_book
from settlement.database import Database
from settlement.errors import Refused
from settlement.off_book import OffBookOrder
from settlement.ports import EnginePort
from settlement.tables.negotiated import Auction, AuctionBid

Status = Literal["entering", "open", "withdrawing", "withdrawn", "refused", "won", "lost"]
_LOCK = "bids"


class Offer(NamedTuple):
    """What a bidder asks for."""

    client_order_id: str
    account: int
    price_ticks: int
    quantity_lots: int


def place(
    database: Database, port: EnginePort, auction_id: str, offer: Offer, now_ns: int
) -> tuple[str, bool]:
    """Bid; the bid's id, and whether the same request had placed it before. Raises Refused."""

    def begin(session: Session) -> tuple[str, bool]:
        auction = _published(session, auction_id)
        known = session.scalar(
            select(AuctionBid).where(
                AuctionBid.account == offer.account,
                AuctionBid.client_order_id == offer.client_order_id,
            )
        )
        if known is not None:
            asked = (auction.number, *offer)
            was = (known.auction, *(getattr(known, name) for name in Offer._fields))
            if asked != was:
                raise Refused(
                    "duplicate_client_order_id",
                    "The client_order_id was used for another bid.",
                    field="client_order_id",
                )
            return known.bid_id, True
        _check(auction, offer, now_ns)
        bid = AuctionBid(
            bid_id=str(uuid.uuid4()),
            auction=auction.number,
            status="entering",
            **offer._asdict(),
            created_time_ns=now_ns,
        )
        session.add(bid)
        session.flush()
        return bid.bid_id, False

    bid_id, replayed = database.write(begin).result()
    bid = execute(database, port, bid_id)
    if bid.status == "refused" and bid.refused_code is not None:
        raise off_book.refusal(Code(bid.refused_code))
    return bid_id, replayed


def withdraw(
    database: Database, port: EnginePort, auction_id: str, account: int, bid_id: str, *, now_ns: int
) -> None:
    """Take a bid back before the auction ends. Raises Refused."""

    def begin(session: Session) -> None:
        auction = _published(session, auction_id)
        bid = find(session, account, bid_id)
        if bid.auction != auction.number:
            raise Refused("not_found", "There is no such bid.")
        if bid.status in ("withdrawing", "withdrawn"):
            return
        if bid.status != "open" or auction.status != "published" or now_ns >= auction.ends_at_ns:
            raise Refused("conflict", "The bid can no longer be taken back.")
        bid.status = "withdrawing"

    database.write(begin).result()
    execute(database, port, bid_id)


def find(session: Session, account: int, bid_id: str) -> AuctionBid:
    """The account's bid. Raises Refused, for another account's too."""
    query = select(AuctionBid).where(AuctionBid.bid_id == bid_id, AuctionBid.account == account)
    bid = session.scalar(query)
    if bid is None:
        raise Refused("not_found", "There is no such bid.")
    return bid


def of_account(session: Session, auction: int, account: int) -> list[AuctionBid]:
    """The account's bids, oldest first."""
    query = select(AuctionBid).where(AuctionBid.auction == auction, AuctionBid.account == account)
    return list(session.scalars(query.order_by(AuctionBid.number)))


def standing(session: Session, auction: int) -> list[AuctionBid]:
    """The open bids of an auction, in the order in which they came."""
    query = select(AuctionBid).where(AuctionBid.auction == auction, AuctionBid.status == "open")
    return list(session.scalars(query.order_by(AuctionBid.number)))


def winners(session: Session, auction: int) -> list[AuctionBid]:
    """The bids that won, in the order in which they came."""
    query = select(AuctionBid).where(AuctionBid.auction == auction, AuctionBid.status == "won")
    return list(session.scalars(query.order_by(AuctionBid.number)))


def settle_pending(database: Database, port: EnginePort, auction: Auction) -> None:
    """Bring the bids of an auction that are on their way to rest."""
    with database.read() as session:
        query = select(AuctionBid.bid_id).where(
            AuctionBid.auction == auction.number,
            AuctionBid.status.in_(("entering", "withdrawing")),
        )
        pending = session.scalars(query).all()
    for bid_id in pending:
        execute(database, port, bid_id)


def execute(database: Database, port: EnginePort, bid_id: str) -> AuctionBid:
    """Carry a bid on until nothing of it is under way; how it then is."""
    with database.exclusive(_LOCK):
        with database.read() as session:
            bid, auction = _get(session, bid_id)
        if bid.status == "entering":
            entered = off_book.enter(port, _order(auction, bid), f"{bid_id}/bid")
            is_open = entered.code is Code.OK
            _change(database, bid, "open" if is_open else "refused", entered)
        elif bid.status == "withdrawing":
            assert bid.order_id is not None
            off_book.cancel(port, bid.account, bid.order_id)
            _change(database, bid, "withdrawn", off_book.Entered(Code.OK, bid.order_id))
        with database.read() as session:
            return _get(session, bid_id)[0]


def _check(auction: Auction, offer: Offer, now_ns: int) -> None:
    if not auction.starts_at_ns <= now_ns < auction.ends_at_ns or auction.status != "published":
        raise Refused("market_closed", "Bids are taken between the auction's start and its end.")
    if offer.account == auction.initiator:
        raise Refused("would_self_trade", "The initiator does not bid.")
    if offer.quantity_lots > auction.quantity_lots:
        limit = str(auction.quantity_lots)
        detail = "The lot is smaller than that."
        raise Refused("quantity_too_large", detail, field="quantity", limit=limit)
    behind_ticks = auction.reserve_price_ticks - offer.price_ticks
    if auction.side == Side.BUY:
        behind_ticks = -behind_ticks
    if behind_ticks > 0:
        raise Refused("price_outside_limits", "The reserve price is not met.", field="price")


def _published(session: Session, auction_id: str) -> Auction:
    auction = session.scalar(select(Auction).where(Auction.auction_id == auction_id))
    if auction is None or auction.status not in ("published", "closing", "allotted", "completed"):
        raise Refused("not_found", "There is no such auction.")
    return auction


def _order(auction: Auction, bid: AuctionBid) -> OffBookOrder:
    return OffBookOrder(
        account=bid.account,
        instrument=auction.instrument,
        order_type=OrderType.BID,
        side=off_book.opposite(auction.side),
        price_ticks=bid.price_ticks,
        quantity_lots=bid.quantity_lots,
        time_in_force=TimeInForce.GTC,
    )


def _change(database: Database, bid: AuctionBid, status: Status, entered: off_book.Entered) -> None:
    """Write down what the engine answered, unless somebody else was faster."""

    def work(session: Session) -> None:
        found, _ = _get(session, bid.bid_id)
        if found.status == bid.status:
            found.status = status
            found.order_id = entered.order_id or None
            found.refused_code = int(entered.code) or None

    database.write(work).result()


def _get(session: Session, bid_id: str) -> tuple[AuctionBid, Auction]:
    query = (
        select(AuctionBid, Auction)
        .join(Auction, Auction.number == AuctionBid.auction)
        .where(AuctionBid.bid_id == bid_id)
    )
    bid, auction = session.execute(query).one()
    return bid, auction
