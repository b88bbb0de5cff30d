"""Block trades and one-way auctions: what clients send, and how both are shown."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy.orm import Session

from api.errors import Problem
from api.gateway import Gateway
from api.instruments import Instrument
from api.routes.market import format_ratio
from api.schemas import (
    Body,
    ClientId,
    Decimal,
    Quantity,
    Symbol,
    parse_expiry,
    parse_order_price,
    parse_quantity,
    parse_ratio_ppm,
    plain_text,
)
from engine.codes import Side
from engine.decimals import format_price
from engine.times import format_time
from engine.units import ONE_MILLION
from settlement import auction_bids, block_trades, identity
from settlement.one_way_auctions import Application
from settlement.tables.negotiated import Auction, AuctionBid, BlockTrade

SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_NOTICE_LENGTH = 2_000


class BlockTradeBody(Body):
    """POST /v1/block-trades; `side` is the proposer's."""

    client_order_id: ClientId
    symbol: Symbol
    side: Literal["buy", "sell"]
    price: Decimal
    quantity: Quantity
    counterparty: str


class AuctionBody(Body):
    """POST /v1/auctions; `side` is the initiator's, `share_cap` the most that one account wins."""

    symbol: Symbol
    side: Literal["buy", "sell"]
    quantity: Quantity
    reserve_price: Decimal
    mode: Literal["highest", "uniform"]
    starts_at: str
    ends_at: str
    notice: str
    share_cap: str | None = None


class BidBody(Body):
    """POST /v1/auctions/{auction_id}/bids."""

    client_order_id: ClientId
    price: Decimal
    quantity: Quantity


def parse_auction(body: AuctionBody, account: int, instrument: Instrument) -> Application:
    """The auction that is applied for. Raises Problem."""
    starts_at_ns = parse_expiry(body.starts_at, "starts_at")
    ends_at_ns = parse_expiry(body.ends_at, "ends_at")
    if starts_at_ns >= ends_at_ns:
        raise Problem("invalid_request", "The end is after the start.", field="ends_at")
    share_cap_ppm = ONE_MILLION
    if body.share_cap is not None:
        share_cap_ppm = parse_ratio_ppm(body.share_cap, "share_cap")
        if not 1 <= share_cap_ppm <= ONE_MILLION:
            raise Problem("invalid_request", "A share is from 0 to 1.", field="share_cap")
    return Application(
        initiator=account,
        instrument=instrument.number,
        side=SIDES[body.side],
        quantity_lots=parse_quantity(body.quantity),
        reserve_price_ticks=parse_order_price(body.reserve_price, instrument, "reserve_price"),
        mode=body.mode,
        share_cap_ppm=share_cap_ppm,
        notice=plain_text(body.notice, "notice", _NOTICE_LENGTH),
        starts_at_ns=starts_at_ns,
        ends_at_ns=ends_at_ns,
    )


def show_block_trade(
    exchange: Gateway, session: Session, trade: BlockTrade, account: int
) -> dict[str, Any]:
    """A block trade as one of its two parties sees it."""
    instrument = exchange.instruments.by_number[trade.instrument]
    codes = identity.account_codes(session)
    is_proposer = account == trade.proposer
    order_id = trade.proposer_order_id if is_proposer else trade.counterparty_order_id
    return {
        "block_trade_id": trade.block_trade_id,
        "client_order_id": trade.client_order_id if is_proposer else None,
        "role": "proposer" if is_proposer else "counterparty",
        "proposer": codes[trade.proposer],
        "counterparty": codes[trade.counterparty],
        "symbol": instrument.symbol,
        "side": Side(trade.side).name.lower(),
        "price": format_price(trade.price_ticks, instrument.tick_fen),
        "quantity": str(trade.quantity_lots),
        "status": block_trades.status_of(session, trade),
        "order_id": None if order_id is None else str(order_id),
        "created_at": format_time(trade.created_time_ns),
        "updated_at": format_time(trade.updated_time_ns),
    }


def show_auction(exchange: Gateway, session: Session, auction: Auction) -> dict[str, Any]:
    """An auction as everybody sees it: no bid before it is over, then the winning ones."""
    instrument = exchange.instruments.by_number[auction.instrument]
    is_completed = auction.status == "completed"
    winners = auction_bids.winners(session, auction.number) if is_completed else []
    shown = {
        "closing": "closing",
        "allotted": "closing",
        "entering": "pending",
        "ending": "pending",
    }
    return {
        "auction_id": auction.auction_id,
        "symbol": instrument.symbol,
        "side": Side(auction.side).name.lower(),
        "quantity": str(auction.quantity_lots),
        "reserve_price": format_price(auction.reserve_price_ticks, instrument.tick_fen),
        "mode": auction.mode,
        "share_cap": format_ratio(auction.share_cap_ppm),
        "notice": auction.notice,
        "starts_at": format_time(auction.starts_at_ns),
        "ends_at": format_time(auction.ends_at_ns),
        "status": shown.get(auction.status, auction.status),
        "sold_quantity": str(sum(bid.allotted_lots for bid in winners)) if is_completed else None,
        "results": [
            {
                "price": format_price(bid.allotted_price_ticks, instrument.tick_fen),
                "quantity": str(bid.allotted_lots),
            }
            for bid in winners
        ],
        "created_at": format_time(auction.created_time_ns),
        "closed_at": None
        if auction.closed_time_ns is None
        else format_time(auction.closed_time_ns),
    }


def show_bid(exchange: Gateway, auction: Auction, bid: AuctionBid) -> dict[str, Any]:
    """A bid as its own account sees it."""
    tick_fen = exchange.instruments.by_number[auction.instrument].tick_fen
    is_winner = bid.status == "won"
    is_under_way = bid.status in ("entering", "withdrawing")
    return {
        "bid_id": bid.bid_id,
        "auction_id": auction.auction_id,
        "client_order_id": bid.client_order_id,
        "price": format_price(bid.price_ticks, tick_fen),
        "quantity": str(bid.quantity_lots),
        "status": "pending" if is_under_way else bid.status,
        "order_id": None if bid.order_id is None else str(bid.order_id),
        "won_quantity": str(bid.allotted_lots) if is_winner else None,
        "won_price": format_price(bid.allotted_price_ticks, tick_fen) if is_winner else None,
        "created_at": format_time(bid.created_time_ns),
    }
