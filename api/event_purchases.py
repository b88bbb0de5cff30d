"""Buying what an event misses, and retiring at once what the organiser has already.

Each order is written down before it is sent (settlement.event_offsets). A request that finds one
whose answer is not written down sends the same order again, so it is entered once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy.orm import Session

from api import order_entry
from api.core_client import CoreUnavailable, ExecutionUnknown
from api.errors import Problem
from api.instruments import Instrument
from api.operator_actions import write
from api.order_commands import OrderName
from api.schemas import OrderBody
from engine.decimals import format_price
from settlement import event_offsets, events
from settlement.tables.events import Event

if TYPE_CHECKING:
    from api.auth import Caller
    from api.gateway import Gateway

T = TypeVar("T")

# Each turn sends an order that was left unanswered, or finds that another request was faster.
_TURNS = 5
_UNKNOWN = ("execution_unknown", "service_unavailable")


class _Wanted(NamedTuple):
    event_id: str
    instrument: Instrument
    price_ticks: int


async def offset(
    gateway: Gateway, caller: Caller, event_id: str, instrument: Instrument, price_ticks: int
) -> dict[str, Any] | None:
    """Order what is missing, if anything is; the order as it stands. Raises Problem, Refused.

    What is held in the symbol counts, but for what other events of the account wait for.
    """
    wanted = _Wanted(event_id, instrument, price_ticks)
    order: dict[str, Any] | None = None
    for _ in range(_TURNS):
        event = await read(gateway, lambda session: events.own(session, caller.account, event_id))
        if event.is_purchase_open:
            order = await _place(gateway, caller, event)
            continue
        lots = await _lots_to_buy(gateway, caller.account, event, instrument)
        begun = await _begin(gateway, caller, wanted, event.purchase_number, lots)
        if begun is None:
            continue
        if lots:
            return await _place(gateway, caller, begun, before=event)
        await _retire(gateway, event_id)
        return order
    raise Problem("conflict", "Another request for this event is under way.")


async def _lots_to_buy(gateway: Gateway, account: int, event: Event, instrument: Instrument) -> int:
    """What is missing, less what is open in orders and what is held, at most one order's size.

    Orders are counted first: what is filled meanwhile is then counted twice, never bought twice.
    """

    def figures(session: Session) -> tuple[int, list[tuple[Event, int]], int]:
        waiting = event_offsets.offsetting(session, account, instrument.symbol)
        held = event_offsets.holdings(session, account, instrument.symbol)
        return events.missing(session, event), waiting, held

    missing, waiting, held_lots = await read(gateway, figures)
    others = [(each, lots) for each, lots in waiting if each.event_id != event.event_id]
    open_lots = await _open_lots(gateway, [event, *(each for each, _ in others)])
    answer = await gateway.core.account(account)
    positions = answer.positions[answer.positions["instrument"] == instrument.number]
    custody_lots = int(positions["available_lots"].sum() + positions["locked_lots"].sum())
    promised_lots = sum(max(lots - open_lots.get(each.event_id, 0), 0) for each, lots in others)
    free_lots = max(held_lots + custody_lots - promised_lots, 0)
    lots = missing - open_lots.get(event.event_id, 0) - free_lots
    return min(max(lots, 0), instrument.maximum_order_lots)


async def _open_lots(gateway: Gateway, found: list[Event]) -> dict[str, int]:
    """What is still open in the events' orders."""
    ids = [event.event_id for event in found]
    links = await read(gateway, lambda session: event_offsets.linked_orders(session, ids))
    open_lots: dict[str, int] = {}
    for link in links:
        name = OrderName(client_id=(link.client_id_high, link.client_id_low))
        view = await gateway.find_order(link.account, name)
        if view is not None:
            open_lots[link.event_id] = open_lots.get(link.event_id, 0) + view.remaining_lots
    return open_lots


async def _begin(
    gateway: Gateway, caller: Caller, wanted: _Wanted, purchase_number: int, lots: int
) -> Event | None:
    """Write down what is asked for; None if another request has begun a purchase meanwhile."""

    def work(session: Session) -> Event | None:
        event = events.own(session, caller.account, wanted.event_id)
        if event.is_purchase_open or event.purchase_number != purchase_number:
            return None
        event_offsets.ask(session, event, wanted.instrument.symbol, time.time_ns())
        if lots:
            event_offsets.begin_purchase(session, event, wanted.price_ticks, lots)
        events.audit(session, caller.username, "event_offset_asked", event)
        return event

    return await write(gateway, work)


async def _place(
    gateway: Gateway, caller: Caller, event: Event, before: Event | None = None
) -> dict[str, Any]:
    """Send the event's order, and write down that it was answered.

    Where it is refused, the event is again as it was `before` it was asked for.
    """
    assert event.offset_symbol is not None, "the symbol is written down with the purchase"
    instrument = gateway.instruments.get(event.offset_symbol)
    body = OrderBody(
        client_order_id=event_offsets.client_order_id(event),
        symbol=instrument.symbol,
        side="buy",
        type="limit",
        price=format_price(event.purchase_price_ticks, instrument.tick_fen),
        quantity=str(event.purchase_lots),
        time_in_force="gtc",
        purpose="event",
        event_id=event.event_id,
    )

    def answered(session: Session, restored: Event | None) -> None:
        found = events.own(session, caller.account, event.event_id)
        if found.purchase_number == event.purchase_number:
            found.is_purchase_open = False
            if restored is not None:
                found.published_time_ns = restored.published_time_ns
                found.offset_symbol = restored.offset_symbol

    try:
        order, _ = await order_entry.place(gateway, caller, body)
    except Problem as problem:
        if problem.code not in _UNKNOWN:
            await write(gateway, lambda session: answered(session, before))
        raise
    await write(gateway, lambda session: answered(session, None))
    return order


async def _retire(gateway: Gateway, event_id: str) -> None:
    """Retire now if all that is missing is there and free; otherwise the end of day does it."""
    try:
        await asyncio.to_thread(event_offsets.retire, gateway.database, gateway.sync_core, event_id)
    except (CoreUnavailable, ExecutionUnknown) as error:
        raise Problem("execution_unknown", query_url=f"/v1/events/{event_id}") from error


async def read(gateway: Gateway, work: Callable[[Session], T]) -> T:
    """What `work` finds in one state of the database."""

    def find() -> T:
        with gateway.database.read() as session:
            return work(session)

    return await asyncio.to_thread(find)
