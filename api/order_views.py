"""An order as its account sees it, and how it is written for clients.

Orders live in the gateway's memory (api.live_orders) or in the database; both are shown through
`OrderView`, so there is one place that turns their integers into the public contract's text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.codes import (
    OrderFlag,
    OrderType,
    Purpose,
    Reason,
    Resting,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradeType,
)
from engine.decimals import format_fen, format_price
from engine.packed_texts import unpack_client_id
from engine.times import format_time
from settlement.history import Fill
from settlement.tables.trading import Order

# An order lists its latest fills; a quote lives for the day under one id and would gather them
# without bound. All fills of an order are at GET /v1/fills?order_id=.
FILLS_OF_ORDER_KEPT = 1_000
FILLS_OF_QUOTE_KEPT = 50


class InstrumentTerms(Protocol):
    """What rendering needs to know of an instrument."""

    @property
    def symbol(self) -> str: ...
    @property
    def tick_fen(self) -> int: ...


@dataclass(slots=True)
class OrderView:
    """The present state of one order; `remaining_lots` is what is open, 0 once it is closed."""

    order_id: int
    account: int
    instrument: int
    client_id_high: int
    client_id_low: int
    side: int
    order_type: int
    time_in_force: int
    flags: int
    self_trade_prevention: int
    purpose: int
    scheme: int
    price_ticks: int
    quantity_lots: int
    remaining_lots: int
    created_time_ns: int
    updated_time_ns: int
    sequence: int
    reason: int = Reason.NONE
    filled_lots: int = 0
    # Sum of price times quantity: the average price's numerator.
    filled_ticks: int = 0
    fills: list[Fill] = field(default_factory=list)
    # As it was entered, before any amendment: what a repeated request is compared with.
    entered_price_ticks: int = 0
    entered_quantity_lots: int = 0
    expires_at_ns: int = 0
    minimum_quantity_lots: int = 0
    stop_price_ticks: int = 0
    display_quantity_lots: int = 0
    resting: int = Resting.BOOK

    @property
    def client_order_id(self) -> str | None:
        is_uuid = bool(self.flags & OrderFlag.CLIENT_ID_IS_UUID)
        return unpack_client_id(self.client_id_high, self.client_id_low, is_uuid)

    @property
    def status(self) -> str:
        if self.remaining_lots > 0:
            if self.resting == Resting.STOPS:
                return "pending_trigger"
            return "partially_filled" if self.filled_lots else "open"
        if self.reason == Reason.NONE:
            return "filled"
        is_expired = self.reason in (Reason.DAY_EXPIRED, Reason.EXPIRED)
        return "expired" if is_expired else "cancelled"

    def add_fill(self, fill: Fill, remaining_lots: int) -> None:
        self.remaining_lots = remaining_lots
        self.filled_lots += fill.quantity_lots
        self.filled_ticks += fill.price_ticks * fill.quantity_lots
        self.updated_time_ns = fill.time_ns
        self.sequence = fill.sequence
        fills = self.fills
        fills.append(fill)
        kept = FILLS_OF_QUOTE_KEPT if self.flags & OrderFlag.QUOTE else FILLS_OF_ORDER_KEPT
        if len(fills) >= 2 * kept:
            del fills[:-kept]


def view_of_row(row: Order, fills: list[Fill]) -> OrderView:
    """An order as the database has it, with its fills, oldest first."""
    return OrderView(
        order_id=row.order_id,
        account=row.account,
        instrument=row.instrument,
        client_id_high=row.client_id_high,
        client_id_low=row.client_id_low,
        side=row.side,
        order_type=row.order_type,
        time_in_force=row.time_in_force,
        flags=row.flags,
        self_trade_prevention=row.self_trade_prevention,
        purpose=row.purpose,
        scheme=row.scheme,
        price_ticks=row.price_ticks,
        quantity_lots=row.quantity_lots,
        remaining_lots=row.remaining_lots,
        created_time_ns=row.created_time_ns,
        updated_time_ns=row.updated_time_ns,
        sequence=row.sequence,
        reason=row.reason,
        filled_lots=row.filled_lots,
        filled_ticks=row.filled_ticks,
        fills=fills,
        entered_price_ticks=row.entered_price_ticks,
        entered_quantity_lots=row.entered_quantity_lots,
        expires_at_ns=row.expires_at_ns,
        minimum_quantity_lots=row.minimum_quantity_lots,
        stop_price_ticks=row.stop_price_ticks,
        display_quantity_lots=row.display_quantity_lots,
        resting=Resting.STOPS if row.status == "pending_trigger" else Resting.BOOK,
    )


_SIDES = {int(side): side.name.lower() for side in Side}
_TYPES = {int(kind): kind.name.lower() for kind in OrderType}
_TIMES_IN_FORCE = {int(time): time.name.lower() for time in TimeInForce}
_PREVENTIONS = {int(value): value.name.lower() for value in SelfTradePrevention}
_PURPOSES = {int(purpose): purpose.name.lower() for purpose in Purpose}
_TRADE_TYPES = {int(kind): kind.name.lower() for kind in TradeType}
_REASONS = {int(reason): reason.name.lower() for reason in Reason}


def average_price_fen(view: OrderView, tick_fen: int) -> int:
    """The fills' average price in fen for one lot, rounded half up to the fen."""
    notional_fen = view.filled_ticks * tick_fen
    return (2 * notional_fen + view.filled_lots) // (2 * view.filled_lots)


def render(
    view: OrderView,
    terms: InstrumentTerms,
    scheme: str | None = None,
    event_id: str | None = None,
) -> dict[str, Any]:
    """The order as the public contract shows it; `scheme` is the name of `view.scheme`.

    A market order has no price of its own, so its protection price is not shown as one.
    """
    tick_fen = terms.tick_fen
    is_market = view.order_type == OrderType.MARKET
    average = average_price_fen(view, tick_fen) if view.filled_ticks else None
    return {
        "order_id": str(view.order_id),
        "client_order_id": view.client_order_id,
        "symbol": terms.symbol,
        "side": _SIDES[view.side],
        "type": _TYPES[view.order_type],
        "price": None if is_market else format_price(view.price_ticks, tick_fen),
        "quantity": str(view.quantity_lots),
        "filled_quantity": str(view.filled_lots),
        "remaining_quantity": str(view.remaining_lots),
        "average_price": None if average is None else format_fen(average),
        "status": view.status,
        "cancel_reason": _REASONS[view.reason] if view.reason else None,
        "time_in_force": _TIMES_IN_FORCE[view.time_in_force],
        "expires_at": format_time(view.expires_at_ns) if view.expires_at_ns else None,
        "post_only": bool(view.flags & OrderFlag.POST_ONLY),
        "display_quantity": str(view.display_quantity_lots) if view.display_quantity_lots else None,
        "stop_price": (
            format_price(view.stop_price_ticks, tick_fen) if view.stop_price_ticks else None
        ),
        "min_quantity": str(view.minimum_quantity_lots) if view.minimum_quantity_lots else None,
        "self_trade_prevention": _PREVENTIONS[view.self_trade_prevention],
        "purpose": _PURPOSES[view.purpose],
        "scheme": scheme,
        "event_id": event_id,
        "is_quote": bool(view.flags & OrderFlag.QUOTE),
        "cancel_on_disconnect": bool(view.flags & OrderFlag.CANCEL_ON_DISCONNECT),
        "fills": [render_fill(fill, terms) for fill in view.fills],
        "created_at": format_time(view.created_time_ns),
        "updated_at": format_time(view.updated_time_ns),
        "sequence": view.sequence,
    }


def render_fill(fill: Fill, terms: InstrumentTerms) -> dict[str, Any]:
    """A fill as it stands in its order's list."""
    return {
        "trade_id": str(fill.trade_id),
        "price": format_price(fill.price_ticks, terms.tick_fen),
        "quantity": str(fill.quantity_lots),
        "fee": format_fen(fill.fee_fen),
        "liquidity": "maker" if fill.is_maker else "taker",
        "trade_type": _TRADE_TYPES[fill.trade_type],
        "time": format_time(fill.time_ns),
    }


def render_own_fill(fill: Fill, terms: InstrumentTerms) -> dict[str, Any]:
    """A fill that stands alone: in GET /v1/fills and in the fills stream."""
    return {
        **render_fill(fill, terms),
        "order_id": str(fill.order_id),
        "symbol": terms.symbol,
        "side": _SIDES[fill.side],
        "sequence": fill.sequence,
    }
