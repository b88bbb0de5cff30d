"""Alerts, the book around them, owners, complaints and disclosure over HTTP."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from exchange_driver import Exchange, running_exchange

from api import market_rule_answers
from api import oversight_answers as answers
from engine.event_log import EVENTS_FOLDER
from settlement import surveillance
from settlement.market_rules import shipped

RULE = {"holding_quantity": "100", "trade_quantity": "50", "source": "test"}


def checked(answer: httpx.Response, into: type, status_code: int = 200) -> dict[str, Any]:
    """The answer's content, which is as the OpenAPI document says."""
    assert answer.status_code == status_code, answer.text
    msgspec.convert(answer.json(), into)
    content: dict[str, Any] = answer.json()
    return content


async def order(exchange: Exchange, username: str, side: str, quantity: str, price: str) -> str:
    body = {
        "client_order_id": str(uuid.uuid4()),
        **{"symbol": "GD-PHCER", "side": side, "type": "limit", "time_in_force": "gtc"},
        **{"quantity": quantity, "price": price},
    }
    answer = await exchange.client(username).post("/v1/orders", json=body)
    assert answer.status_code == 201, answer.text
    order_id: str = answer.json()["order_id"]
    return order_id


async def wash(exchange: Exchange, quantity: str = "120") -> None:
    """The maker and the enterprise, which have one owner, trade with each other."""
    operator = exchange.client("operator")
    for account in ("maker", "enterprise"):
        answer = await operator.put(
            f"/v1/operator/account-owners/{account}",
            json={"owner": "绿色集团 Green Group", "reason": "Business register"},
        )
        checked(answer, answers.AccountOwner)
    await order(exchange, "maker", "sell", quantity, "50.00")
    await order(exchange, "enterprise", "buy", quantity, "50.00")


async def search(exchange: Exchange) -> dict[str, Any]:
    """Search the present day, as soon as the database has the latest trades."""
    intake = exchange.back_office._intake
    assert intake is not None
    await asyncio.to_thread(intake.flush)
    answer = await exchange.client("operator").post("/v1/operator/surveillance", json={})
    return checked(answer, answers.SurveillanceSearch)


async def test_an_alert_from_its_search_to_its_end(exchange: Exchange) -> None:
    """Searched on demand, replayed as it was, closed with a reason; auditors read, and no more."""
    await order(exchange, "maker", "sell", "500", "50.50")
    await wash(exchange)
    assert (await search(exchange))["raised"] == 1
    assert (await search(exchange))["raised"] == 0
    operator, auditor = exchange.client("operator"), exchange.client("auditor")
    found = checked(await auditor.get("/v1/operator/alerts"), answers.SurveillanceAlerts)
    [alert] = found["items"]
    assert (alert["kind"], alert["symbol"], alert["state"]) == ("wash_trades", "GD-PHCER", "open")
    assert alert["accounts"] == ["enterprise", "maker"]
    assert alert["summary_zh"] == "同一所有人自成交 120 吨，占当日成交量的 100.00 %。"
    url = f"/v1/operator/alerts/{alert['alert_id']}"
    book = checked(await auditor.get(f"{url}/replay?depth=2"), answers.BookReplay)
    last = book["items"][-1]
    assert [event["kind"] for event in last["events"]] == ["accepted", "trade"]
    assert [event["evidence"] for event in last["events"]] == [False, True]
    assert (last["bids"], last["asks"]) == ([], [["50.50", "500", 1]])
    assert book["items"][-2]["asks"] == [["50.00", "120", 1], ["50.50", "500", 1]]
    first = checked(await auditor.get(f"{url}/replay?limit=1"), answers.BookReplay)
    cursor = first["next_cursor"]
    rest = (await auditor.get(f"{url}/replay?cursor={cursor}&depth=2")).json()["items"]
    assert rest == book["items"][1:]
    answer = await auditor.post(f"{url}/state", json={"state": "in_review"})
    assert answer.status_code == 403
    answer = await operator.post(f"{url}/state", json={"state": "in_review"})
    assert checked(answer, answers.SurveillanceAlert)["changed_by"] == "operator"
    answer = await operator.post(f"{url}/state", json={"state": "closed"})
    assert (answer.status_code, answer.json()["field"]) == (400, "reason")
    body = {"state": "closed", "reason": "A transfer within the group 集团内划转"}
    closed = checked(await operator.post(f"{url}/state", json=body), answers.SurveillanceAlert)
    assert checked(await auditor.get(url), answers.SurveillanceAlert) == closed
    assert (await auditor.get("/v1/operator/alerts?state=open")).json()["items"] == []


async def test_a_log_that_is_gone_is_said(exchange: Exchange) -> None:
    """Without its events the book cannot be replayed, and the answer says so in both languages."""
    await wash(exchange)
    await search(exchange)
    for path in (exchange.gateway.settings.data_dir / EVENTS_FOLDER).glob("*.events"):
        path.rename(path.with_suffix(".elsewhere"))
    answer = await exchange.client("operator").get(
        "/v1/operator/alerts/1/replay", headers={"Accept-Language": "zh"}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "archive" in answer.json()["detail"]


async def settle(exchange: Exchange) -> str:
    """Settle the present day; the test's own time limit ends the wait for a run that hangs."""
    operator = exchange.client("operator")
    day: str = (await operator.get("/v1/market/GD-PHCER/ticker")).json()["trading_day"]
    run = (await operator.post("/v1/operator/settlements", json={"date": day})).json()
    while True:
        answer = await operator.get(f"/v1/operator/settlements/{run['run_id']}")
        if answer.json()["status"] == "completed":
            return day
        await asyncio.sleep(0.02)


async def first_alerts(exchange: Exchange) -> list[dict[str, Any]]:
    """The alerts, as soon as there are any."""
    while True:
        answer = await exchange.client("auditor").get("/v1/operator/alerts")
        found: list[dict[str, Any]] = answer.json()["items"]
        if found:
            return found
        await asyncio.sleep(0.02)


async def test_a_settled_day_is_searched(exchange: Exchange) -> None:
    """The back office does so behind the settlement; its figures are then disclosed."""
    await wash(exchange)
    day = await settle(exchange)
    [alert] = await first_alerts(exchange)
    assert (alert["kind"], alert["date"]) == ("wash_trades", day)
    answer = await exchange.public.get("/v1/disclosure/statistics")
    assert [item["quantity"] for item in answer.json()["items"]] == ["120", "0", "0"]


async def test_a_missed_search_is_made_up_for(tmp_path: Path) -> None:
    """A settled day that was not searched is, when the back office starts again."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(surveillance, "search_settled", lambda _: [])
        async with running_exchange(tmp_path) as exchange:
            await wash(exchange)
            await settle(exchange)
            answer = await exchange.client("auditor").get("/v1/operator/alerts")
            assert answer.json()["items"] == []
    async with running_exchange(tmp_path) as exchange:
        [alert] = await first_alerts(exchange)
        assert alert["kind"] == "wash_trades"


async def test_complaints(exchange: Exchange) -> None:
    """Anyone logged in files one; nobody else's is shown; the operator reviews and answers it."""
    firm, operator = exchange.client("enterprise"), exchange.client("operator")
    await wash(exchange)
    await search(exchange)
    body = {
        **{"subject": "成交价 Fill price", "text": "First line.\nSecond line."},
        **{"reference_kind": "trade", "reference_id": "1"},
    }
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        answer = await firm.post("/v1/complaints", json=body, headers=headers)
        made = checked(answer, answers.Complaint, 201)
    assert (made["complaint_id"], made["state"], made["overdue"]) == ("1", "open", False)
    for wrong, code in (
        ({"reference_id": None}, 400),
        ({"reference_id": "2"}, 404),
        ({"text": "bell \a"}, 400),
        ({"subject": ""}, 400),
    ):
        assert (await firm.post("/v1/complaints", json=body | wrong)).status_code == code
    assert (await exchange.public.post("/v1/complaints", json=body)).status_code == 401
    other = exchange.client("organiser")
    assert (await other.get("/v1/complaints")).json()["items"] == []
    assert (await other.post("/v1/complaints/1/withdraw")).status_code == 404
    assert (await firm.get("/v1/operator/complaints")).status_code == 403
    answer = await operator.post("/v1/operator/complaints/1/review")
    assert checked(answer, answers.Complaint)["state"] == "in_review"
    answer = await operator.post(
        "/v1/operator/complaints/1/answer", json={"text": "已核查，价格正确。"}
    )
    checked(answer, answers.Complaint)
    answer = await exchange.client("auditor").get("/v1/operator/complaints?state=answered")
    [shown] = checked(answer, answers.Complaints)["items"]
    assert (shown["answer"], shown["handled_by"]) == ("已核查，价格正确。", "operator")
    assert (await firm.get("/v1/complaints")).json()["items"] == [shown]
    assert (await firm.post("/v1/complaints/1/withdraw")).status_code == 409


async def test_disclosure_and_its_rules(exchange: Exchange) -> None:
    """The public sees large holdings, with what an operator made the threshold; and figures."""
    operator, public = exchange.client("operator"), exchange.public
    before = checked(await public.get("/v1/disclosure/holdings"), answers.LargeHoldings)["items"]
    assert {(item["holder"], item["threshold"]) for item in before} == {
        (before[0]["holder"], "10000")
    }
    answer = await operator.put(
        "/v1/operator/disclosure-rules/*", json=RULE | {"holding_quantity": "1000000"}
    )
    rule = checked(answer, market_rule_answers.MarketRule)
    assert (rule["kind"], rule["rule"]["trade_quantity"]) == ("disclosure", 50)
    assert (await public.get("/v1/disclosure/holdings")).json()["items"] == []
    answer = await operator.delete("/v1/operator/disclosure-rules/*")
    assert answer.json()["rule"] is None
    assert (await public.get("/v1/disclosure/holdings")).json()["items"] == before
    trades = checked(await public.get("/v1/disclosure/large-trades"), answers.LargeTrades)
    assert (trades["date"], trades["items"]) == (None, [])
    checked(await public.get("/v1/disclosure/statistics"), answers.MarketStatistics)
    totals = checked(await public.get("/v1/disclosure/totals"), answers.DisclosedTotals)
    assert {item["symbol"] for item in totals["credits"]} >= {"GD-PHCER", "XM-CER"}
    for query in ("statistics?from=2020-01-01", "statistics?from=yesterday", "holdings?symbol=X"):
        assert (await public.get(f"/v1/disclosure/{query}")).status_code in (400, 404)


@pytest.mark.parametrize(
    ("changes", "status_code"),
    [({}, 200), ({"wash_trades": {}}, 400), ({"wash_trades": {"minimum_quantity": 0}}, 400)],
)
async def test_the_detectors_parameters_are_data(
    exchange: Exchange, changes: dict[str, Any], status_code: int
) -> None:
    """A version like those of the other rules, all of it or nothing; the next search heeds it."""
    rule = shipped().surveillance.model_dump() | {"wash_trades": {"minimum_quantity": 121}}
    operator = exchange.client("operator")
    answer = await operator.put("/v1/operator/surveillance-rules/GD-PHCER", json=rule | changes)
    assert answer.status_code == status_code, answer.text
    await wash(exchange)
    assert (await search(exchange))["findings"] == (0 if status_code == 200 else 1)
    answer = await operator.put(
        "/v1/operator/complaints-rule", json={"answer_days": 30, "source": "test"}
    )
    assert answer.json()["rule"] == {"answer_days": 30, "source": "test"}
    owners = checked(
        await exchange.client("auditor").get("/v1/operator/account-owners"), answers.AccountOwners
    )
    assert [item["account"] for item in owners["items"]] == ["enterprise", "maker"]
    assert (await operator.delete("/v1/operator/account-owners/maker")).status_code == 204
