"""Offsetting an event: what is still to be bought, and the retirement after settlement.

An order for an event is written down before it is sent, under a client id that follows from the
event and the order's number, so that it is entered once however often it is sent. A retirement
takes what is missing at the instant it is written down: whoever asks again finds nothing missing.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from functools import partial

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from settlement import events, operations, retirement
from settlement.blocks import Criteria, Status
from settlement.database import Database
from settlement.errors import Refused
from settlement.operations import Plan, Request
from settlement.ports import EnginePort
from settlement.tables.events import Event, EventOrder
from settlement.tables.registry import Batch, Block, Operation, Project

_ORDERS = uuid.UUID("0d2b9c53-74e1-4f6a-8f0e-2f6b8a1c9d37")
_UNFINISHED = ("pending", "reverting")


def client_order_id(event: Event) -> str:
    """The client id of the event's latest purchase."""
    return str(uuid.uuid5(_ORDERS, f"{event.event_id}/{event.purchase_number}"))


def holdings(session: Session, account: int, symbol: str) -> int:
    """What the account keeps outside custody; the engine knows the rest."""
    held = session.scalar(
        select(func.coalesce(func.sum(Block.quantity), 0))
        .join(Batch, Block.batch_number == Batch.number)
        .join(Project, Batch.project_id == Project.project_id)
        .where(
            Block.holder_account == account,
            Block.status == Status.HELD,
            Project.symbol == symbol,
        )
    )
    return int(held or 0)


def offsetting(session: Session, account: int, symbol: str) -> list[tuple[Event, int]]:
    """The account's events that wait for credits of the symbol, and what each still misses."""
    waiting = _waiting().where(Event.account == account, Event.offset_symbol == symbol)
    found = [(event, events.missing(session, event)) for event in session.scalars(waiting).all()]
    return [(event, quantity) for event, quantity in found if quantity]


def ask(session: Session, event: Event, symbol: str, time_ns: int) -> None:
    """The event shall be offset with credits of the symbol; from then on it is public."""
    if event.cancelled_time_ns is not None:
        raise Refused("conflict", "The event is cancelled.", detail_zh="活动已取消。")
    events.publish(session, event, time_ns)
    event.offset_symbol = symbol


def begin_purchase(session: Session, event: Event, price_ticks: int, lots: int) -> None:
    """Write the next order down, before it is sent."""
    event.purchase_number += 1
    event.purchase_price_ticks, event.purchase_lots = price_ticks, lots
    event.is_purchase_open = True
    session.flush()


def link_order(session: Session, account: int, client_id: tuple[int, int], event_id: str) -> bool:
    """Let an order count for the account's event; false if its client id is another event's."""
    events.own(session, account, event_id)
    linked = session.get(EventOrder, (account, *client_id))
    if linked is None:
        high, low = client_id
        session.add(
            EventOrder(account=account, client_id_high=high, client_id_low=low, event_id=event_id)
        )
        session.flush()
        return True
    return linked.event_id == event_id


def linked_orders(session: Session, event_ids: list[str]) -> list[EventOrder]:
    """The orders that were entered for the events."""
    return list(session.scalars(select(EventOrder).where(EventOrder.event_id.in_(event_ids))))


def retire(database: Database, port: EnginePort, event_id: str) -> bool:
    """Retire what the event misses, if the organiser has all of it; false if not, or if nothing.

    Whatever the port raises leaves the operation pending, to be resumed.
    """
    request = _retirement_request(database, event_id)
    if request is None:
        return False
    with suppress(Refused):
        operations.perform(database, port, request, partial(_prepare, event_id))
        return True
    return False


def retire_due(database: Database, port: EnginePort) -> int:
    """After settlement: finish what was begun for events, then retire what has come; how many."""
    with database.read() as session:
        begun = session.scalars(
            select(Operation)
            .where(Operation.kind == "retirement", Operation.status.in_(_UNFINISHED))
            .order_by(Operation.number)
        )
        unfinished = [each.operation_id for each in begun if "event" in each.body]
        due = [event.event_id for event in session.scalars(_waiting())]
    for operation_id in unfinished:
        with suppress(Refused):
            operations.execute(database, port, operation_id)
    return sum(retire(database, port, event_id) for event_id in due)


def _waiting() -> Select[Event]:
    """Events that are to be offset and are not yet, the oldest first."""
    return (
        select(Event)
        .where(
            Event.offset_symbol.is_not(None),
            Event.cancelled_time_ns.is_(None),
            events.is_short_of_certificates(),
        )
        .order_by(Event.number)
    )


def _retirement_request(database: Database, event_id: str) -> Request | None:
    with database.read() as session:
        event = session.scalars(select(Event).where(Event.event_id == event_id)).one()
        if not events.missing(session, event):
            return None
        return Request(event.account, "retirement", {"event": event_id})


def _prepare(event_id: str, session: Session, request: Request) -> Plan:
    event = session.scalars(select(Event).where(Event.event_id == event_id)).one()
    quantity = events.missing(session, event)
    if not quantity or event.offset_symbol is None or event.cancelled_time_ns is not None:
        raise Refused("conflict", "Nothing is to be retired for the event.")
    prepare = retirement.retirement(
        quantity,
        Criteria((event.offset_symbol,)),
        beneficiary=events.organiser(session, event),
        reason=f"活动碳中和 Event neutrality: {event.name}",
        event_id=event_id,
    )
    return prepare(session, request)
