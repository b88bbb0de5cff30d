"""The queue of breaks: who looks into them, how they are resolved, adjustments by four eyes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session

from api import settlement_views as views
from api.auth import Caller, require_role
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.operator_actions import write
from api.schemas import Body, Page, page, plain_text
from api.strict_json import json_body
from settlement import breaks, identity
from settlement.tables.clearing import ReconciliationBreak

router = APIRouter(prefix="/operator/breaks", tags=["settlement"])

_worker = require_role("settlement", "operator")
_reader = require_role("settlement", "operator", "auditor")
_MAX_REASON = 200

Exchange = Annotated[Gateway, Depends(gateway)]
Worker = Annotated[Caller, Depends(_worker)]


class AssignBody(Body):
    """POST /v1/operator/breaks/{break_id}/assign: the user who looks into it."""

    assignee: str


class ResolveBody(Body):
    """POST /v1/operator/breaks/{break_id}/resolve; `adjust`: the ledger is to be posted right."""

    reason: str
    adjust: bool = False


@router.get("")
async def list_breaks(
    _: Annotated[Caller, Depends(_reader)],
    exchange: Exchange,
    wanted: Annotated[Page, Depends(page)],
    status: Literal["open", "pending", "resolved"] | None = None,
) -> dict[str, Any]:
    """What did not agree at the ends of days, newest first."""

    def read() -> tuple[list[ReconciliationBreak], dict[int, str]]:
        with exchange.database.read() as session:
            found = breaks.page(session, status, wanted.before, wanted.limit + 1)
            return found, identity.account_codes(session)

    found, codes = await asyncio.to_thread(read)
    items = found[: wanted.limit]
    return {
        "items": [views.render_queued_break(each, codes) for each in items],
        "next_cursor": str(items[-1].break_id) if len(found) > wanted.limit else None,
    }


@router.post("/{break_id}/assign")
async def assign(
    break_id: str,
    known: Worker,
    body: Annotated[AssignBody, Depends(json_body(AssignBody))],
    exchange: Exchange,
) -> dict[str, Any]:
    """Give a break to somebody of settlement or operation."""
    number = _number(break_id)
    return await _change(
        exchange, lambda session: breaks.assign(session, number, body.assignee, known.username)
    )


@router.post("/{break_id}/resolve")
async def resolve(
    break_id: str,
    known: Worker,
    body: Annotated[ResolveBody, Depends(json_body(ResolveBody))],
    exchange: Exchange,
) -> dict[str, Any]:
    """Close a break with a reason, or ask for a posting that brings the ledger to the other side.

    The posting waits for a second person (status `pending`).
    """
    number, reason = _number(break_id), plain_text(body.reason, "reason", _MAX_REASON)

    def work(session: Session) -> ReconciliationBreak:
        return breaks.resolve(session, number, reason, known.username, adjust=body.adjust)

    return await _change(exchange, work)


@router.post("/{break_id}/approve")
async def approve(break_id: str, known: Worker, exchange: Exchange) -> dict[str, Any]:
    """Post another's adjustment, if the difference is still the same, and close the break."""
    number, (database, port) = _number(break_id), (exchange.database, exchange.sync_core)
    found = await asyncio.to_thread(breaks.approve, database, port, number, known.username)
    return await _render(exchange, found)


@router.post("/{break_id}/reject")
async def reject(break_id: str, known: Worker, exchange: Exchange) -> dict[str, Any]:
    """Refuse another's adjustment; the break is open again."""
    number = _number(break_id)
    return await _change(exchange, lambda session: breaks.reject(session, number, known.username))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Problem("not_found", "There is no such break.")
    return int(text)


async def _change(
    exchange: Gateway, work: Callable[[Session], ReconciliationBreak]
) -> dict[str, Any]:
    return await _render(exchange, await write(exchange, work))


async def _render(exchange: Gateway, found: ReconciliationBreak) -> dict[str, Any]:
    def read() -> dict[int, str]:
        with exchange.database.read() as session:
            return identity.account_codes(session)

    return views.render_queued_break(found, await asyncio.to_thread(read))
