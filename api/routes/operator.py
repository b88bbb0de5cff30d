"""The operators' routes: phases, accounts, cash, instruments, blocking, audit."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header
from starlette.responses import Response

from api import market_phases, operator_actions
from api.auth import Caller, require_role
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.instruments import Instrument
from api.routes.market import render as render_instrument
from api.routes.orders import json_response
from api.schemas import (
    AccountBody,
    AccountNameBody,
    BlockRulesBody,
    CashBody,
    InstrumentBody,
    Page,
    PhaseBody,
    ResumeBody,
    VolatilityBody,
    page,
)
from api.strict_json import json_body
from engine.decimals import format_fen
from engine.times import format_time
from settlement import cash_requests, identity
from settlement.tables.identity import AuditRecord, CashRequest

router = APIRouter(prefix="/operator", tags=["operator"])

_operator = require_role("operator")
_reader = require_role("operator", "auditor")


@router.post("/sessions")
async def set_phase(
    known: Annotated[Caller, Depends(_operator)],
    body: Annotated[PhaseBody, Depends(json_body(PhaseBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """Set the phase of one instrument, or of all of them, until the calendar's next border;
    halted stands, with its reason, until somebody resumes."""
    return _phases(await market_phases.set_phase(exchange, known, body))


@router.post("/resume")
async def resume(
    known: Annotated[Caller, Depends(_operator)],
    body: Annotated[ResumeBody, Depends(json_body(ResumeBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """End the halt of one instrument, or all halts: trading goes on as the calendar says, through
    a call auction if it says so."""
    return _phases(await market_phases.resume(exchange, known, body.symbol))


@router.post("/block-rules")
async def set_block_rules(
    known: Annotated[Caller, Depends(_operator)],
    body: Annotated[BlockRulesBody, Depends(json_body(BlockRulesBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """Set an instrument's smallest block, its price limit and its window, open or closed."""
    found = await operator_actions.set_block_rules(exchange, known, body)
    return render_instrument(found, exchange)


@router.post("/accounts", status_code=201)
async def open_account(
    known: Annotated[Caller, Depends(_operator)],
    body: Annotated[AccountBody, Depends(json_body(AccountBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """Open an account and create its first user."""
    await operator_actions.open_account(exchange, known, body)
    return {
        "account": body.account,
        "name": body.name,
        "username": body.username,
        "roles": sorted(body.roles),
    }


@router.post("/cash", status_code=201)
async def move_cash(
    known: Annotated[Caller, Depends(_operator)],
    body: Annotated[CashBody, Depends(json_body(CashBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=64)] = None,
) -> Response:
    """Deposit or withdraw; above the limit it waits (202) for a second operator's approval."""
    request, replayed = await operator_actions.move_cash(exchange, known, body, idempotency_key)
    status_code = 202 if request.status == "pending" else 200 if replayed else 201
    return _cash_response(request, status_code)


@router.get("/cash")
async def list_cash(
    _: Annotated[Caller, Depends(_reader)],
    exchange: Annotated[Gateway, Depends(gateway)],
    wanted: Annotated[Page, Depends(page)],
    status: Literal["pending", "approved", "completed", "rejected", "refused"] | None = None,
) -> dict[str, Any]:
    """Requests to move cash, newest first."""

    def read() -> list[CashRequest]:
        with exchange.database.read() as session:
            return cash_requests.page(session, status, wanted.before, wanted.limit + 1)

    found = await asyncio.to_thread(read)
    items = found[: wanted.limit]
    return {
        "items": [_cash(request) for request in items],
        "next_cursor": str(items[-1].id) if len(found) > wanted.limit else None,
    }


@router.post("/cash/{request_id}/approve")
async def approve_cash(
    request_id: str,
    known: Annotated[Caller, Depends(_operator)],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> Response:
    """Approve and carry out another operator's request."""
    request = await operator_actions.decide_cash(exchange, known, request_id, approve=True)
    return _cash_response(request, 200)


@router.post("/cash/{request_id}/reject")
async def reject_cash(
    request_id: str,
    known: Annotated[Caller, Depends(_operator)],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> Response:
    """Reject another operator's request."""
    request = await operator_actions.decide_cash(exchange, known, request_id, approve=False)
    return _cash_response(request, 200)


@router.post("/instruments", status_code=201)
async def define_instrument(
    known: Annotated[Caller, Depends(_operator)],
    body: Annotated[InstrumentBody, Depends(json_body(InstrumentBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """Define an instrument; it is closed until a phase is set."""
    found = await operator_actions.define_instrument(exchange, known, body)
    return render_instrument(found, exchange)


@router.put("/instruments/{symbol}/volatility")
async def set_volatility(
    symbol: str,
    known: Annotated[Caller, Depends(_operator)],
    body: Annotated[VolatilityBody, Depends(json_body(VolatilityBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """How far a trade may be from the last price before a call auction interrupts trading."""
    found = await operator_actions.set_volatility(exchange, known, symbol, body)
    return render_instrument(found, exchange)


@router.post("/kill")
async def kill(
    known: Annotated[Caller, Depends(_operator)],
    body: Annotated[AccountNameBody, Depends(json_body(AccountNameBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """Block an account: its open orders are cancelled and no new ones are taken."""
    cancelled = await operator_actions.block_account(exchange, known, body.account, block=True)
    return {"account": body.account, "blocked": True, "cancelled": cancelled}


@router.post("/unblock")
async def unblock(
    known: Annotated[Caller, Depends(_operator)],
    body: Annotated[AccountNameBody, Depends(json_body(AccountNameBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """Let a blocked account trade again."""
    await operator_actions.block_account(exchange, known, body.account, block=False)
    return {"account": body.account, "blocked": False}


@router.get("/audit")
async def audit(
    _: Annotated[Caller, Depends(_reader)],
    exchange: Annotated[Gateway, Depends(gateway)],
    wanted: Annotated[Page, Depends(page)],
) -> dict[str, Any]:
    """What operators and owners of keys did, newest first; each record's hash covers the last."""

    def read() -> tuple[list[AuditRecord], int | None]:
        with exchange.database.read() as session:
            found = identity.audit_records(session, wanted.before, wanted.limit + 1)
            return found, identity.first_broken_audit_record(session)

    found, broken = await asyncio.to_thread(read)
    items = found[: wanted.limit]
    return {
        "items": [_audit(record) for record in items],
        "next_cursor": str(items[-1].sequence) if len(found) > wanted.limit else None,
        "chain": {"intact": broken is None, "first_broken": broken},
    }


@router.get("/state-hash")
async def state_hash(
    _: Annotated[Caller, Depends(_reader)], exchange: Annotated[Gateway, Depends(gateway)]
) -> dict[str, Any]:
    """SHA-256 over the engine's whole state: equal before and after a refused command."""
    sequence, digest = await exchange.core.state_hash()
    return {"sequence": sequence, "state_hash": digest}


def _phases(found: list[Instrument]) -> dict[str, Any]:
    items = [{"symbol": each.symbol, "phase": each.phase.name.lower()} for each in found]
    return {"items": items, "next_cursor": None}


def _cash_response(request: CashRequest, status_code: int) -> Response:
    if request.status == "refused" and request.refused_code is not None:
        raise Problem(request.refused_code, request_id=request.request_id)
    return json_response(_cash(request), status_code)


def _cash(request: CashRequest) -> dict[str, Any]:
    decided_time_ns = request.decided_time_ns
    return {
        "request_id": request.request_id,
        "account": request.account.code,
        "kind": request.kind,
        "amount": format_fen(request.amount_fen),
        "status": request.status,
        "requested_by": request.requested_by,
        "requested_at": format_time(request.requested_time_ns),
        "decided_by": request.decided_by,
        "decided_at": None if decided_time_ns is None else format_time(decided_time_ns),
    }


def _audit(record: AuditRecord) -> dict[str, Any]:
    return {
        "sequence": record.sequence,
        "time": format_time(record.time_ns),
        "actor": record.actor,
        "action": record.action,
        "subject": json.loads(record.subject),
        "previous_hash": record.previous_hash,
        "hash": record.hash,
    }
