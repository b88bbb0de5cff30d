"""One-way auctions (单向竞价): applied for, published by the operator, bid for under seal.

These routes wait for database and engine: they are run in worker threads.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.auth import Caller, anyone, caller, cancelling_caller, require_role, trading_caller
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.negotiation_requests import AuctionBody, BidBody, parse_auction, show_auction, show_bid
from api.registry_requests import IdempotencyKey
from api.routes.orders import json_response
from api.schemas import Page, page, parse_client_id, parse_order_price, parse_quantity
from api.strict_json import json_body
from settlement import auction_bids, identity, one_way_auctions
from settlement.auction_bids import Offer
from settlement.tables.negotiated import Auction

router = APIRouter(tags=["negotiated"])

Exchange = Annotated[Gateway, Depends(gateway)]
Reader = Annotated[Caller, Depends(caller)]
Trader = Annotated[Caller, Depends(trading_caller)]
Canceller = Annotated[Caller, Depends(cancelling_caller)]
Operator = Annotated[Caller, Depends(require_role("operator"))]


@router.post("/auctions", status_code=201)
def apply(
    known: Trader,
    body: Annotated[AuctionBody, Depends(json_body(AuctionBody))],
    exchange: Exchange,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Offer a lot, or ask for one; it is reserved, and the operator decides on publication."""
    application = parse_auction(body, known.account, exchange.instruments.get(body.symbol))
    auction_id = one_way_auctions.apply(
        exchange.database, exchange.sync_core, application, idempotency_key
    )
    return json_response(_show(exchange, auction_id), 201)


@router.get("/auctions", dependencies=[Depends(anyone)])
def list_auctions(exchange: Exchange, wanted: Annotated[Page, Depends(page)]) -> dict[str, Any]:
    """Published and completed auctions, newest first."""
    return _list(exchange, wanted, statuses=one_way_auctions.PUBLIC)


@router.get("/auctions/own")
def list_own_auctions(
    known: Reader, exchange: Exchange, wanted: Annotated[Page, Depends(page)]
) -> dict[str, Any]:
    """The auctions that the account applied for, published or not, newest first."""
    return _list(exchange, wanted, initiator=known.account)


@router.get("/auctions/{auction_id}", dependencies=[Depends(anyone)])
def get_auction(auction_id: str, exchange: Exchange) -> dict[str, Any]:
    """One auction: its notice, and once it is over its results; bids are sealed until then."""
    with exchange.database.read() as session:
        if one_way_auctions.find(session, auction_id).status not in one_way_auctions.PUBLIC:
            raise Problem("not_found")
    return _show(exchange, auction_id)


@router.delete("/auctions/{auction_id}")
def withdraw(auction_id: str, known: Canceller, exchange: Exchange) -> dict[str, Any]:
    """Take back an auction that is not published yet, as its initiator."""
    one_way_auctions.withdraw(exchange.database, exchange.sync_core, known.account, auction_id)
    return _show(exchange, auction_id)


@router.post("/auctions/{auction_id}/bids", status_code=201)
def place_bid(
    auction_id: str,
    known: Trader,
    body: Annotated[BidBody, Depends(json_body(BidBody))],
    exchange: Exchange,
) -> Response:
    """Bid for a lot, or offer what is asked for; cash or credits are held until the close."""
    parse_client_id(body.client_order_id)
    with exchange.database.read() as session:
        number = one_way_auctions.find(session, auction_id).instrument
    price_ticks = parse_order_price(body.price, exchange.instruments.by_number[number])
    offer = Offer(body.client_order_id, known.account, price_ticks, parse_quantity(body.quantity))
    bid_id, replayed = auction_bids.place(
        exchange.database, exchange.sync_core, auction_id, offer, time.time_ns()
    )
    shown = _show_bid(exchange, known, auction_id, bid_id)
    return json_response(shown | {"replayed": True}) if replayed else json_response(shown, 201)


@router.get("/auctions/{auction_id}/bids")
def own_bids(auction_id: str, known: Reader, exchange: Exchange) -> dict[str, Any]:
    """The account's own bids, oldest first."""
    with exchange.database.read() as session:
        auction = one_way_auctions.find(session, auction_id)
        bids = auction_bids.of_account(session, auction.number, known.account)
        return {
            "items": [show_bid(exchange, auction, bid) for bid in bids],
            "next_cursor": None,
        }


@router.delete("/auctions/{auction_id}/bids/{bid_id}")
def withdraw_bid(
    auction_id: str, bid_id: str, known: Canceller, exchange: Exchange
) -> dict[str, Any]:
    """Take a bid back before the auction ends."""
    auction_bids.withdraw(
        exchange.database,
        exchange.sync_core,
        auction_id,
        known.account,
        bid_id,
        now_ns=time.time_ns(),
    )
    return _show_bid(exchange, known, auction_id, bid_id)


@router.get("/operator/auctions")
def list_all_auctions(
    _: Annotated[Caller, Depends(require_role("operator", "auditor"))],
    exchange: Exchange,
    wanted: Annotated[Page, Depends(page)],
) -> dict[str, Any]:
    """All auctions, published or not, newest first."""
    return _list(exchange, wanted)


@router.post("/operator/auctions/{auction_id}/publish")
def publish(auction_id: str, known: Operator, exchange: Exchange) -> dict[str, Any]:
    """Publish an auction that was submitted."""
    return _decide(exchange, known, auction_id, publish=True)


@router.post("/operator/auctions/{auction_id}/reject")
def reject(auction_id: str, known: Operator, exchange: Exchange) -> dict[str, Any]:
    """Reject an auction that was submitted; its lot is given back."""
    return _decide(exchange, known, auction_id, publish=False)


@router.post("/operator/auctions/{auction_id}/close")
def close(auction_id: str, known: Operator, exchange: Exchange) -> dict[str, Any]:
    """Close an auction whose end has come; it closes by itself, too."""
    one_way_auctions.close(exchange.database, exchange.sync_core, auction_id, time.time_ns())
    _audit(exchange, known, "auction_closed", auction_id)
    return _show(exchange, auction_id)


def _decide(exchange: Gateway, known: Caller, auction_id: str, *, publish: bool) -> dict[str, Any]:
    def work(session: Session) -> None:
        now_ns = time.time_ns()
        one_way_auctions.decide(session, auction_id, known.username, publish=publish, now_ns=now_ns)
        action = "auction_published" if publish else "auction_rejected"
        identity.audit(session, known.username, action, {"auction_id": auction_id})

    exchange.database.write(work).result()
    one_way_auctions.execute(exchange.database, exchange.sync_core, auction_id)
    return _show(exchange, auction_id)


def _audit(exchange: Gateway, known: Caller, action: str, auction_id: str) -> None:
    subject = {"auction_id": auction_id}
    exchange.database.write(
        lambda session: identity.audit(session, known.username, action, subject)
    ).result()


def _list(exchange: Gateway, wanted: Page, **which: Any) -> dict[str, Any]:
    with exchange.database.read() as session:
        found = one_way_auctions.page(session, wanted.before, wanted.limit + 1, **which)
        auctions: list[Auction] = found[: wanted.limit]
        items = [show_auction(exchange, session, each) for each in auctions]
    is_last = len(found) <= wanted.limit
    return {"items": items, "next_cursor": None if is_last else str(auctions[-1].number)}


def _show(exchange: Gateway, auction_id: str) -> dict[str, Any]:
    with exchange.database.read() as session:
        return show_auction(exchange, session, one_way_auctions.find(session, auction_id))


def _show_bid(exchange: Gateway, known: Caller, auction_id: str, bid_id: str) -> dict[str, Any]:
    with exchange.database.read() as session:
        auction = one_way_auctions.find(session, auction_id)
        return show_bid(exchange, auction, auction_bids.find(session, known.account, bid_id))
