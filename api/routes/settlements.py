"""The end of the day: runs, their statements, reconciliation; and an account's own statements."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from api import settlement_reports as reports
from api import settlement_runs
from api import settlement_views as views
from api.auth import Caller, caller, require_role
from api.errors import Problem
from api.gateway import Gateway, gateway
from api.operator_actions import write
from api.schemas import Body, Page, page
from api.strict_json import json_body
from engine.times import day_number
from settlement import clearing, identity, statements
from settlement.reconciliation import reconcile
from settlement.report_files import MEDIA_TYPES, FileFormat
from settlement.tables.clearing import ClearingRun

T = TypeVar("T")

router = APIRouter(tags=["settlement"])

_settler = require_role("settlement", "operator")
_reader = require_role("settlement", "operator", "auditor")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class SettlementBody(Body):
    """POST /v1/operator/settlements: the trading day to settle, as YYYY-MM-DD."""

    date: str


@router.post("/operator/settlements", status_code=202)
async def settle(
    known: Annotated[Caller, Depends(_settler)],
    body: Annotated[SettlementBody, Depends(json_body(SettlementBody))],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, str]:
    """Begin the end of a trading day; a day that is being settled gives the same run again."""
    trading_day = read_day(body.date)

    def begin() -> str:
        run_id = settlement_runs.begin(exchange, trading_day)
        subject: dict[str, object] = {"date": body.date, "run_id": run_id}
        exchange.database.write(
            lambda session: identity.audit(session, known.username, "settlement_started", subject)
        ).result()
        return run_id

    return {"run_id": await asyncio.to_thread(begin)}


@router.get("/operator/settlements")
async def list_runs(
    _: Annotated[Caller, Depends(_reader)],
    exchange: Annotated[Gateway, Depends(gateway)],
    wanted: Annotated[Page, Depends(page)],
) -> dict[str, Any]:
    """All runs, newest first."""

    def read(session: Session) -> dict[str, Any]:
        found = clearing.runs(session, wanted.before, wanted.limit + 1)
        items = found[: wanted.limit]
        return {
            "items": [views.render_run_in_short(run) for run in items],
            "next_cursor": str(items[-1].trading_day) if len(found) > wanted.limit else None,
        }

    return await _read(exchange, read)


@router.get("/operator/settlements/{run_id}")
async def show_run(
    run_id: str,
    _: Annotated[Caller, Depends(_reader)],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """How far a run is, its totals, closing prices and breaks."""

    def read(session: Session) -> dict[str, Any]:
        report = clearing.report(session, run_id)
        return views.render_run(report, identity.account_codes(session))

    return await _read(exchange, read)


@router.post("/operator/settlements/{run_id}/approve")
async def approve_delivery(
    run_id: str,
    known: Annotated[Caller, Depends(_settler)],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """Let a run deliver that waits for it, as the settlement rule wants."""
    run = await write(exchange, lambda session: clearing.approve(session, run_id, known.username))
    return views.render_run_in_short(run)


@router.get("/operator/settlements/{run_id}/statements", response_model=None)
async def list_statements(
    run_id: str,
    request: Request,
    _: Annotated[Caller, Depends(_reader)],
    exchange: Annotated[Gateway, Depends(gateway)],
    wanted: Annotated[Page, Depends(page)],
) -> Response | dict[str, Any]:
    """A run's statements by account, as JSON or, by Accept, as CSV for machines."""

    def read(session: Session) -> dict[str, Any]:
        clearing.report(session, run_id)
        codes = identity.account_codes(session)
        after = -1 if wanted.cursor is None else int(wanted.cursor)
        found = statements.of_run(session, run_id, after, wanted.limit + 1)
        items = found[: wanted.limit]
        return {
            "items": [views.render_statement(each, codes) for each in items],
            "next_cursor": str(items[-1].account) if len(found) > wanted.limit else None,
        }

    return _as_accepted(request, await _read(exchange, read))


@router.get(
    "/operator/settlements/{run_id}/report",
    response_class=Response,
    responses={200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}}},
)
async def show_report(
    run_id: str,
    _: Annotated[Caller, Depends(_reader)],
    exchange: Annotated[Gateway, Depends(gateway)],
    file_format: Annotated[FileFormat | None, Depends(reports.wanted_format)],
) -> Response:
    """A run's totals, prices, breaks and statements as a file: `format`, else Accept, else PDF."""
    wanted = file_format or FileFormat.PDF
    return await _read(
        exchange, lambda session: reports.file_response(reports.run_report(session, run_id), wanted)
    )


@router.get("/operator/reconciliation")
async def show_reconciliation(
    _: Annotated[Caller, Depends(_reader)],
    exchange: Annotated[Gateway, Depends(gateway)],
) -> dict[str, Any]:
    """Compare engine, ledger and custody now."""
    outcome = await asyncio.to_thread(reconcile, exchange.database, exchange.sync_core)
    return await _read(
        exchange,
        lambda session: views.render_reconciliation(outcome, identity.account_codes(session)),
    )


@router.get(
    "/statements",
    response_model=None,
    responses={200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}}},
)
async def list_own_statements(
    known: Annotated[Caller, Depends(caller)],
    exchange: Annotated[Gateway, Depends(gateway)],
    wanted: Annotated[Page, Depends(page)],
    file_format: Annotated[FileFormat | None, Depends(reports.wanted_format)],
    day: Annotated[str | None, Query(alias="date", max_length=10)] = None,
) -> Response | dict[str, Any]:
    """The account's statements, newest first; the one of `date` comes with its trades.

    As JSON or as a file: `format`, else Accept; without a date a CSV file is one plain table.
    """
    codes = {known.account: known.account_code}

    def read_one(session: Session) -> dict[str, Any]:
        trading_day = read_day(day or "")
        found = statements.of_account(session, known.account, trading_day + 1, 1)
        if not found or found[0].trading_day != trading_day:
            return {"items": [], "next_cursor": None}
        run = session.get_one(ClearingRun, found[0].run_id)
        fills = statements.fills_of(session, run, known.account)
        return {"items": [views.render_statement(found[0], codes, fills)], "next_cursor": None}

    def read_page(session: Session) -> dict[str, Any]:
        found = statements.of_account(session, known.account, wanted.before, wanted.limit + 1)
        items = found[: wanted.limit]
        return {
            "items": [views.render_statement(each, codes) for each in items],
            "next_cursor": str(items[-1].trading_day) if len(found) > wanted.limit else None,
        }

    content = await _read(exchange, read_page if day is None else read_one)
    if file_format is None:
        return content
    if file_format is FileFormat.CSV and day is None:
        return _csv(content)
    report = reports.account_report(known.account_code, content["items"])
    return await asyncio.to_thread(reports.file_response, report, file_format)


def read_day(text: str) -> int:
    """A date as YYYY-MM-DD in days since 1970-01-01. Raises Problem."""
    try:
        if _DATE.fullmatch(text):
            return day_number(date.fromisoformat(text))
    except ValueError:
        pass
    raise Problem("invalid_request", "A date is written as 2026-11-20.", field="date")


async def _read(exchange: Gateway, work: Callable[[Session], T]) -> T:
    def read() -> T:
        with exchange.database.read() as session:
            return work(session)

    return await asyncio.to_thread(read)


def _as_accepted(request: Request, content: dict[str, Any]) -> Response | dict[str, Any]:
    if "text/csv" not in request.headers.get("accept", ""):
        return content
    return _csv(content)


def _csv(content: dict[str, Any]) -> Response:
    return Response(views.render_csv(content["items"]), media_type="text/csv")
