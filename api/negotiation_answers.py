"""Answers about negotiated trades, as types: see api.answers."""

from __future__ import annotations

from typing import Literal

import msgspec


class Answer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of everything that is described here."""


class BlockTrade(Answer):
    """A block trade as one of its two parties sees it; `side` is the proposer's."""

    block_trade_id: str
    client_order_id: str | None
    role: Literal["proposer", "counterparty"]
    proposer: str
    counterparty: str
    symbol: str
    side: Literal["buy", "sell"]
    price: str
    quantity: str
    status: Literal[
        "pending", "proposed", "completed", "withdrawn", "rejected", "expired", "refused"
    ]
    order_id: str | None
    created_at: str
    updated_at: str
    replayed: bool = False


class BlockTrades(Answer):
    items: list[BlockTrade]
    next_cursor: str | None


class AuctionResult(Answer):
    """One winning bid, without its account."""

    price: str
    quantity: str


class Auction(Answer):
    """A one-way auction; `side` is the initiator's. Results are disclosed once it is completed."""

    auction_id: str
    symbol: str
    side: Literal["buy", "sell"]
    quantity: str
    reserve_price: str
    mode: Literal["highest", "uniform"]
    share_cap: str
    notice: str
    starts_at: str
    ends_at: str
    status: Literal[
        "pending",
        "submitted",
        "published",
        "closing",
        "completed",
        "rejected",
        "withdrawn",
        "refused",
    ]
    sold_quantity: str | None
    results: list[AuctionResult]
    created_at: str
    closed_at: str | None


class Auctions(Answer):
    items: list[Auction]
    next_cursor: str | None


class AuctionBid(Answer):
    """A sealed bid as its own account sees it."""

    bid_id: str
    auction_id: str
    client_order_id: str
    price: str
    quantity: str
    status: Literal["pending", "open", "withdrawn", "refused", "won", "lost"]
    order_id: str | None
    won_quantity: str | None
    won_price: str | None
    created_at: str
    replayed: bool = False


class AuctionBids(Answer):
    items: list[AuctionBid]
    next_cursor: str | None


class Listing(Answer):
    """A shown order, without its account."""

    order_id: str
    side: Literal["buy", "sell"]
    price: str
    quantity: str


class Listings(Answer):
    items: list[Listing]
    next_cursor: str | None


NEGOTIATION_ANSWERS: dict[tuple[str, str], type] = {
    ("GET", "/v1/market/{symbol}/listings"): Listings,
    ("POST", "/v1/block-trades"): BlockTrade,
    ("GET", "/v1/block-trades"): BlockTrades,
    ("GET", "/v1/block-trades/{block_trade_id}"): BlockTrade,
    ("POST", "/v1/block-trades/{block_trade_id}/accept"): BlockTrade,
    ("POST", "/v1/block-trades/{block_trade_id}/reject"): BlockTrade,
    ("DELETE", "/v1/block-trades/{block_trade_id}"): BlockTrade,
    ("POST", "/v1/auctions"): Auction,
    ("GET", "/v1/auctions"): Auctions,
    ("GET", "/v1/auctions/own"): Auctions,
    ("GET", "/v1/auctions/{auction_id}"): Auction,
    ("DELETE", "/v1/auctions/{auction_id}"): Auction,
    ("POST", "/v1/auctions/{auction_id}/bids"): AuctionBid,
    ("GET", "/v1/auctions/{auction_id}/bids"): AuctionBids,
    ("DELETE", "/v1/auctions/{auction_id}/bids/{bid_id}"): AuctionBid,
    ("GET", "/v1/operator/auctions"): Auctions,
    ("POST", "/v1/operator/auctions/{auction_id}/publish"): Auction,
    ("POST", "/v1/operator/auctions/{auction_id}/reject"): Auction,
    ("POST", "/v1/operator/auctions/{auction_id}/close"): Auction,
}
