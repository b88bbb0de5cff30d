"""What clients are answered, as types: for OpenAPI, and for the tests that hold answers to it.

Nothing is converted through these at run time; they describe what the routes render.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from api.account_answers import ACCOUNT_ANSWERS
from api.carbon_answers import CARBON_ANSWERS
from api.compliance_answers import COMPLIANCE_ANSWERS
from api.event_answers import EVENT_ANSWERS
from api.market_answers import MARKET_ANSWERS
from api.market_rule_answers import MARKET_RULE_ANSWERS
from api.negotiation_answers import NEGOTIATION_ANSWERS
from api.registry_answers import REGISTRY_ANSWERS
from api.registry_work_answers import REGISTRY_WORK_ANSWERS
from api.settlement_answers import SETTLEMENT_ANSWERS


class Answer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of everything that is described here."""


class ProblemAnswer(msgspec.Struct, kw_only=True):
    """application/problem+json; there may be further members."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
    limit: str | int | None = None
    retry_after_ms: int | None = None
    order_id: str | None = None


class FillOfOrder(Answer):
    """A fill as it stands in its order."""

    trade_id: str
    price: str
    quantity: str
    fee: str
    liquidity: Literal["maker", "taker"]
    trade_type: Literal["continuous", "auction", "block", "one_way", "listed"]
    time: str


class Fill(Answer):
    """A fill on its own."""

    trade_id: str
    order_id: str
    symbol: str
    side: Literal["buy", "sell"]
    price: str
    quantity: str
    fee: str
    liquidity: Literal["maker", "taker"]
    trade_type: Literal["continuous", "auction", "block", "one_way", "listed"]
    time: str
    sequence: int


class Order(Answer):
    """An order; `price` is null for a market order, `average_price` until something is filled."""

    order_id: str
    client_order_id: str | None
    symbol: str
    side: Literal["buy", "sell"]
    type: Literal["limit", "market", "block", "bid"]
    price: str | None
    quantity: str
    filled_quantity: str
    remaining_quantity: str
    average_price: str | None
    status: Literal[
        "open",
        "partially_filled",
        "filled",
        "cancelled",
        "expired",
        "rejected",
        "pending_trigger",
    ]
    cancel_reason: str | None
    time_in_force: Literal["day", "gtc", "gtd", "ioc", "fok"]
    expires_at: str | None
    post_only: bool
    display_quantity: str | None
    stop_price: str | None
    min_quantity: str | None
    self_trade_prevention: Literal["cancel_newest", "cancel_oldest", "cancel_both", "decrement"]
    purpose: Literal["voluntary", "compliance", "event", "market_making"]
    scheme: str | None
    event_id: str | None
    is_quote: bool
    cancel_on_disconnect: bool
    fills: list[FillOfOrder]
    created_at: str
    updated_at: str
    sequence: int
    replayed: bool = False
    priority: Literal["kept", "lost"] | None = None


class Orders(Answer):
    items: list[Order]
    next_cursor: str | None


class Fills(Answer):
    items: list[Fill]
    next_cursor: str | None


class BatchResults(Answer):
    """One order or problem for each order sent, in the same sequence."""

    results: list[Any]


class Cancelled(Answer):
    cancelled: int


class Quote(Answer):
    """Both sides as they stand; null where nothing stands."""

    symbol: str
    bid: Order | None
    ask: Order | None
    sequence: int


class CancelAfter(Answer):
    seconds: int
    cancel_at: str | None


class Cash(Answer):
    available: str
    held: str


class Credits(Answer):
    available: str
    held: str
    locked_today: str


class Balances(Answer):
    account: str
    sequence: int
    cash: dict[str, Cash]
    credits: dict[str, Credits]


class PreviewHold(Answer):
    cash: str
    credits: str


class PreviewFees(Answer):
    maker: str
    taker: str


class Preview(Answer):
    """What an order would hold and cost; nothing is placed."""

    symbol: str
    side: Literal["buy", "sell"]
    price: str
    quantity: str
    notional: str
    hold: PreviewHold
    fees: PreviewFees
    available: PreviewHold
    headroom: str | None
    sufficient: bool
    sequence: int


class Session(Answer):
    token: str
    expires_at: str
    account: str
    username: str
    roles: list[str]


class Key(Answer):
    key_id: str
    name: str
    public_key: str
    scopes: list[str]
    created_at: str


class Keys(Answer):
    items: list[Key]
    next_cursor: str | None


class Time(Answer):
    time: str
    unix_ms: int


class Halt(Answer):
    """An operator's halt, which stands until he resumes."""

    reason: str
    since: str


class HaltOfSymbol(Halt):
    symbol: str


class Status(Answer):
    status: Literal["open", "call_auction", "pre_open", "halted", "closed"]
    engine: Literal["ready", "unavailable"]
    sequence: int
    demo: bool
    halts: list[HaltOfSymbol]


class RateLimit(Answer):
    quantity: int
    window_seconds: int


class RateLimitNow(RateLimit):
    remaining: int


class AccountLimits(Answer):
    """What is null is not limited."""

    account: str
    maximum_orders_per_second: int | None
    maximum_open_orders: int | None
    maximum_order_amount: str | None
    open_orders: int
    blocked: bool


class OwnLimits(AccountLimits):
    """`requests` are those of the gateway, whatever they ask for; `orders` those that enter one."""

    requests: dict[str, RateLimitNow]


class Eligibility(Answer):
    roles: list[str]


class Volatility(Answer):
    """How far from the last price trading goes before a call auction interrupts it."""

    limit: str
    interruption_seconds: int


class BlockRules(Answer):
    """The smallest block, its price limits, and whether block trades are taken now."""

    is_open: bool
    minimum: str
    price_limit: str
    lower_limit: str
    upper_limit: str


class Instrument(Answer):
    """`ends_at` is the planned end of the phase, `no_cancel_from` when cancelling ends in it;
    `number` is the instrument's name in binary records."""

    symbol: str
    number: int
    currency: str
    tick: str
    lot: str
    phase: Literal["closed", "pre_open", "call_auction", "continuous", "halted"]
    ends_at: str | None
    no_cancel_from: str | None
    volatility: Volatility | None
    halt: Halt | None
    trading_day: str
    reference_price: str
    price_limit: str
    lower_limit: str
    upper_limit: str
    maximum_order: str
    maximum_holding: str
    fees: PreviewFees
    resale_lock: bool
    listed_selection: bool
    block: BlockRules
    rate_limits: dict[str, RateLimit]
    eligibility: Eligibility


class Instruments(Answer):
    items: list[Instrument]
    next_cursor: str | None


# OpenAPI's readers do not know tuples that are typed by position.
Level = Annotated[
    list[str | int], msgspec.Meta(min_length=3, max_length=3, examples=[["50.10", "1000", 1]])
]


class Book(Answer):
    """Levels are [price, quantity, number of orders], the best first."""

    symbol: str
    sequence: int
    bids: list[Level]
    asks: list[Level]
    checksum: int


class StateHash(Answer):
    sequence: int
    state_hash: str


class CashRequest(Answer):
    request_id: str
    account: str
    kind: Literal["deposit", "withdrawal"]
    amount: str
    status: Literal["pending", "approved", "completed", "rejected", "refused"]
    requested_by: str
    requested_at: str
    decided_by: str | None
    decided_at: str | None


class CashRequests(Answer):
    items: list[CashRequest]
    next_cursor: str | None


# By method and path; routes that are missing here are described by their docstring alone.
ANSWERS: dict[tuple[str, str], type] = {
    ("POST", "/v1/sessions"): Session,
    ("POST", "/v1/keys"): Key,
    ("GET", "/v1/keys"): Keys,
    ("POST", "/v1/orders"): Order,
    ("GET", "/v1/orders"): Orders,
    ("GET", "/v1/orders/{order_id}"): Order,
    ("PATCH", "/v1/orders/{order_id}"): Order,
    ("DELETE", "/v1/orders/{order_id}"): Order,
    ("DELETE", "/v1/orders"): Cancelled,
    ("POST", "/v1/orders/batch"): BatchResults,
    ("POST", "/v1/orders/preview"): Preview,
    ("PUT", "/v1/quotes"): Quote,
    ("POST", "/v1/cancel-after"): CancelAfter,
    ("GET", "/v1/fills"): Fills,
    ("GET", "/v1/balances"): Balances,
    ("GET", "/v1/limits"): OwnLimits,
    ("GET", "/v1/operator/accounts/{account}/limits"): AccountLimits,
    ("PUT", "/v1/operator/accounts/{account}/limits"): AccountLimits,
    ("GET", "/v1/time"): Time,
    ("GET", "/v1/status"): Status,
    ("GET", "/v1/instruments"): Instruments,
    ("GET", "/v1/instruments/{symbol}"): Instrument,
    ("GET", "/v1/market/{symbol}/book"): Book,
    ("GET", "/v1/operator/state-hash"): StateHash,
    ("POST", "/v1/operator/instruments"): Instrument,
    ("POST", "/v1/operator/block-rules"): Instrument,
    ("PUT", "/v1/operator/instruments/{symbol}/volatility"): Instrument,
    ("POST", "/v1/market/{symbol}/listings/{order_id}/take"): Order,
    ("POST", "/v1/operator/cash"): CashRequest,
    ("GET", "/v1/operator/cash"): CashRequests,
    ("POST", "/v1/operator/cash/{request_id}/approve"): CashRequest,
    ("POST", "/v1/operator/cash/{request_id}/reject"): CashRequest,
    **MARKET_ANSWERS,
    **ACCOUNT_ANSWERS,
    **NEGOTIATION_ANSWERS,
    **REGISTRY_ANSWERS,
    **REGISTRY_WORK_ANSWERS,
    **COMPLIANCE_ANSWERS,
    **SETTLEMENT_ANSWERS,
    **MARKET_RULE_ANSWERS,
    **EVENT_ANSWERS,
    **CARBON_ANSWERS,
}
