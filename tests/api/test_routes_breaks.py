"""The queue of breaks over REST: who reads it, who works on it, and an adjustment by two."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from exchange_driver import Exchange, connect
from sqlalchemy.orm import Session

from api import settlement_answers as answers
from settlement import identity, ledger
from settlement.ledger import CASH, Kind, Leg, Posting

BREAKS = "/v1/operator/breaks"
SECOND = {
    "account": "second-desk",
    "name": "Second desk",
    "username": "second",
    "password": "a long enough password",
    "roles": ["settlement"],
}


async def broken(exchange: Exchange) -> dict[str, Any]:
    """The break that the end of a day found, after 500 fen too much were booked for enterprise."""

    def spoil(session: Session) -> None:
        account = identity.account_number(session, "enterprise")
        legs = (Leg(Kind.PARTICIPANT, account, CASH, 500), Leg(Kind.BANK, 0, CASH, -500))
        ledger.post(session, [Posting("by hand", "correction", 0, legs)])

    await asyncio.wrap_future(exchange.gateway.database.write(spoil))
    operator = exchange.client("operator")
    refusal = await operator.post("/v1/operator/settlements", json={"date": "1999-01-01"})
    day = refusal.json()["detail"].removesuffix(".").rpartition(" ")[2]
    begun = await operator.post("/v1/operator/settlements", json={"date": day})
    path = f"/v1/operator/settlements/{begun.json()['run_id']}"
    # The test's own time limit ends the wait for a run that hangs.
    while True:
        run = (await operator.get(path)).json()
        if run["status"] != "running":
            break
        await asyncio.sleep(0.02)
    assert run["totals"]["breaks"] == 1
    [found] = (await operator.get(BREAKS, params={"status": "open"})).json()["items"]
    assert isinstance(found, dict)
    return found


async def test_an_adjustment_by_two(exchange: Exchange) -> None:
    """One asks, the same may not approve, another does; then nothing differs any more."""
    operator, auditor = exchange.client("operator"), exchange.client("auditor")
    found = await broken(exchange)
    msgspec.convert(found, answers.QueuedBreak)
    assert (found["account"], found["asset"], found["status"]) == ("enterprise", "CNY", "open")
    path = f"{BREAKS}/{found['break_id']}"
    given = await operator.post(f"{path}/assign", json={"assignee": "operator"})
    assert given.json()["assigned_to"] == "operator"
    body = {"reason": "booked twice", "adjust": True}
    asked = await operator.post(f"{path}/resolve", json=body)
    assert (asked.status_code, asked.json()["status"]) == (200, "pending")
    alone = await operator.post(f"{path}/approve")
    assert (alone.status_code, alone.json()["code"]) == (403, "forbidden")
    await operator.post("/v1/operator/accounts", json=SECOND)
    login = {"username": SECOND["username"], "password": SECOND["password"]}
    token = (await exchange.public.post("/v1/sessions", json=login)).json()["token"]
    async with connect(exchange.app, headers={"Authorization": f"Bearer {token}"}) as second:
        approved = await second.post(f"{path}/approve")
    assert (approved.status_code, approved.json()["status"]) == (200, "resolved")
    listed = msgspec.convert((await auditor.get(BREAKS)).json(), answers.QueuedBreaks)
    assert [one.reason for one in listed.items] == ["booked twice"]
    outcome = (await operator.get("/v1/operator/reconciliation")).json()
    assert outcome["status"] == "agreed"


@pytest.mark.parametrize(
    ("username", "request_line", "status", "code"),
    [
        ("enterprise", f"GET {BREAKS}", 403, "forbidden"),
        ("auditor", f"POST {BREAKS}/1/approve", 403, "forbidden"),
        ("enterprise", f"POST {BREAKS}/1/reject", 403, "forbidden"),
        ("operator", f"POST {BREAKS}/1/approve", 404, "not_found"),
        ("operator", f"POST {BREAKS}/x/reject", 404, "not_found"),
        ("operator", f"GET {BREAKS}?status=gone", 400, "invalid_request"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_who_may_not(
    shared_exchange: Exchange, username: str, request_line: str, status: int, code: str
) -> None:
    """Roles, unknown breaks and bad parameters are refused with the right problem."""
    method, path = request_line.split()
    answer = await shared_exchange.client(username).request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
