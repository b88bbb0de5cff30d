"""What clients send, and the step from their decimal strings to the engine's integers.

The structures are decoded by api.strict_json: unknown fields, missing ones and wrong types are
refused there. A null stands for an optional field that is not given.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Literal

import msgspec
from fastapi import Query

from api.errors import Problem
from api.instruments import Instrument
from engine import packed_texts
from engine.decimals import (
    NotDecimalError,
    OffStepError,
    format_price,
    parse_fen,
    parse_lots,
    parse_price,
)
from engine.times import parse_time
from engine.units import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS, MAX_TOTAL_CASH_FEN, ONE_MILLION
from settlement.identity import Role

MAX_BATCH = 20
MAX_PAGE = 1_000
MAX_ID = 2**63 - 1
_RATIO = re.compile(r"(0|[1-9][0-9]?)(?:\.([0-9]{1,6}))?", re.ASCII)
_CURSOR = re.compile(r"[0-9]{1,18}", re.ASCII)

Scope = Literal["read", "trade", "settle", "admin", "drop_copy"]


# What OpenAPI tells of the texts; they are read, and refused by their codes, further down.
Decimal = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={
            "pattern": r"^(0|[1-9][0-9]{0,17})(\.[0-9]{1,2})?$",
            "examples": ["50.00"],
        }
    ),
]
Quantity = Annotated[
    str, msgspec.Meta(extra_json_schema={"pattern": "^[1-9][0-9]{0,9}$", "examples": ["100"]})
]
# How many of something the engine shall allow.
Count = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
ClientId = Annotated[
    str,
    msgspec.Meta(
        description="A UUID, or 1 to 16 visible ASCII characters; unique per account for ever.",
        extra_json_schema={
            "pattern": "^([!-~]{1,16}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$",
            "examples": ["order-1"],
        },
    ),
]
Symbol = Annotated[
    str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": 16, "examples": ["GD-PHCER"]})
]


ExpiryTime = Annotated[
    str,
    msgspec.Meta(
        description="Required with gtd and only there: from this time on (ISO-8601 UTC) the order "
        "is off the book; it must be in the future.",
        extra_json_schema={"examples": ["2026-12-31T07:00:00.000000Z"]},
    ),
]
PlannedTime = Annotated[
    str,
    msgspec.Meta(
        description="When the phase is planned to end (shown, but not done by itself), or from "
        "when on clients cannot cancel or amend in it (ISO-8601 UTC).",
        extra_json_schema={"examples": ["2026-12-31T07:00:00.000000Z"]},
    ),
]
MinimumQuantity = Annotated[
    str,
    msgspec.Meta(
        description="What must trade at once, or the whole order is cancelled (cancel_reason "
        "minimum_quantity); at most the quantity, not with fok or post_only.",
        extra_json_schema={"pattern": "^[1-9][0-9]{0,9}$", "examples": ["10"]},
    ),
]
DisplayQuantity = Annotated[
    str,
    msgspec.Meta(
        description="How much of the order the public book shows at a time; when that is filled "
        "the next slice joins the end of the queue. Less than the quantity, which is at most a "
        "hundred times as much; only for a limit order that is day, gtc or gtd.",
        extra_json_schema={"pattern": "^[1-9][0-9]{0,9}$", "examples": ["10"]},
    ),
]
StopPrice = Annotated[
    str,
    msgspec.Meta(
        description="The order waits outside the book (status pending_trigger) until the last "
        "price is at or above this (buy), or at or below (sell), and is entered then. Not with "
        "post_only, display_quantity or min_quantity.",
        extra_json_schema={
            "pattern": r"^(0|[1-9][0-9]{0,17})(\.[0-9]{1,2})?$",
            "examples": ["50.40"],
        },
    ),
]
SelfTradePrevention = Annotated[
    Literal["cancel_newest", "cancel_oldest", "cancel_both", "decrement"],
    msgspec.Meta(
        description="What happens when this order meets a resting one of the same account: this "
        "one's rest is cancelled (cancel_newest, the default; refused with would_self_trade if "
        "that would be at once), the resting one is (cancel_oldest), both are (cancel_both), or "
        "both are reduced by the smaller open quantity without a trade (decrement)."
    ),
]


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of everything that is read from a request."""


class OrderBody(Body):
    """POST /v1/orders, one of a batch, or order.place on the stream."""

    client_order_id: ClientId
    symbol: Symbol
    side: Literal["buy", "sell"]
    type: Literal["limit", "market"]
    quantity: Quantity
    price: Decimal | None = None
    time_in_force: Literal["day", "gtc", "gtd", "ioc", "fok"] | None = None
    expires_at: ExpiryTime | None = None
    post_only: bool | None = None
    display_quantity: DisplayQuantity | None = None
    stop_price: StopPrice | None = None
    min_quantity: MinimumQuantity | None = None
    self_trade_prevention: SelfTradePrevention | None = None
    purpose: Literal["voluntary", "compliance", "event", "market_making"] | None = None
    scheme: str | None = None
    event_id: str | None = None


class AmendBody(Body):
    """PATCH /v1/orders/{order_id}; what is not given stays. `quantity` is the new total."""

    price: Decimal | None = None
    quantity: Quantity | None = None


class BatchBody(Body):
    """POST /v1/orders/batch; each order is decoded, and refused, on its own."""

    orders: list[msgspec.Raw]


class QuoteSide(Body):
    """One side of a quote: what shall be open there."""

    price: Decimal
    quantity: str


class QuoteBody(Body):
    """PUT /v1/quotes; a side that is null or not given is withdrawn."""

    symbol: Symbol
    bid: QuoteSide | None = None
    ask: QuoteSide | None = None


class CancelAfterBody(Body):
    """POST /v1/cancel-after; 0 disarms."""

    seconds: int | str


class SessionBody(Body):
    """POST /v1/sessions."""

    username: str
    password: str


class KeyBody(Body):
    """POST /v1/keys; `public_key` is base64 of the 32 bytes of an Ed25519 public key, or PEM.

    A key with the scope `drop_copy` alone is for whoever watches over an account: it gets all of
    its orders and fills (GET /v1/orders, GET /v1/fills, the stream's channels of these names), as
    they come and as they were, and nothing else.
    """

    name: str
    public_key: str
    scopes: list[Scope]


class PhaseBody(Body):
    """POST /v1/operator/sessions; without a symbol all instruments. Clients are told the reason."""

    phase: Literal["pre_open", "call_auction", "continuous", "halted", "closed"]
    symbol: Symbol | None = None
    ends_at: PlannedTime | None = None
    no_cancel_from: PlannedTime | None = None
    reason: str | None = None


class VolatilityBody(Body):
    """PUT /v1/operator/instruments/{symbol}/volatility; a limit of "0" ends interruptions."""

    limit: Annotated[str, msgspec.Meta(extra_json_schema={"examples": ["0.05"]})]
    interruption_seconds: int = 0


class ResumeBody(Body):
    """POST /v1/operator/resume; without a symbol all halted instruments."""

    symbol: Symbol | None = None


class AccountBody(Body):
    """POST /v1/operator/accounts: an account and its first user."""

    account: str
    name: str
    username: str
    password: str
    roles: list[Role]


class CashBody(Body):
    """POST /v1/operator/cash."""

    account: str
    kind: Literal["deposit", "withdrawal"]
    amount: Decimal


class InstrumentBody(Body):
    """POST /v1/operator/instruments; ratios are decimal strings, "0.1" for ten per cent."""

    symbol: Symbol
    reference_price: Decimal
    price_limit: str = "0.1"
    tick: Decimal = "0.01"
    maximum_order: Quantity = "99999"
    maximum_holding: Quantity = "1000000"
    maker_fee: str = "0"
    taker_fee: str = "0"
    resale_lock: bool = True
    listed_selection: bool = False


class BlockRulesBody(Body):
    """POST /v1/operator/block-rules: the smallest block, its price limit, and its window."""

    symbol: Symbol
    minimum: Quantity
    price_limit: str
    is_open: bool


class TakeBody(Body):
    """POST /v1/market/{symbol}/listings/{order_id}/take; `price` is the worst one accepted."""

    client_order_id: ClientId
    price: Decimal
    quantity: Quantity


class AccountNameBody(Body):
    """POST /v1/operator/kill and /unblock."""

    account: str


class AccountLimitsBody(Body):
    """PUT /v1/operator/accounts/{account}/limits; what is null or absent is not limited."""

    maximum_orders_per_second: Count | None = None
    maximum_open_orders: Count | None = None
    maximum_order_amount: Decimal | None = None


def parse_quantity(text: str, field: str = "quantity") -> int:
    """Lots, at least 1. Raises Problem."""
    try:
        quantity_lots = parse_lots(text)
    except OffStepError:
        raise Problem("quantity_off_lot", field=field, limit="1") from None
    except NotDecimalError as error:
        raise Problem("invalid_request", f"{error}.", field=field) from None
    if quantity_lots == 0:
        raise Problem("invalid_request", "The quantity must be positive.", field=field)
    if quantity_lots > MAX_QUANTITY_LOTS:
        raise Problem("quantity_too_large", field=field, limit=str(MAX_QUANTITY_LOTS))
    return quantity_lots


def parse_expiry(text: str, field: str = "expires_at") -> int:
    """Nanoseconds since 1970. Raises Problem."""
    try:
        return parse_time(text)
    except ValueError as error:
        raise Problem("invalid_request", f"{error}.", field=field) from None


def parse_order_price(text: str, instrument: Instrument, field: str = "price") -> int:
    """Ticks, at least 1. Raises Problem; the price limits are the engine's to check."""
    tick_fen = instrument.tick_fen
    try:
        price_ticks = parse_price(text, tick_fen)
    except OffStepError:
        raise Problem("price_off_tick", field=field, limit=format_price(1, tick_fen)) from None
    except NotDecimalError as error:
        raise Problem("invalid_request", f"{error}.", field=field) from None
    if price_ticks == 0:
        raise Problem("invalid_request", "The price must be positive.", field=field)
    if price_ticks > MAX_PRICE_TICKS:
        upper = format_price(instrument.upper_limit_ticks, tick_fen)
        raise Problem("price_outside_limits", field=field, limit=upper)
    return price_ticks


def parse_amount(text: str, field: str = "amount") -> int:
    """Fen, at least 1. Raises Problem."""
    try:
        amount_fen = parse_fen(text)
    except (OffStepError, NotDecimalError) as error:
        raise Problem("invalid_request", f"{error}.", field=field) from None
    if not 1 <= amount_fen <= MAX_TOTAL_CASH_FEN:
        raise Problem("invalid_request", "The amount is out of range.", field=field)
    return amount_fen


def parse_ratio_ppm(text: str, field: str) -> int:
    """A ratio such as "0.1" in parts per million. Raises Problem."""
    match = _RATIO.fullmatch(text)
    if match is None:
        raise Problem("invalid_request", "A ratio is a decimal such as 0.1.", field=field)
    return int(match[1]) * ONE_MILLION + int((match[2] or "").ljust(6, "0"))


def parse_client_id(text: str, field: str = "client_order_id") -> tuple[int, int, bool]:
    """As packed_texts.pack_client_id. Raises Problem."""
    try:
        return packed_texts.pack_client_id(text)
    except ValueError:
        raise Problem(
            "invalid_request", "A UUID or 1 to 16 visible ASCII characters are needed.", field=field
        ) from None


def plain_text(text: str, field: str, max_length: int) -> str:
    """A name or reason that people will read: NFC, no control or invisible formatting characters.

    Raises Problem.
    """
    is_plain = (
        1 <= len(text) <= max_length
        and text == text.strip()
        and unicodedata.is_normalized("NFC", text)
        and not any(unicodedata.category(character).startswith("C") for character in text)
    )
    if not is_plain:
        raise Problem(
            "invalid_request",
            f"1 to {max_length} printable characters (NFC) without outer blanks are needed.",
            field=field,
        )
    return text


class Page(msgspec.Struct, frozen=True):
    """Which part of a list is wanted: `limit` items behind `cursor`, the last id before them."""

    limit: int
    cursor: str | None

    @property
    def before(self) -> int:
        """The ids wanted are below this."""
        return MAX_ID if self.cursor is None else int(self.cursor)


async def page(
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    cursor: Annotated[str | None, Query(max_length=18)] = None,
) -> Page:
    """The dependency behind ?limit=&cursor=. Raises Problem."""
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise Problem("invalid_request", "This is no cursor.", field="cursor")
    return Page(limit, cursor)
