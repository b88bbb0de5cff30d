"""One function for each route: what is sent, how its answer is read, what to do if none comes.

A `Call` does nothing by itself: a client of `api.client.rest` sends it. How a call is made safe
after a lost answer is said here, where the route is: it may be repeated as it is (the exchange
knows it by its client id or idempotency key, or it sets what is already set), or something else is
asked first (`Recovery`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote

import msgspec

from api.client import results
from api.client.problems import Problem, read_problem

T = TypeVar("T")
# Money, prices and quantities on their way in; a float is refused.
Amount = Decimal | str | int


@dataclass(frozen=True, slots=True)
class Recovery(Generic[T]):
    """What to ask after a lost answer, and whether what it finds shows that the call was done.

    Where nothing is found, or it was not done, the call is sent again.
    """

    call: Call[T]
    is_done: Callable[[T], bool]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request of the REST interface, and the type of its answer."""

    method: str
    path: str
    read: Callable[[bytes], T]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = False
    recovery: Recovery[T] | None = None


def amount(value: Amount) -> str:
    """A decimal as the exchange reads it: digits and at most one point. Raises TypeError."""
    if not isinstance(value, Decimal | str | int) or isinstance(value, bool):
        raise TypeError(f"{value!r} must be a Decimal, a str or an int: floats are not exact")
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def new_client_order_id() -> str:
    """An id that no other order of the account has."""
    return str(uuid.uuid4())


def json_of(shape: type[T]) -> Callable[[bytes], T]:
    """Reads a JSON answer of a type."""
    return cast(Callable[[bytes], T], msgspec.json.Decoder(shape).decode)


_ORDER = json_of(results.Order)
_AMOUNTS = {"price", "quantity", "display_quantity", "stop_price", "min_quantity"}


def order_body(**members: Any) -> dict[str, Any]:
    """The body of an order: what is None is left out, a missing client id is given."""
    given = {name: value for name, value in members.items() if value is not None}
    body = {name: amount(value) if name in _AMOUNTS else value for name, value in given.items()}
    return {"client_order_id": new_client_order_id(), "type": "limit"} | body


def get(path: str, shape: type[T], **query: Any) -> Call[T]:
    """Any reading route."""
    named = {name: str(value) for name, value in query.items() if value is not None}
    return Call("GET", path, json_of(shape), named, is_repeatable=True)


# --- Trading ---


def place_order(**members: Any) -> Call[results.Order]:
    """An order: symbol, side, quantity, price and the other members of POST /v1/orders.

    Without a `client_order_id` it gets one. If its answer is lost, the exchange is asked for the
    order by that id before it is sent again.
    """
    body = order_body(**members)
    found = get_order(client_order_id=body["client_order_id"])
    return Call("POST", "/v1/orders", _ORDER, body=body, recovery=Recovery(found, lambda _: True))


def place_orders(orders: list[dict[str, Any]]) -> Call[list[results.Order | Problem]]:
    """Up to 20 orders; each is answered by itself. The members are those of `place_order`."""
    body = {"orders": [order_body(**members) for members in orders]}
    # Repeated as they are: each is known by its client id.
    return Call("POST", "/v1/orders/batch", _read_results, body=body, is_repeatable=True)


def preview_order(**members: Any) -> Call[results.Preview]:
    """What an order would hold and cost; nothing is placed."""
    body = order_body(**members)
    read = json_of(results.Preview)
    return Call("POST", "/v1/orders/preview", read, body=body, is_repeatable=True)


def get_order(
    order_id: str | None = None, *, client_order_id: str | None = None
) -> Call[results.Order]:
    """One order, by one of its two ids."""
    return Call("GET", _order_path(order_id, client_order_id), _ORDER, is_repeatable=True)


def list_orders(
    symbol: str | None = None, status: str | None = None, limit: int | None = None
) -> Call[results.Page[results.Order]]:
    """The account's orders; `status` may name several, with commas between."""
    return get("/v1/orders", results.Page[results.Order], symbol=symbol, status=status, limit=limit)


def amend_order(
    order_id: str | None = None,
    *,
    client_order_id: str | None = None,
    price: Amount | None = None,
    quantity: Amount | None = None,
) -> Call[results.Order]:
    """A new price, a new total quantity, or both.

    After a lost answer the order is looked at first: the same amendment twice would cost priority.
    """
    body = {
        name: amount(value)
        for name, value in (("price", price), ("quantity", quantity))
        if value is not None
    }

    def is_done(found: results.Order) -> bool:
        now = {"price": found.price, "quantity": found.quantity}
        return all(now[name] == Decimal(wanted) for name, wanted in body.items())

    path = _order_path(order_id, client_order_id)
    recovery = Recovery(get_order(order_id, client_order_id=client_order_id), is_done)
    return Call("PATCH", path, _ORDER, body=body, recovery=recovery)


def cancel_order(
    order_id: str | None = None, *, client_order_id: str | None = None
) -> Call[results.Order]:
    """Take an order back. After a lost answer one that is no longer open counts as done."""
    found = get_order(order_id, client_order_id=client_order_id)
    recovery = Recovery(found, lambda order: not order.is_open)
    return Call("DELETE", _order_path(order_id, client_order_id), _ORDER, recovery=recovery)


def cancel_orders(symbol: str | None = None) -> Call[results.Cancelled]:
    """Take back all open orders, or those of one instrument."""
    query = {} if symbol is None else {"symbol": symbol}
    return Call("DELETE", "/v1/orders", json_of(results.Cancelled), query, is_repeatable=True)


def quote_side(side: tuple[Amount, Amount] | None) -> dict[str, str] | None:
    """A side of a quote, given as price and quantity; None withdraws it."""
    return None if side is None else {"price": amount(side[0]), "quantity": amount(side[1])}


def quote_body(
    symbol: str, bid: tuple[Amount, Amount] | None, ask: tuple[Amount, Amount] | None
) -> dict[str, Any]:
    """A two-sided quote."""
    return {"symbol": symbol, "bid": quote_side(bid), "ask": quote_side(ask)}


def set_quote(
    symbol: str, bid: tuple[Amount, Amount] | None, ask: tuple[Amount, Amount] | None
) -> Call[results.Quote]:
    """Replace the maker's quote; each side is (price, quantity), or None to withdraw it."""
    body = quote_body(symbol, bid, ask)
    return Call("PUT", "/v1/quotes", json_of(results.Quote), body=body, is_repeatable=True)


def cancel_after(seconds: int) -> Call[results.CancelAfter]:
    """The dead man's switch: all orders are cancelled then, unless it is set again; 0 disarms."""
    body = {"seconds": str(seconds)}
    read = json_of(results.CancelAfter)
    return Call("POST", "/v1/cancel-after", read, body=body, is_repeatable=True)


def list_fills(
    symbol: str | None = None, order_id: str | None = None, limit: int | None = None
) -> Call[results.Page[results.Fill]]:
    """The account's fills."""
    page = results.Page[results.Fill]
    return get("/v1/fills", page, symbol=symbol, order_id=order_id, limit=limit)


def get_balances() -> Call[results.Balances]:
    """Cash and credits."""
    return get("/v1/balances", results.Balances)


# --- The market ---


def get_time() -> Call[results.ServerTime]:
    return get("/v1/time", results.ServerTime)


def get_status() -> Call[results.Status]:
    return get("/v1/status", results.Status)


def list_instruments() -> Call[results.Page[results.Instrument]]:
    return get("/v1/instruments", results.Page[results.Instrument])


def get_instrument(symbol: str) -> Call[results.Instrument]:
    return get(f"/v1/instruments/{quote(symbol, safe='')}", results.Instrument)


def get_book(symbol: str, depth: int = 10) -> Call[results.BookSnapshot]:
    """The best levels of both sides."""
    return get(_market_path(symbol, "book"), results.BookSnapshot, depth=depth)


def get_ticker(symbol: str) -> Call[results.Ticker]:
    return get(_market_path(symbol, "ticker"), results.Ticker)


def list_trades(symbol: str, limit: int | None = None) -> Call[results.Page[results.Trade]]:
    """The latest trades of everybody."""
    return get(_market_path(symbol, "trades"), results.Page[results.Trade], limit=limit)


def list_candles(
    symbol: str, interval: str = "1m", limit: int | None = None
) -> Call[results.Page[results.Candle]]:
    """Of each interval with trades: `1m`, `5m`, `1h` or `1d`."""
    path = _market_path(symbol, "candles")
    return get(path, results.Page[results.Candle], interval=interval, limit=limit)


# --- The registry ---


def list_holdings() -> Call[results.Page[results.Holding]]:
    """The account's blocks of credits."""
    return get("/v1/registry/holdings", results.Page[results.Holding])


def deposit(symbol: str, quantity: Amount) -> Call[results.Operation]:
    """Bring credits into the exchange's custody, where they can be traded."""
    body = {"symbol": symbol, "quantity": amount(quantity)}
    return _keyed("/v1/registry/deposits", json_of(results.Operation), body)


def withdraw(symbol: str, quantity: Amount) -> Call[results.Operation]:
    """Take credits out of the exchange's custody."""
    body = {"symbol": symbol, "quantity": amount(quantity)}
    return _keyed("/v1/registry/withdrawals", json_of(results.Operation), body)


def retire(
    symbol: str,
    quantity: Amount,
    beneficiary: str,
    reason: str,
    *,
    event_id: str | None = None,
    idempotency_key: str | None = None,
) -> Call[results.Certificate]:
    """Use credits for good; the answer is the certificate."""
    body = {
        "symbol": symbol,
        "quantity": amount(quantity),
        "beneficiary": beneficiary,
        "reason": reason,
    }
    if event_id is not None:
        body["event_id"] = event_id
    read = json_of(results.Certificate)
    return _keyed("/v1/registry/retirements", read, body, idempotency_key)


def certificate_pdf(certificate_id: str) -> Call[bytes]:
    """The account's certificate to print."""
    path = f"/v1/registry/retirements/{quote(certificate_id, safe='')}"
    accept = {"Accept": "application/pdf"}
    return Call("GET", path, bytes, headers=accept, is_repeatable=True)


def verify(certificate_id: str) -> Call[results.Certificate]:
    """What anybody is told about a certificate."""
    return get(f"/v1/verify/{quote(certificate_id, safe='')}", results.Certificate)


# --- Sessions, and everything else ---


def log_in(username: str, password: str) -> Call[results.Session]:
    """Begin a session; the clients' own `log_in` also use it from then on."""
    body = {"username": username, "password": password}
    return Call("POST", "/v1/sessions", json_of(results.Session), body=body, is_repeatable=True)


def other(method: str, path: str, body: Mapping[str, Any] | None = None) -> Call[dict[str, Any]]:
    """Any route that has no function here; a changing one is not sent again when in doubt."""
    read = json_of(dict[str, Any])
    return Call(method, path, read, body=body, is_repeatable=method == "GET")


def following(call: Call[results.Page[T]], page: results.Page[T]) -> Call[results.Page[T]] | None:
    """The call for the page after `page`, or None where there is none."""
    if page.next_cursor is None:
        return None
    return replace(call, query={**call.query, "cursor": page.next_cursor})


def _keyed(
    path: str, read: Callable[[bytes], T], body: dict[str, str], key: str | None = None
) -> Call[T]:
    """A change of the registry, which its key makes repeatable."""
    headers = {"Idempotency-Key": key or str(uuid.uuid4())}
    return Call("POST", path, read, body=body, headers=headers, is_repeatable=True)


def _order_path(order_id: str | None, client_order_id: str | None) -> str:
    if (order_id is None) == (client_order_id is None):
        raise TypeError("either order_id or client_order_id is needed")
    name = order_id if client_order_id is None else f"client:{client_order_id}"
    return f"/v1/orders/{quote(name or '', safe=':')}"


def _market_path(symbol: str, name: str) -> str:
    return f"/v1/market/{quote(symbol, safe='')}/{name}"


def read_each(found: list[dict[str, Any]], shape: type[T]) -> list[T | Problem]:
    """The results of a batch: each one is what was asked for, or a problem."""
    return [read_problem(one) if "code" in one else msgspec.convert(one, shape) for one in found]


def _read_results(content: bytes) -> list[results.Order | Problem]:
    return read_each(msgspec.json.decode(content)["results"], results.Order)
