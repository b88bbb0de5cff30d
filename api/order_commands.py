"""What a client wrote becomes a command: an order's body, or the name of an order.

Everything that can be checked without the engine is checked here, field by field; the rest of the
rules are the engine's alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from api.commands import Records, order_command
from api.errors import Problem, from_refused
from api.instruments import Instrument
from api.schemas import (
    OrderBody,
    TakeBody,
    parse_client_id,
    parse_expiry,
    parse_order_price,
    parse_quantity,
)
from engine import packed_texts, records
from engine.codes import (
    CommandKind,
    OrderFlag,
    OrderType,
    Purpose,
    SelfTradePrevention,
    Side,
    Target,
    TimeInForce,
)
from engine.units import MAX_SLICES
from settlement import compliance, event_offsets, events
from settlement.errors import Refused

if TYPE_CHECKING:
    from api.auth import Caller
    from api.gateway import Gateway

_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_TYPES = {"limit": OrderType.LIMIT, "market": OrderType.MARKET}
_TIMES = {
    "day": TimeInForce.DAY,
    "gtc": TimeInForce.GTC,
    "gtd": TimeInForce.GTD,
    "ioc": TimeInForce.IOC,
    "fok": TimeInForce.FOK,
}
_PURPOSES = {
    "voluntary": Purpose.VOLUNTARY,
    "compliance": Purpose.COMPLIANCE,
    "event": Purpose.EVENT,
    "market_making": Purpose.MARKET_MAKING,
}
_PREVENTIONS = {
    "cancel_newest": SelfTradePrevention.CANCEL_NEWEST,
    "cancel_oldest": SelfTradePrevention.CANCEL_OLDEST,
    "cancel_both": SelfTradePrevention.CANCEL_BOTH,
    "decrement": SelfTradePrevention.DECREMENT,
}
# Purposes that only some may state.
_ROLE_FOR_PURPOSE = {"compliance": "compliance", "market_making": "market_maker"}


class Prepared(NamedTuple):
    """A command that is ready to be sent, and where to ask if its answer does not come."""

    command: Records
    instrument: Instrument
    query_url: str
    event_id: str | None = None


class OrderName(NamedTuple):
    """How a client names an order: by its id, or by his own."""

    order_id: int = 0
    client_id: tuple[int, int] = (0, 0)

    @property
    def fields(self) -> dict[str, int]:
        """The command's fields that name it."""
        if self.order_id:
            return {"target": Target.ORDER_ID, "order_id": self.order_id}
        high, low = self.client_id
        return {
            "target": Target.CLIENT_ORDER_ID,
            "client_id_high": high,
            "client_id_low": low,
        }


def parse_order_name(text: str) -> OrderName:
    """ "123..." or "client:ID". Raises Problem (not_found) for what can name no order."""
    if text.startswith("client:"):
        try:
            high, low, _ = packed_texts.pack_client_id(text.removeprefix("client:"))
        except ValueError:
            raise Problem("not_found") from None
        return OrderName(client_id=(high, low))
    if text.isascii() and text.isdigit() and len(text) <= 19 and 0 < int(text) < 2**63:
        return OrderName(order_id=int(text))
    raise Problem("not_found")


async def prepare(
    gateway: Gateway,
    caller: Caller,
    body: OrderBody,
    session: int = 0,
    flags: OrderFlag = OrderFlag.NONE,
) -> Prepared:
    """Check what can be checked without the engine, field by field. Raises Problem."""
    client_high, client_low, is_uuid = parse_client_id(body.client_order_id)
    instrument = gateway.instruments.get(body.symbol)
    quantity_lots = parse_quantity(body.quantity)
    is_limit = body.type == "limit"
    if is_limit and body.price is None:
        raise Problem("invalid_request", "A limit order needs a price.", field="price")
    price_ticks = 0 if body.price is None else parse_order_price(body.price, instrument)
    time_in_force = body.time_in_force or "day"
    if body.post_only:
        if not is_limit or time_in_force not in ("day", "gtc", "gtd"):
            raise Problem(
                "invalid_request", "Only an order that may rest is post-only.", field="post_only"
            )
        flags |= OrderFlag.POST_ONLY
    if is_uuid:
        flags |= OrderFlag.CLIENT_ID_IS_UUID
    purpose = body.purpose or "voluntary"
    command = order_command(
        CommandKind.NEW_ORDER,
        account=caller.account,
        instrument=instrument.number,
        session=session,
        client_id_high=client_high,
        client_id_low=client_low,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        stop_price_ticks=_stop_price_ticks(body, instrument),
        display_quantity_lots=_display_lots(body, quantity_lots, time_in_force),
        minimum_quantity_lots=_minimum_lots(body, quantity_lots, time_in_force),
        expires_at_ns=_expires_at_ns(body, time_in_force),
        scheme=await _scheme(gateway, caller, body, purpose, quantity_lots),
        side=_SIDES[body.side],
        order_type=_TYPES[body.type],
        time_in_force=_TIMES[time_in_force],
        flags=flags,
        self_trade_prevention=_PREVENTIONS[body.self_trade_prevention or "cancel_newest"],
        purpose=_PURPOSES[purpose],
    )
    name = quote(body.client_order_id, safe="")
    return Prepared(command, instrument, f"/v1/orders/client:{name}", body.event_id)


async def prepare_linked(
    gateway: Gateway, caller: Caller, body: OrderBody, session: int, flags: OrderFlag
) -> Prepared:
    """As `prepare`, for an order that is about to be sent: what event it is for is written down."""
    try:
        prepared = await prepare(gateway, caller, body, session, flags)
        if prepared.event_id is not None:
            await _link_event(gateway, prepared, prepared.event_id)
    except Refused as refused:
        raise from_refused(refused) from refused
    return prepared


async def _link_event(gateway: Gateway, prepared: Prepared, event_id: str) -> None:
    order = prepared.command.view(records.ORDER_COMMAND)[0]
    account = int(order["account"])
    client_id = int(order["client_id_high"]), int(order["client_id_low"])
    is_linked = await asyncio.wrap_future(
        gateway.database.write(
            lambda session: event_offsets.link_order(session, account, client_id, event_id)
        )
    )
    if not is_linked:
        raise Problem("duplicate_client_order_id", field="client_order_id")
    gateway.order_names.events[account, *client_id] = event_id


def prepare_take(
    gateway: Gateway, caller: Caller, symbol: str, listed_id: str, body: TakeBody
) -> Prepared:
    """The TAKE_ORDER of a shown order, on the other side of it. Raises Problem."""
    client_high, client_low, is_uuid = parse_client_id(body.client_order_id)
    instrument = gateway.instruments.get(symbol, field=None)
    listed = parse_order_name(listed_id)
    if not listed.order_id:
        raise Problem("not_found")
    shown = gateway.live_orders.get(listed.order_id)
    # One that memory has let go of is closed, and the engine says so whatever side is named.
    is_selling = shown is not None and shown.side == Side.BUY
    command = order_command(
        CommandKind.TAKE_ORDER,
        account=caller.account,
        instrument=instrument.number,
        client_id_high=client_high,
        client_id_low=client_low,
        order_id=listed.order_id,
        price_ticks=parse_order_price(body.price, instrument),
        quantity_lots=parse_quantity(body.quantity),
        side=Side.SELL if is_selling else Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        flags=OrderFlag.CLIENT_ID_IS_UUID if is_uuid else OrderFlag.NONE,
        self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST,
        purpose=Purpose.VOLUNTARY,
    )
    name = quote(body.client_order_id, safe="")
    return Prepared(command, instrument, f"/v1/orders/client:{name}")


def _expires_at_ns(body: OrderBody, time_in_force: str) -> int:
    """When a gtd order shall leave the book, else 0.

    Whether that is still to come is the engine's to check: the same order sent again after it is
    answered with the first one.
    """
    if time_in_force != "gtd":
        if body.expires_at is not None:
            raise Problem("invalid_request", "Only a gtd order expires.", field="expires_at")
        return 0
    if body.expires_at is None:
        raise Problem("invalid_request", "A gtd order says when it expires.", field="expires_at")
    return parse_expiry(body.expires_at)


def _minimum_lots(body: OrderBody, quantity_lots: int, time_in_force: str) -> int:
    """What must trade at once, or the order is cancelled; 0: nothing must."""
    if body.min_quantity is None:
        return 0
    minimum_lots = parse_quantity(body.min_quantity, "min_quantity")
    if minimum_lots > quantity_lots:
        detail = "The minimum is more than the quantity."
    elif time_in_force == "fok" or body.post_only:
        detail = "Neither a fok nor a post-only order has a minimum."
    else:
        return minimum_lots
    raise Problem("invalid_request", detail, field="min_quantity")


def _stop_price_ticks(body: OrderBody, instrument: Instrument) -> int:
    """The last price from which on the order enters the book; 0: it does so at once."""
    if body.stop_price is None:
        return 0
    if body.post_only or body.display_quantity is not None or body.min_quantity is not None:
        raise Problem(
            "invalid_request",
            "A stop order is not post-only and has neither a display nor a minimum quantity.",
            field="stop_price",
        )
    return parse_order_price(body.stop_price, instrument, "stop_price")


def _display_lots(body: OrderBody, quantity_lots: int, time_in_force: str) -> int:
    """How much of the order the book shows at a time; 0: all of it."""
    if body.display_quantity is None:
        return 0
    display_lots = parse_quantity(body.display_quantity, "display_quantity")
    if body.type != "limit" or time_in_force not in ("day", "gtc", "gtd"):
        detail = "Only a limit order that may rest has a display quantity."
    elif display_lots >= quantity_lots:
        detail = "The display quantity must be less than the quantity."
    elif quantity_lots > MAX_SLICES * display_lots:
        detail = f"The quantity is at most {MAX_SLICES} times the display quantity."
    else:
        return display_lots
    raise Problem("invalid_request", detail, field="display_quantity")


async def _scheme(
    gateway: Gateway, caller: Caller, body: OrderBody, purpose: str, quantity_lots: int
) -> int:
    """The engine's number of the scheme that a compliance order names, else 0."""
    if (role := _ROLE_FOR_PURPOSE.get(purpose)) and role not in caller.roles:
        raise Problem("not_eligible", f"The role {role} is needed.", field="purpose")
    if body.event_id is not None:
        if purpose != "event" or body.side != "buy":
            raise Problem(
                "invalid_request",
                "Only buying for the purpose event names an event.",
                detail_zh="仅用途为 event 的买入申报可指定活动。",
                field="event_id",
            )
        await asyncio.to_thread(_check_event, gateway, caller.account, body.event_id)
    if purpose != "compliance":
        if body.scheme is not None:
            raise Problem(
                "invalid_request", "Only a compliance order names a scheme.", field="scheme"
            )
        return 0
    if body.side != "buy":
        raise Problem("invalid_request", "Only buying is for compliance.", field="side")
    if body.scheme is None:
        raise Problem("invalid_request", "A compliance order names its scheme.", field="scheme")
    number, refused = await asyncio.to_thread(
        _read_scheme, gateway, caller.account, body.scheme, body.symbol, quantity_lots
    )
    if refused is not None:
        # The same request may have been accepted while the scheme still had room for it.
        high, low, _ = parse_client_id(body.client_order_id)
        if await gateway.find_order(caller.account, OrderName(client_id=(high, low))) is None:
            raise refused
    return number


def _check_event(gateway: Gateway, account: int, event_id: str) -> None:
    with gateway.database.read() as session:
        events.own(session, account, event_id)


def _read_scheme(
    gateway: Gateway, account: int, scheme: str, symbol: str, quantity_lots: int
) -> tuple[int, Refused | None]:
    """The scheme's number, and why its credits may not be bought, where its rule forbids it."""
    refused = None
    with gateway.database.read() as session:
        number = compliance.scheme_number(session, scheme, account=account)
        try:
            compliance.check_purchase(session, account, number, symbol, quantity_lots)
        except Refused as error:
            refused = error
    gateway.order_names.schemes[number] = scheme
    return number, refused
