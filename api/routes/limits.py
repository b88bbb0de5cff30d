"""How much an account may ask for: its own limits in the engine, and the gateway's on requests."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api import operator_actions
from api.auth import Caller, caller, require_role
from api.gateway import Gateway, gateway
from api.schemas import AccountLimitsBody
from api.strict_json import json_body
from engine.decimals import format_fen
from settlement import identity

router = APIRouter()

# The policies that count what an account asks for; the others guard the gateway itself.
_OF_ACCOUNTS = ("orders", "requests")


@router.get("/limits", tags=["trading"])
async def own_limits(
    known: Annotated[Caller, Depends(caller)], exchange: Annotated[Gateway, Depends(gateway)]
) -> dict[str, Any]:
    """What the account may do in the engine, and how often it may ask the gateway."""
    rate_limits = exchange.rate_limits
    requests = {}
    for name in _OF_ACCOUNTS:
        reading = rate_limits.read(name, known.account_code)
        requests[name] = {
            "quantity": reading.policy.quantity,
            "window_seconds": reading.policy.window_seconds,
            "remaining": reading.remaining,
        }
    return await _account_limits(exchange, known.account_code, known.account) | {
        "requests": requests
    }


@router.get("/operator/accounts/{account}/limits", tags=["operator"])
async def read_limits(
    account: str,
    _: Annotated[Caller, Depends(require_role("operator", "auditor"))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """What an account may do, and how many orders it has open; null: no limit."""

    def find() -> int:
        with exchange.database.read() as session:
            return identity.account_number(session, account)

    return await _account_limits(exchange, account, await asyncio.to_thread(find))


@router.put("/operator/accounts/{account}/limits", tags=["operator"])
async def set_limits(
    account: str,
    known: Annotated[Caller, Depends(require_role("operator"))],
    body: Annotated[AccountLimitsBody, Depends(json_body(AccountLimitsBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """Set all of an account's limits; what is null or absent is not limited. Open orders stay."""
    number = await operator_actions.set_account_limits(exchange, known, account, body)
    return await _account_limits(exchange, account, number)


async def _account_limits(exchange: Gateway, code: str, number: int) -> dict[str, Any]:
    row = (await exchange.core.account(number)).account
    amount_fen = int(row["maximum_order_fen"])
    return {
        "account": code,
        "maximum_orders_per_second": int(row["maximum_orders_per_second"]) or None,
        "maximum_open_orders": int(row["maximum_open_orders"]) or None,
        "maximum_order_amount": format_fen(amount_fen) if amount_fen else None,
        "open_orders": int(row["open_orders"]),
        "blocked": bool(row["is_blocked"]),
    }
