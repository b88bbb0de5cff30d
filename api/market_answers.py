"""Answers about the public market and of a few operators' routes, as types: see api.answers."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Answer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of everything that is described here."""


class Trade(Answer):
    """A line of the tape; `taker_side` is the side of the order that came in."""

    trade_id: str
    symbol: str
    price: str
    quantity: str
    taker_side: Literal["buy", "sell"]
    type: Literal["continuous", "auction", "block", "one_way", "listed"]
    time: str


class Trades(Answer):
    items: list[Trade]
    next_cursor: str | None


class Ticker(Answer):
    """Best prices, last trade, the day's figures, and in a call auction what it would come to."""

    symbol: str
    sequence: int
    phase: Literal["closed", "pre_open", "call_auction", "continuous", "halted"]
    ends_at: str | None
    halt_reason: str | None
    trading_day: str
    reference_price: str
    lower_limit: str
    upper_limit: str
    bid: str | None
    bid_quantity: str | None
    ask: str | None
    ask_quantity: str | None
    indicative_price: str | None
    indicative_quantity: str | None
    indicative_surplus: str | None
    last: str | None
    last_quantity: str | None
    last_time: str | None
    open: str | None
    high: str | None
    low: str | None
    vwap: str | None
    volume: str
    turnover: str
    trades: int
    negotiated_volume: str
    negotiated_turnover: str
    change: str | None
    change_percent: str | None


class Candle(Answer):
    """An interval with trades; `time` is its beginning."""

    time: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    turnover: str
    trades: int


class Candles(Answer):
    items: list[Candle]
    next_cursor: str | None


class OpenedAccount(Answer):
    account: str
    name: str
    username: str
    roles: list[str]


class BlockedAccount(Answer):
    """`cancelled` is how many open orders the account had."""

    account: str
    blocked: bool
    cancelled: int | msgspec.UnsetType = msgspec.UNSET


class AuditRecord(Answer):
    """A link of the chain: `hash` covers the record and `previous_hash`."""

    sequence: int
    time: str
    actor: str
    action: str
    subject: dict[str, Any]
    previous_hash: str
    hash: str


class AuditChain(Answer):
    intact: bool
    first_broken: int | None


class AuditRecords(Answer):
    items: list[AuditRecord]
    next_cursor: str | None
    chain: AuditChain


class StateHash(Answer):
    sequence: int
    state_hash: str


MARKET_ANSWERS: dict[tuple[str, str], type] = {
    ("GET", "/v1/market/{symbol}/trades"): Trades,
    ("GET", "/v1/market/{symbol}/ticker"): Ticker,
    ("GET", "/v1/market/{symbol}/candles"): Candles,
    ("POST", "/v1/operator/accounts"): OpenedAccount,
    ("POST", "/v1/operator/kill"): BlockedAccount,
    ("POST", "/v1/operator/unblock"): BlockedAccount,
    ("GET", "/v1/operator/audit"): AuditRecords,
    ("GET", "/v1/operator/state-hash"): StateHash,
}
