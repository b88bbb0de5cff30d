"""Taking many orders off at once."""

from __future__ import annotations

from engine.codes import Code, EventKind, OrderFlag, Reason, Side, TimeInForce
from engine.matching.reference import orders, phases
from engine.matching.reference.events import Command
from engine.matching.reference.state import Market, refuse_if


def cancel_all(market: Market, command: Command) -> None:
    """CANCEL_ALL: every order that each part of the filter lets through."""
    known_flags = command.flags in (OrderFlag.NONE, OrderFlag.CANCEL_ON_DISCONNECT)
    refuse_if(command.side not in list(Side) or not known_flags, Code.INVALID_REQUEST)
    if command.account != 0:
        market.account(command.account)
    if command.instrument != 0:
        market.instrument(command.instrument)
    # An account's own wish waits for the auction, the exchange's and a disconnection's does not.
    is_clients = command.account != 0 and command.flags == OrderFlag.NONE
    if is_clients and command.instrument != 0:
        phases.check_cancel(market, market.instruments[command.instrument])

    chosen = [
        order
        for order in market.listed_orders(command.account, command.instrument)
        if command.account in (0, order.account)
        and command.instrument in (0, order.instrument)
        and command.side in (Side.ANY, order.side)
        and command.filter_gateway in (0, order.gateway)
        and command.filter_session in (0, order.session)
        and order.flags & command.flags == command.flags
        and (not is_clients or phases.allows_cancel(market, order))
    ]
    market.events.answer(EventKind.ORDERS_CANCELLED, quantity_lots=len(chosen))
    reason = Reason.DISCONNECTED if command.flags else Reason.MASS_CANCELLED
    for order in chosen:
        orders.cancel(market, order, reason)


def expire_orders(market: Market, command: Command) -> None:
    """EXPIRE_ORDERS: every gtd order whose time has come."""
    expired = sorted(
        (
            order
            for order in market.orders.values()
            if order.time_in_force == TimeInForce.GTD and order.expires_at_ns <= command.time_ns
        ),
        key=lambda order: (order.expires_at_ns, order.order_id),
    )
    market.events.answer(EventKind.ORDERS_CANCELLED, quantity_lots=len(expired))
    for order in expired:
        orders.cancel(market, order, Reason.EXPIRED)
