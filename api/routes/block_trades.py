"""Block trades (大宗协议): one account proposes, another accepts; nobody else sees them.

These routes wait for database and engine: they are run in worker threads.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.auth import Caller, caller, cancelling_caller, trading_caller
from api.core_client import CoreUnavailable, ExecutionUnknown
from api.gateway import Gateway, gateway
from api.negotiation_requests import SIDES, BlockTradeBody, show_block_trade
from api.routes.orders import json_response
from api.schemas import Page, page, parse_client_id, parse_order_price, parse_quantity
from api.strict_json import json_body
from settlement import block_trades, identity
from settlement.block_trades import Proposal

router = APIRouter(prefix="/block-trades", tags=["negotiated"])

Exchange = Annotated[Gateway, Depends(gateway)]
Trader = Annotated[Caller, Depends(trading_caller)]
Canceller = Annotated[Caller, Depends(cancelling_caller)]


@router.post("", status_code=201)
def propose(
    known: Trader,
    body: Annotated[BlockTradeBody, Depends(json_body(BlockTradeBody))],
    exchange: Exchange,
) -> Response:
    """Propose a block trade; cash or credits are held for it at once."""
    parse_client_id(body.client_order_id)
    instrument = exchange.instruments.get(body.symbol)
    with exchange.database.read() as session:
        counterparty = identity.account_number(session, body.counterparty, field="counterparty")
    proposal = Proposal(
        client_order_id=body.client_order_id,
        proposer=known.account,
        counterparty=counterparty,
        instrument=instrument.number,
        side=SIDES[body.side],
        price_ticks=parse_order_price(body.price, instrument),
        quantity_lots=parse_quantity(body.quantity),
    )
    found, replayed = block_trades.propose(exchange.database, exchange.sync_core, proposal)
    shown = _show(exchange, known, found)
    return json_response(shown | {"replayed": True}) if replayed else json_response(shown, 201)


@router.get("")
def list_block_trades(
    known: Annotated[Caller, Depends(caller)],
    exchange: Exchange,
    wanted: Annotated[Page, Depends(page)],
) -> dict[str, Any]:
    """Proposals of and to the account, newest first."""
    with exchange.database.read() as session:
        found = block_trades.page(session, known.account, wanted.before, wanted.limit + 1)
        trades = found[: wanted.limit]
        items = [show_block_trade(exchange, session, each, known.account) for each in trades]
    is_last = len(found) <= wanted.limit
    return {"items": items, "next_cursor": None if is_last else str(trades[-1].number)}


@router.get("/{block_trade_id}")
def get_block_trade(
    block_trade_id: str, known: Annotated[Caller, Depends(caller)], exchange: Exchange
) -> dict[str, Any]:
    """One proposal; one whose outcome was unknown is brought to its end."""
    with exchange.database.read() as session:
        trade = block_trades.find(session, known.account, block_trade_id)
    if trade.status in block_trades.UNDER_WAY:
        with suppress(CoreUnavailable, ExecutionUnknown):
            block_trades.execute(exchange.database, exchange.sync_core, block_trade_id)
    return _show(exchange, known, block_trade_id)


@router.post("/{block_trade_id}/accept")
def accept(block_trade_id: str, known: Trader, exchange: Exchange) -> dict[str, Any]:
    """Accept a proposal, as its counterparty: it trades."""
    block_trades.accept(exchange.database, exchange.sync_core, known.account, block_trade_id)
    return _show(exchange, known, block_trade_id)


@router.post("/{block_trade_id}/reject")
def reject(block_trade_id: str, known: Canceller, exchange: Exchange) -> dict[str, Any]:
    """Reject a proposal, as its counterparty."""
    database, port = exchange.database, exchange.sync_core
    block_trades.close(database, port, known.account, block_trade_id, "rejected")
    return _show(exchange, known, block_trade_id)


@router.delete("/{block_trade_id}")
def withdraw(block_trade_id: str, known: Canceller, exchange: Exchange) -> dict[str, Any]:
    """Withdraw a proposal, as its proposer."""
    database, port = exchange.database, exchange.sync_core
    block_trades.close(database, port, known.account, block_trade_id, "withdrawn")
    return _show(exchange, known, block_trade_id)


def _show(exchange: Gateway, known: Caller, block_trade_id: str) -> dict[str, Any]:
    with exchange.database.read() as session:
        trade = block_trades.find(session, known.account, block_trade_id)
        return show_block_trade(exchange, session, trade, known.account)
