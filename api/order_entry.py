"""Order entry: a validated body becomes a command, and the engine's answer an order or a problem.

REST and the stream both come through here. Nothing on this way reads the database, except for the
number of a compliance scheme, the event that an order is for, and orders that left the gateway's
memory long ago.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from api.commands import Records, order_command, quote_command
from api.core_client import ExecutionUnknown
from api.errors import Problem
from api.instruments import Instrument
from api.live_orders import accepted_order_id
from api.messages import ENGINE_CODES, ENGINE_DETAILS
from api.order_commands import OrderName, Prepared, parse_order_name, prepare_linked, prepare_take
from api.order_views import OrderView
from api.schemas import (
    AmendBody,
    OrderBody,
    QuoteBody,
    QuoteSide,
    TakeBody,
    parse_order_price,
    parse_quantity,
)
from engine import records
from engine.codes import (
    Code,
    CommandKind,
    EventKind,
    OrderFlag,
    OrderType,
    Reason,
    Side,
    Target,
    TimeInForce,
)
from engine.decimals import format_price
from engine.units import MAX_SLICES

if TYPE_CHECKING:
    from api.auth import Caller
    from api.gateway import Gateway

_FIELDS = {
    Code.DUPLICATE_CLIENT_ORDER_ID: "client_order_id",
    Code.QUANTITY_TOO_LARGE: "quantity",
    Code.PRICE_OUTSIDE_LIMITS: "price",
    Code.WOULD_CROSS: "price",
    Code.NOTIONAL_LIMIT_EXCEEDED: "quantity",
    Code.INSUFFICIENT_CREDITS: "quantity",
    Code.RESALE_LOCKED: "quantity",
    Code.MAX_HOLDING_EXCEEDED: "quantity",
    Code.OFFSET_CAP_EXCEEDED: "quantity",
    Code.NOT_ELIGIBLE: "scheme",
}


# --- New orders ---


async def place(
    gateway: Gateway,
    caller: Caller,
    body: OrderBody,
    session: int = 0,
    *,
    cancel_on_disconnect: bool = False,
) -> tuple[dict[str, Any], bool]:
    """Enter an order; the order as it stands, and whether an earlier request had entered it."""
    [result] = await place_many(
        gateway, caller, [body], session, cancel_on_disconnect=cancel_on_disconnect
    )
    if isinstance(result, Problem):
        raise result
    return result


async def take(
    gateway: Gateway, caller: Caller, symbol: str, listed_id: str, body: TakeBody
) -> tuple[dict[str, Any], bool]:
    """Take a shown order by its id; the order that did, and whether an earlier request had."""
    prepared = prepare_take(gateway, caller, symbol, listed_id, body)
    [events] = await _submit(gateway, [prepared])
    return await _placed(gateway, prepared, events)


async def place_many(
    gateway: Gateway,
    caller: Caller,
    bodies: list[OrderBody | Problem],
    session: int = 0,
    *,
    cancel_on_disconnect: bool = False,
) -> list[tuple[dict[str, Any], bool] | Problem]:
    """Enter orders together, each accepted or refused on its own; problems given are passed on."""
    flags = OrderFlag.CANCEL_ON_DISCONNECT if cancel_on_disconnect else OrderFlag.NONE
    results: list[Any] = list(bodies)
    ready: list[tuple[int, Prepared]] = []
    for index, body in enumerate(bodies):
        if isinstance(body, Problem):
            continue
        try:
            ready.append((index, await prepare_linked(gateway, caller, body, session, flags)))
        except Problem as problem:
            results[index] = problem
    if ready:
        answers = await _submit(gateway, [prepared for _, prepared in ready])
        for (index, prepared), events in zip(ready, answers, strict=True):
            try:
                results[index] = await _placed(gateway, prepared, events)
            except Problem as problem:
                results[index] = problem
    return results


async def _placed(
    gateway: Gateway, prepared: Prepared, events: Records
) -> tuple[dict[str, Any], bool]:
    """The order that came of it, or the one that the same request made before."""
    if (order_id := accepted_order_id(events)) is not None:
        view = gateway.live_orders.get(order_id)
        assert view is not None, "the events are applied before the command's answer is given"
        return gateway.render_order(view), False
    reply = events[0]
    if reply["code"] == Code.DUPLICATE_CLIENT_ORDER_ID:
        first_id = int(events[:1].view(records.ADMIN_EVENT)["order_id"][0])
        command = prepared.command.view(records.ORDER_COMMAND)[0]
        earlier = await gateway.find_order(int(command["account"]), OrderName(order_id=first_id))
        if earlier is not None and is_same_order(command, earlier):
            return gateway.render_order(earlier), True
        extra: dict[str, Any] = {} if earlier is None else {"order_id": str(first_id)}
        raise Problem("duplicate_client_order_id", field="client_order_id", **extra)
    raise refusal(reply, prepared.instrument, prepared.command)


# Flags that a request's body does not say.
_NOT_ASKED_FOR = OrderFlag.CANCEL_ON_DISCONNECT | OrderFlag.STOP | OrderFlag.ICEBERG


def is_same_order(command: Any, earlier: OrderView) -> bool:
    """Whether a NEW_ORDER asks for what `earlier` was when it was entered."""
    asked = (
        *(command["instrument"], command["side"], command["order_type"]),
        *(command["time_in_force"], command["purpose"], command["scheme"]),
        *(command["self_trade_prevention"], command["quantity_lots"]),
        *(command["expires_at_ns"], command["minimum_quantity_lots"]),
        *(command["stop_price_ticks"], command["display_quantity_lots"]),
        command["flags"] & ~_NOT_ASKED_FOR,
    )
    was = (
        *(earlier.instrument, earlier.side, earlier.order_type),
        *(earlier.time_in_force, earlier.purpose, earlier.scheme),
        *(earlier.self_trade_prevention, earlier.entered_quantity_lots),
        *(earlier.expires_at_ns, earlier.minimum_quantity_lots),
        *(earlier.stop_price_ticks, earlier.display_quantity_lots),
        earlier.flags & ~_NOT_ASKED_FOR,
    )
    # A market order without a protection price got the price limit of its day.
    same_price = command["price_ticks"] in (0, earlier.entered_price_ticks)
    return same_price and tuple(int(value) for value in asked) == was


# --- Amending and cancelling ---


async def amend(
    gateway: Gateway, caller: Caller, reference: str, body: AmendBody
) -> dict[str, Any]:
    """Change price or total quantity; the order, with "priority": "kept" or "lost"."""
    name = parse_order_name(reference)
    if body.price is None and body.quantity is None:
        raise Problem("invalid_request", "Give a price, a quantity, or both.", field="price")
    view = await gateway.find_order(caller.account, name)
    if view is None:
        raise Problem("not_found")
    instrument = gateway.instruments.by_number[view.instrument]
    price_ticks = (
        view.price_ticks if body.price is None else parse_order_price(body.price, instrument)
    )
    quantity_lots = view.quantity_lots if body.quantity is None else parse_quantity(body.quantity)
    if view.remaining_lots and quantity_lots <= view.filled_lots:
        raise Problem(
            "invalid_request",
            "The new total must be more than what is filled.",
            field="quantity",
            limit=str(view.filled_lots + 1),
        )
    most_lots = MAX_SLICES * view.display_quantity_lots
    if 0 < most_lots < quantity_lots - view.filled_lots:
        raise Problem(
            "invalid_request",
            f"What is open is at most {MAX_SLICES} times the display quantity.",
            field="quantity",
            limit=str(view.filled_lots + most_lots),
        )
    command = order_command(
        CommandKind.AMEND_ORDER,
        account=caller.account,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        target=Target.ORDER_ID,
        order_id=view.order_id,
    )
    prepared = Prepared(command, instrument, f"/v1/orders/{view.order_id}")
    [events] = await _submit(gateway, [prepared])
    if events[0]["kind"] != EventKind.ORDER_AMENDED:
        raise refusal(events[0], instrument, command)
    kept = events[:1].view(records.ORDER_EVENT)["reason"][0] == Reason.PRIORITY_KEPT
    return gateway.render_order(view) | {"priority": "kept" if kept else "lost"}


async def cancel(gateway: Gateway, caller: Caller, reference: str) -> dict[str, Any]:
    """Take an order off the book; the order as it then stands."""
    name = parse_order_name(reference)
    known = (
        gateway.live_orders.get(name.order_id)
        if name.order_id
        else gateway.live_orders.get_by_client_id(caller.account, *name.client_id)
    )
    is_own = known is not None and known.account == caller.account
    if known is not None and is_own and known.order_type == OrderType.BID:
        # It binds from the auction's end on: when that is, only the auction knows.
        raise Problem(
            "conflict",
            "This order belongs to an auction: withdraw it there.",
            detail_zh="该申报属于单向竞价，请在竞价中撤回。",
        )
    command = order_command(CommandKind.CANCEL_ORDER, account=caller.account, **name.fields)
    [events] = await gateway.core.submit(command)
    if events[0]["kind"] != EventKind.ORDER_CANCELLED:
        raise refusal(events[0], None, command)
    order_id = int(events[:1].view(records.ORDER_EVENT)["order_id"][0])
    view = gateway.live_orders.get(order_id)
    assert view is not None, "an order that was just cancelled is in memory"
    return gateway.render_order(view)


async def cancel_all(
    gateway: Gateway,
    account: int,
    symbol: str | None = None,
    *,
    session: int = 0,
    only_on_disconnect: bool = False,
) -> int:
    """Cancel an account's open orders, of one instrument or session if given; how many."""
    command = order_command(
        CommandKind.CANCEL_ALL,
        account=account,
        instrument=0 if symbol is None else gateway.instruments.get(symbol).number,
        side=Side.ANY,
        # Every gateway numbers its own sessions.
        filter_gateway=gateway.core.gateway_number if session else 0,
        filter_session=session,
        flags=OrderFlag.CANCEL_ON_DISCONNECT if only_on_disconnect else OrderFlag.NONE,
    )
    [events] = await gateway.core.submit(command)
    if events[0]["kind"] != EventKind.ORDERS_CANCELLED:
        raise refusal(events[0], None, command)
    return int(events[:1].view(records.ADMIN_EVENT)["quantity_lots"][0])


# --- Quotes ---


async def set_quote(
    gateway: Gateway,
    caller: Caller,
    body: QuoteBody,
    session: int = 0,
    *,
    cancel_on_disconnect: bool = False,
) -> dict[str, Any]:
    """Replace the account's two-sided quote; both sides as they then stand."""
    if "market_maker" not in caller.roles:
        raise Problem("forbidden", "The role market_maker is needed.")
    instrument = gateway.instruments.get(body.symbol)
    bid_price_ticks, bid_quantity_lots = _side(body.bid, instrument, "bid")
    ask_price_ticks, ask_quantity_lots = _side(body.ask, instrument, "ask")
    if body.bid is not None and body.ask is not None and bid_price_ticks >= ask_price_ticks:
        raise Problem("invalid_request", "The bid must be below the ask.", field="bid.price")
    command = quote_command(
        account=caller.account,
        instrument=instrument.number,
        session=session,
        bid_price_ticks=bid_price_ticks,
        bid_quantity_lots=bid_quantity_lots,
        ask_price_ticks=ask_price_ticks,
        ask_quantity_lots=ask_quantity_lots,
        flags=OrderFlag.CANCEL_ON_DISCONNECT if cancel_on_disconnect else OrderFlag.NONE,
    )
    url = f"/v1/orders?symbol={instrument.symbol}&status=open"
    [events] = await _submit(gateway, [Prepared(command, instrument, url)])
    if events[0]["kind"] != EventKind.QUOTE_SET:
        raise refusal(events[0], instrument, command)
    reply = events[:1].view(records.ADMIN_EVENT)[0]
    return {
        "symbol": instrument.symbol,
        "bid": _standing(gateway, int(reply["bid_order_id"])),
        "ask": _standing(gateway, int(reply["ask_order_id"])),
        "sequence": int(reply["sequence"]),
    }


def _side(side: QuoteSide | None, instrument: Instrument, name: str) -> tuple[int, int]:
    if side is None:
        return 0, 0
    price_ticks = parse_order_price(side.price, instrument, f"{name}.price")
    if side.quantity == "0":
        return 0, 0
    return price_ticks, parse_quantity(side.quantity, f"{name}.quantity")


def _standing(gateway: Gateway, order_id: int) -> dict[str, Any] | None:
    view = gateway.live_orders.get(order_id) if order_id else None
    return None if view is None else gateway.render_order(view)


# --- To the core and back ---


async def _submit(gateway: Gateway, prepared: list[Prepared]) -> list[Records]:
    """Send commands together; the events of each."""
    commands = (
        prepared[0].command
        if len(prepared) == 1
        else np.concatenate([each.command.view(records.RAW) for each in prepared]).view(
            records.COMMAND
        )
    )
    try:
        return await gateway.core.submit(commands)
    except ExecutionUnknown:
        raise Problem("execution_unknown", query_url=prepared[0].query_url) from None


def refusal(reply: Any, instrument: Instrument | None, command: Records) -> Problem:
    """The engine's refusal as a problem, with the limit that was passed where there is one."""
    code = Code(int(reply["code"]))
    extra: dict[str, Any] = {}
    field = _FIELDS.get(code)
    detail, detail_zh = ENGINE_DETAILS.get(code, (None, None))
    if instrument is not None and code is Code.QUANTITY_TOO_LARGE:
        extra["limit"] = str(instrument.maximum_order_lots)
    elif instrument is not None and code is Code.MAX_HOLDING_EXCEEDED:
        extra["limit"] = str(instrument.maximum_holding_lots)
    elif instrument is not None and code is Code.PRICE_OUTSIDE_LIMITS:
        lower, upper = instrument.lower_limit_ticks, instrument.upper_limit_ticks
        for name, price_ticks in _prices(command):
            if not lower <= price_ticks <= upper:
                field = name
                limit_ticks = lower if price_ticks < lower else upper
                extra["limit"] = format_price(limit_ticks, instrument.tick_fen)
                break
    elif code is Code.ORDER_RATE_EXCEEDED:
        # Until the next whole second of the core's time begins.
        extra["retry_after_ms"] = 1_000 - int(reply["time_ns"]) // 1_000_000 % 1_000
    elif code in (Code.ENGINE_FULL, Code.TOO_MANY_OPEN_ORDERS):
        extra["retry_after_ms"] = 1_000
    if code is Code.ACCOUNT_BLOCKED:
        detail = "The account is blocked."
    elif code is Code.CONFLICT and command["kind"][0] == CommandKind.TAKE_ORDER:
        detail = "The order shown has changed: it is smaller now, or has another price."
        detail_zh = "所选挂单已变更：数量减少或价格变动。"
    elif code is Code.INVALID_REQUEST and command["kind"][0] == CommandKind.TAKE_ORDER:
        detail = "Orders of this instrument are not taken by their ids."
        detail_zh = "该品种不支持挂牌点选。"
    elif code is Code.INVALID_REQUEST and _is_good_till_date(command):
        # All else that makes an order invalid was refused before it was sent.
        field, detail = "expires_at", "The order would have expired already."
    return Problem(ENGINE_CODES[code], detail, detail_zh=detail_zh, field=field, **extra)


def _is_good_till_date(command: Records) -> bool:
    if command["kind"][0] != CommandKind.NEW_ORDER:
        return False
    return bool(command.view(records.ORDER_COMMAND)["time_in_force"][0] == TimeInForce.GTD)


def _prices(command: Records) -> list[tuple[str, int]]:
    """The prices that a command names, in the order in which they are checked."""
    if command["kind"][0] == CommandKind.SET_QUOTE:
        quote_fields = command.view(records.QUOTE_COMMAND)[0]
        prices = [("price", quote_fields[f"{side}_price_ticks"]) for side in ("bid", "ask")]
    else:
        order_fields = command.view(records.ORDER_COMMAND)[0]
        prices = [(name, order_fields[f"{name}_ticks"]) for name in ("price", "stop_price")]
    return [(name, int(ticks)) for name, ticks in prices if ticks]
