"""What an account's orders traded, and what it has."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api import order_history
from api.auth import Caller, caller, copying_caller
from api.gateway import Gateway, gateway
from api.order_commands import parse_order_name
from api.order_views import render_own_fill
from api.routes.orders import json_response
from api.schemas import Page, page

router = APIRouter(tags=["trading"])


@router.get("/fills")
async def list_fills(
    known: Annotated[Caller, Depends(copying_caller)],
    exchange: Annotated[Gateway, Depends(gateway)],
    wanted: Annotated[Page, Depends(page)],
    symbol: Annotated[str | None, Query(max_length=16)] = None,
    order_id: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """The account's fills, newest first, of one instrument or order if given."""
    instrument = exchange.instruments.get(symbol) if symbol is not None else None
    number: int | None = None
    if order_id is not None:
        view = await exchange.find_order(known.account, parse_order_name(order_id))
        if view is None:
            return json_response({"items": [], "next_cursor": None})
        number = view.order_id
    found = await order_history.fills(
        exchange,
        order_history.Filter(
            account=known.account,
            limit=wanted.limit,
            cursor=wanted.cursor,
            instrument=instrument,
            order_id=number,
        ),
    )
    items = [
        render_own_fill(fill, exchange.instruments.by_number[fill.instrument])
        for fill in found.items
    ]
    return json_response({"items": items, "next_cursor": found.next_cursor})


@router.get("/balances")
async def balances(
    known: Annotated[Caller, Depends(caller)], exchange: Annotated[Gateway, Depends(gateway)]
) -> dict[str, Any]:
    """Cash and credits: available, held by open orders, and bought today (not to be sold yet)."""
    sequence, found = await exchange.read_balances(known.account)
    return {"account": known.account_code, "sequence": sequence, **found}
