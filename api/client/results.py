"""What the exchange answers, as types: prices, quantities and money are Decimals, never floats.

Members that a later version of the exchange adds are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Level(NamedTuple):
    """A price of a book: how much is open there, in how many orders."""

    price: Decimal
    quantity: Decimal
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A part of a list, newest first; `next_cursor` leads to the next."""

    items: list[T]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    token: str
    expires_at: datetime
    account: str
    roles: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """A fill; within its order it has no ids of its order and side, which that one has."""

    trade_id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    liquidity: str
    trade_type: str
    time: datetime
    order_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    order_id: str
    client_order_id: str | None
    symbol: str
    side: str
    type: str
    price: Decimal | None
    quantity: Decimal
    filled_quantity: Decimal
    remaining_quantity: Decimal
    average_price: Decimal | None
    status: str
    cancel_reason: str | None
    time_in_force: str
    created_at: datetime
    updated_at: datetime
    sequence: int
    expires_at: datetime | None = None
    post_only: bool = False
    display_quantity: Decimal | None = None
    stop_price: Decimal | None = None
    min_quantity: Decimal | None = None
    self_trade_prevention: str = "cancel_newest"
    purpose: str = "voluntary"
    scheme: str | None = None
    event_id: str | None = None
    is_quote: bool = False
    cancel_on_disconnect: bool = False
    fills: list[Fill] = field(default_factory=list)
    replayed: bool = False
    priority: str | None = None

    @property
    def is_open(self) -> bool:
        return self.status in ("open", "partially_filled", "pending_trigger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    symbol: str
    bid: Order | None
    ask: Order | None
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    cancelled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAfter:
    seconds: int
    cancel_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cash:
    available: Decimal
    held: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Credits:
    available: Decimal
    held: Decimal
    locked_today: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    cash: dict[str, Cash]
    credits: dict[str, Credits]
    account: str | None = None
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """As rates of an instrument; as money of a previewed order."""

    maker: Decimal
    taker: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    cash: Decimal
    credits: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    symbol: str
    side: str
    price: Decimal
    quantity: Decimal
    notional: Decimal
    hold: Means
    fees: Fees
    available: Means
    headroom: Decimal | None
    sufficient: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTime:
    time: datetime
    unix_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    status: str
    engine: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    symbol: str
    number: int
    tick: Decimal
    lot: Decimal
    phase: str
    trading_day: date
    reference_price: Decimal
    lower_limit: Decimal
    upper_limit: Decimal
    maximum_order: Decimal
    maximum_holding: Decimal
    fees: Fees
    resale_lock: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BookSnapshot:
    symbol: str
    sequence: int
    bids: list[Level]
    asks: list[Level]
    checksum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """Best prices and the rules of the day; what there is not is None."""

    symbol: str
    sequence: int
    phase: str
    trading_day: date
    reference_price: Decimal
    lower_limit: Decimal
    upper_limit: Decimal
    bid: Decimal | None
    bid_quantity: Decimal | None
    ask: Decimal | None
    ask_quantity: Decimal | None
    last: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A trade as everybody sees it; `taker_side` is the side of the order that came in."""

    trade_id: str
    symbol: str
    price: Decimal
    quantity: Decimal
    taker_side: str
    type: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    turnover: Decimal
    trades: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialRange:
    start: str
    end: str
    quantity: Decimal
    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    block_id: str
    batch_id: str
    symbol: str | None
    project: str
    vintage: int
    quantity: Decimal
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A deposit into custody, or a withdrawal."""

    operation_id: str | None
    kind: str
    status: str
    symbol: str | None
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    certificate_id: str | None
    quantity: Decimal
    beneficiary: str
    reason: str
    retired_at: datetime
    serials: list[SerialRange]
    verify_path: str | None = None
    valid: bool | None = None
