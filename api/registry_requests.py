"""What clients send to the registry, and how it is checked and carried out."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from fastapi import Header, Query
from starlette.responses import Response

from api.auth import Caller
from api.core_client import CoreUnavailable, ExecutionUnknown
from api.errors import Problem
from api.gateway import Gateway
from api.routes.orders import json_response
from api.schemas import Body, plain_text
from engine.times import day_number
from settlement import operations
from settlement.operations import Prepare, Request

MAX_NAME = 200
MAX_TEXT = 500
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}", re.ASCII)
_DAY = re.compile(r"(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}", re.ASCII)
_YEAR = re.compile(r"(?:19|20)[0-9]{2}", re.ASCII)

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=128,
        pattern=r"^[!-~]+$",
        description="The same key with the same body gives the same answer, done once.",
    ),
]
DryRun = Annotated[
    bool, Query(description="Check everything and answer alike, but change nothing.")
]


class Terms(NamedTuple):
    """How an operation is asked for, whatever it does."""

    idempotency_key: str | None
    dry_run: bool


async def terms(idempotency_key: IdempotencyKey = None, dry_run: DryRun = False) -> Terms:
    """The dependency of every route that carries an operation out."""
    return Terms(idempotency_key, dry_run)


class MethodologyBody(Body):
    """POST /v1/registry/methodologies."""

    code: str
    title: str
    version: str
    status: Literal["draft", "published", "withdrawn"] = "published"


class ProjectBody(Body):
    """POST /v1/registry/projects; issues go to `account`, and trade under `symbol`."""

    name: str
    methodology: str
    region: str
    type: str
    account: str
    symbol: str | None = None
    project_id: str | None = None
    labels: list[str] | None = None
    stage: Literal["listed", "validated", "registered"] = "registered"


class LabelsBody(Body):
    """PUT /v1/registry/projects/{project_id}/labels: all that is confirmed of it."""

    labels: list[str]


class IssueBody(Body):
    """POST /v1/registry/batches."""

    project_id: str
    vintage: int | str
    quantity: str
    serial_prefix: str
    # The first day on which the reductions were made; 1 January of the vintage if it is not given.
    first_day: str | None = None
    # The verified monitoring report that it is issued for.
    report_id: str | None = None


class CustodyBody(Body):
    """POST /v1/registry/deposits and /withdrawals."""

    symbol: str
    quantity: str
    batch_id: str | None = None


class TransferBody(Body):
    """POST /v1/registry/transfers; one that needs acceptance moves when the receiver takes it."""

    to_account: str
    quantity: str
    batch_id: str
    kind: Literal["gift", "transfer"]
    needs_acceptance: bool = False


class PledgeBody(Body):
    """POST /v1/registry/pledges."""

    quantity: str
    batch_id: str


class ReleaseBody(Body):
    """POST /v1/registry/pledges/{pledge_id}/release: what identifies it for its idempotency key."""

    pledge_id: str


class RetirementBody(Body):
    """POST /v1/registry/retirements: of a symbol, or of one batch."""

    quantity: str
    beneficiary: str
    reason: str
    symbol: str | None = None
    batch_id: str | None = None
    event_id: str | None = None


def parse_code(text: str, field: str) -> str:
    """A code or id that is given to something new. Raises Problem."""
    if not _CODE.fullmatch(text):
        raise Problem(
            "invalid_request",
            "1 to 64 letters, digits, dots, hyphens and underscores are needed.",
            field=field,
        )
    return text


def parse_prefix(text: str, field: str = "serial_prefix") -> str:
    """What the serials of an issue begin with. Raises Problem."""
    if not _PREFIX.fullmatch(text):
        raise Problem(
            "invalid_request", "1 to 32 letters, digits and hyphens are needed.", field=field
        )
    return text


def parse_year(value: int | str, field: str) -> int:
    """A calendar year, as a number or as text. Raises Problem."""
    if not _YEAR.fullmatch(str(value)):
        raise Problem("invalid_request", "A year such as 2026 is needed.", field=field)
    return int(value)


def parse_day(text: str | None, field: str) -> int | None:
    """A date such as 2026-11-20 as days since 1970. Raises Problem."""
    if text is None:
        return None
    try:
        if _DAY.fullmatch(text):
            return day_number(date.fromisoformat(text))
    except ValueError:
        pass
    raise Problem(
        "invalid_request",
        "A date such as 2026-11-20 is needed.",
        detail_zh="需要形如 2026-11-20 的日期。",
        field=field,
    )


def parse_text(text: str, field: str, max_length: int = MAX_TEXT) -> str:
    """What people will read on a certificate or list. Raises Problem."""
    return plain_text(text, field, max_length)


def perform(
    exchange: Gateway,
    known: Caller,
    kind: str,
    body: Body,
    prepare: Prepare,
    *,
    asked: Terms,
) -> Response:
    """Carry an account's operation out, or rehearse it. Blocks: for routes in worker threads.

    Raises Refused, and Problem `execution_unknown` if the core did not answer: the operation is
    written down and will be finished.
    """
    fields = msgspec.to_builtins(body)
    request = Request(known.account, kind, fields, asked.idempotency_key)
    database, port = exchange.database, exchange.sync_core
    if asked.dry_run:
        return json_response(operations.rehearse(database, port, request, prepare))
    operation_id = operations.begin(database, request, prepare)
    try:
        operations.execute(database, port, operation_id)
    except (CoreUnavailable, ExecutionUnknown) as error:
        query_url = f"/v1/registry/operations/{operation_id}"
        raise Problem("execution_unknown", query_url=query_url) from error
    return json_response(show_operation(exchange, known, operation_id), 201)


def show_operation(exchange: Gateway, known: Caller, operation_id: str) -> dict[str, Any]:
    """The account's operation as it stands. Raises Refused `not_found`."""
    with exchange.database.read() as session:
        found = operations.find(session, known.account, operation_id)
        return operations.describe(session, found)
