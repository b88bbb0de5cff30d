"""Orders and quotes: from here on a reader can follow an order to the registry.

The hot routes answer with bytes that are encoded once; their bodies and answers are described for
OpenAPI in api.openapi.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from api import order_entry, order_history, preview
from api.auth import Caller, caller, cancelling_caller, copying_caller, limit, trading_caller
from api.cancel_after import arm
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.messages import preferred_language
from api.order_commands import parse_order_name
from api.schemas import (
    MAX_BATCH,
    AmendBody,
    BatchBody,
    CancelAfterBody,
    OrderBody,
    Page,
    QuoteBody,
    TakeBody,
    page,
)
from api.strict_json import decode, json_body
from engine.times import format_time

router = APIRouter(tags=["trading"])

# An order's name in a path may be a client's id, which may have slashes: hence ":path" below.

MAX_CANCEL_AFTER_SECONDS = 86_400
STATUSES = frozenset(
    {
        "open",
        "partially_filled",
        "filled",
        "cancelled",
        "expired",
        "rejected",
        "pending_trigger",
    }
)


def json_response(content: Any, status_code: int = 200) -> Response:
    """JSON by msgspec, past FastAPI's own encoder."""
    return Response(
        msgspec.json.encode(content), status_code=status_code, media_type="application/json"
    )


@router.post("/orders", status_code=201)
async def place_order(
    known: Annotated[Caller, Depends(trading_caller)],
    body: Annotated[OrderBody, Depends(json_body(OrderBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> Response:
    """Enter an order. The same body again gives the original with 200 and "replayed": true."""
    order, replayed = await order_entry.place(exchange, known, body)
    if replayed:
        return json_response(order | {"replayed": True})
    return json_response(order, 201)


@router.post("/orders/batch")
async def place_batch(
    request: Request,
    known: Annotated[Caller, Depends(trading_caller)],
    body: Annotated[BatchBody, Depends(json_body(BatchBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> Response:
    """Enter up to 20 orders together; each is accepted or refused on its own, in this order."""
    if not 1 <= len(body.orders) <= MAX_BATCH:
        raise Problem(
            "invalid_request", f"1 to {MAX_BATCH} orders.", field="orders", limit=MAX_BATCH
        )
    # The first is counted already.
    if len(body.orders) > 1:
        limit(request, "orders", known.account_code, len(body.orders) - 1)
    orders: list[OrderBody | Problem] = []
    for raw in body.orders:
        try:
            orders.append(decode(raw, OrderBody))
        except Problem as problem:
            orders.append(problem)
    results = await order_entry.place_many(exchange, known, orders)
    language = preferred_language(request.headers.get("accept-language", ""))
    return json_response({"results": [_result(result, language) for result in results]})


def _result(result: tuple[dict[str, Any], bool] | Problem, language: str) -> dict[str, Any]:
    if isinstance(result, Problem):
        return result.members(language)
    order, replayed = result
    return order | {"replayed": True} if replayed else order


@router.post("/orders/preview")
async def preview_order(
    known: Annotated[Caller, Depends(caller)],
    body: Annotated[OrderBody, Depends(json_body(OrderBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> Response:
    """What an order would hold and cost, and what the account has for it; places nothing."""
    return json_response(await preview.preview(exchange, known, body))


@router.get("/orders")
async def list_orders(
    known: Annotated[Caller, Depends(copying_caller)],
    exchange: Annotated[Gateway, Depends(gateway)],
    wanted: Annotated[Page, Depends(page)],
    symbol: Annotated[str | None, Query(max_length=16)] = None,
    status: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """The account's orders, newest first; `status` may name several, with commas between."""
    statuses = tuple(status.split(",")) if status else ()
    if not STATUSES.issuperset(statuses):
        raise Problem("invalid_request", "There is no such status.", field="status")
    found = await order_history.orders(
        exchange,
        order_history.Filter(
            account=known.account,
            limit=wanted.limit,
            cursor=wanted.cursor,
            instrument=exchange.instruments.get(symbol) if symbol is not None else None,
            statuses=statuses,
        ),
    )
    items = [exchange.render_order(view) for view in found.items]
    return json_response({"items": items, "next_cursor": found.next_cursor})


@router.get("/orders/{order_id:path}")
async def get_order(
    order_id: str,
    known: Annotated[Caller, Depends(copying_caller)],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> Response:
    """One order, by its order_id or as "client:" and its client_order_id."""
    view = await exchange.find_order(known.account, parse_order_name(order_id))
    if view is None:
        raise Problem("not_found")
    return json_response(exchange.render_order(view))


@router.patch("/orders/{order_id:path}")
async def amend_order(
    order_id: str,
    known: Annotated[Caller, Depends(trading_caller)],
    body: Annotated[AmendBody, Depends(json_body(AmendBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> Response:
    """Change price or total quantity; only a smaller quantity at the same price keeps priority."""
    return json_response(await order_entry.amend(exchange, known, order_id, body))


@router.delete("/orders/{order_id:path}")
async def cancel_order(
    order_id: str,
    known: Annotated[Caller, Depends(cancelling_caller)],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> Response:
    """Cancel an order; the order as it then stands."""
    return json_response(await order_entry.cancel(exchange, known, order_id))


@router.delete("/orders")
async def cancel_orders(
    known: Annotated[Caller, Depends(cancelling_caller)],
    exchange: Annotated[Gateway, Depends(gateway)],
    symbol: Annotated[str | None, Query(max_length=16)] = None,
) -> Response:
    """Cancel all that is open of the account, or of one instrument: orders, quotes, stop orders,
    proposed blocks, and bids in auctions; nothing of it can trade after this."""
    return json_response(
        {"cancelled": await order_entry.cancel_all(exchange, known.account, symbol)}
    )


@router.post("/market/{symbol}/listings/{order_id}/take", status_code=201)
async def take_listed(
    symbol: str,
    order_id: str,
    known: Annotated[Caller, Depends(trading_caller)],
    body: Annotated[TakeBody, Depends(json_body(TakeBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> Response:
    """Listed selection (挂牌点选): trade with one shown order, whatever is before it."""
    order, replayed = await order_entry.take(exchange, known, symbol, order_id, body)
    if replayed:
        return json_response(order | {"replayed": True})
    return json_response(order, 201)


@router.put("/quotes")
async def set_quote(
    known: Annotated[Caller, Depends(trading_caller)],
    body: Annotated[QuoteBody, Depends(json_body(QuoteBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> Response:
    """Replace the maker's two-sided quote; a side that does not change keeps its priority."""
    return json_response(await order_entry.set_quote(exchange, known, body))


@router.post("/cancel-after")
async def cancel_after(
    known: Annotated[Caller, Depends(cancelling_caller)],
    body: Annotated[CancelAfterBody, Depends(json_body(CancelAfterBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """Cancel all open orders in so many seconds, unless called again before; 0 disarms."""
    text = str(body.seconds)
    is_number = text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")
    if not is_number or len(text) > 5 or int(text) > MAX_CANCEL_AFTER_SECONDS:
        raise Problem(
            "invalid_request",
            f"0 to {MAX_CANCEL_AFTER_SECONDS} whole seconds.",
            field="seconds",
            limit=MAX_CANCEL_AFTER_SECONDS,
        )
    deadline_time_ns = await asyncio.to_thread(arm, exchange.database, known.account, int(text))
    cancel_at = None if deadline_time_ns is None else format_time(deadline_time_ns)
    return {"seconds": int(text), "cancel_at": cancel_at}
