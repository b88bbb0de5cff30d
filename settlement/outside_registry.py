"""Other registries: how credits are announced to them, exactly once however often it is tried.

An adapter is anything with `announce`. It may fail, be slow or answer twice: the export's id is its
key there, a failure leaves the export pending, and the next round asks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import quote

import httpx
import structlog
from sqlalchemy import select

from settlement import operations, set_aside
from settlement.certificates import serial_range
from settlement.database import Database
from settlement.errors import Refused
from settlement.operations import Request
from settlement.ports import EnginePort
from settlement.tables.registry import Movement, Operation

TIMEOUT_SECONDS = 10.0

logger = structlog.get_logger(__name__)


class Reply(StrEnum):
    """What the other registry says of a transfer."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    PENDING = "pending"


class Unreachable(Exception):  # noqa: N818 - the other registry's state, no fault of ours
    """No answer, or none that says anything: it may have been taken or not."""


class OutsideRegistry(Protocol):
    """What is needed of another registry."""

    def announce(self, export_id: str, content: Mapping[str, Any]) -> Reply:
        """Announce an export, or ask again what became of it. Raises Unreachable."""


class HttpRegistry:
    """A registry that takes PUT {base}/transfers/{id} and answers {"status": ...}."""

    def __init__(self, base_url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout_seconds = timeout_seconds

    def announce(self, export_id: str, content: Mapping[str, Any]) -> Reply:
        url = f"{self._base_url}/transfers/{quote(export_id, safe='')}"
        try:
            # A fresh connection each time: exports are rare, and a broken one is not used again.
            answer = httpx.put(url, json=dict(content), timeout=self._timeout_seconds)
            answer.raise_for_status()
            return Reply(answer.json()["status"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise Unreachable(f"{url}: {error}") from error


def settle_exports(
    database: Database, port: EnginePort, registries: Mapping[str, OutsideRegistry]
) -> int:
    """Ask about every pending export once; returns how many came to their end.

    An export to a registry without an adapter waits for the registrar.
    """
    if not registries:
        return 0
    with database.read() as session:
        waiting = session.scalars(
            select(Operation)
            .where(
                Operation.kind == set_aside.EXPORT,
                Operation.status == "completed",
                Operation.outcome.is_(None),
            )
            .order_by(Operation.number)
        ).all()
        contents = {
            row.operation_id: _content(
                row,
                session.scalars(
                    select(Movement)
                    .where(Movement.reference == row.operation_id)
                    .order_by(Movement.number)
                ).all(),
            )
            for row in waiting
        }
    ended = 0
    for row in waiting:
        adapter = registries.get(row.body["to_registry"])
        if adapter is None:
            continue
        try:
            reply = adapter.announce(row.operation_id, contents[row.operation_id])
        except Unreachable as error:
            logger.warning("outside_registry_unreachable", export=row.operation_id, why=str(error))
            continue
        ended += _take_over(database, port, row, reply)
    return ended


def _take_over(database: Database, port: EnginePort, row: Operation, reply: Reply) -> bool:
    if reply is Reply.PENDING:
        return False
    how = set_aside.ARRIVAL if reply is Reply.ACCEPTED else set_aside.RETURN
    kind = "export_confirm" if reply is Reply.ACCEPTED else "export_return"
    request = Request(row.account, kind, {"export_id": row.operation_id})
    try:
        operations.perform(database, port, request, set_aside.end(row.operation_id, how))
    except Refused:
        return False  # the registrar, or another gateway, was faster
    return True


def _content(row: Operation, movements: Any) -> dict[str, Any]:
    return {
        "export_id": row.operation_id,
        "to_account": row.body["to_account"],
        "quantity": str(row.quantity),
        "serials": [serial_range(movement) for movement in movements],
    }
