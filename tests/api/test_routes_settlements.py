"""The end of the day over REST: a run from its order to its statements, and who may see what."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from exchange_driver import Exchange, running_exchange

from api import settlement_answers as answers
from settlement.clearing import Clearing
from settlement.report_files import MEDIA_TYPES, FileFormat

RUNS = "/v1/operator/settlements"


async def trading_day(exchange: Exchange) -> str:
    """The present trading day, as an operator would learn it: from a refusal."""
    body = {"date": "1999-01-01"}
    answer = await exchange.client("operator").post(RUNS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    found: str = answer.json()["detail"].removesuffix(".").rpartition(" ")[2]
    return found


async def trade(exchange: Exchange) -> None:
    """The maker sells 20 t of GD-PHCER to enterprise at 50.10, the second half to organiser."""
    for number, (username, side, quantity) in enumerate(
        [("maker", "sell", "20"), ("enterprise", "buy", "10"), ("organiser", "buy", "10")]
    ):
        body = {
            "client_order_id": f"order{number}",
            "symbol": "GD-PHCER",
            "side": side,
            "type": "limit",
            "price": "50.10",
            "quantity": quantity,
        }
        answer = await exchange.client(username).post("/v1/orders", json=body)
        assert answer.status_code == 201, answer.text


async def finished(exchange: Exchange, run_id: str) -> dict[str, Any]:
    """The run when it is over; the test's own time limit ends the wait for one that hangs."""
    while True:
        answer = await exchange.client("auditor").get(f"{RUNS}/{run_id}")
        run: dict[str, Any] = answer.json()
        if run["status"] != "running":
            return run
        await asyncio.sleep(0.02)


async def test_a_day_is_settled(exchange: Exchange) -> None:
    """The operator settles the day; totals, blocks, statements and reconciliation follow."""
    operator, enterprise = exchange.client("operator"), exchange.client("enterprise")
    await trade(exchange)
    day = await trading_day(exchange)
    answer = await operator.post(RUNS, json={"date": day})
    assert answer.status_code == 202
    run = await finished(exchange, answer.json()["run_id"])
    msgspec.convert(run, answers.SettlementRun)
    assert (run["status"], run["date"], run["breaks"]) == ("completed", day, [])
    assert run["progress"]["percent"] == 100
    totals = run["totals"]
    assert (totals["trades"], totals["volume"], totals["notional"]) == (2, "20", "1002.00")
    # 20 t are a thin market.
    assert [price["closing_price"] for price in run["prices"]] == ["50.00"] * 3
    again = await operator.post(RUNS, json={"date": day})
    assert (again.status_code, again.json()["code"]) == (409, "already_settled")
    assert again.json()["run_id"] == run["run_id"]
    listed = msgspec.convert((await operator.get(RUNS)).json(), answers.SettlementRuns)
    assert [(each.run_id, each.status) for each in listed.items] == [(run["run_id"], "completed")]

    holdings = (await enterprise.get("/v1/registry/holdings")).json()["items"]
    assert [(block["symbol"], block["quantity"]) for block in holdings] == [("GD-PHCER", "10")]
    balances = (await enterprise.get("/v1/balances")).json()["credits"]["GD-PHCER"]
    assert (balances["available"], balances["locked_today"]) == ("10", "0")
    status = (await exchange.public.get("/v1/status")).json()
    assert status["status"] == "open"
    outcome = (await operator.get("/v1/operator/reconciliation")).json()
    msgspec.convert(outcome, answers.Reconciliation)
    assert (outcome["status"], outcome["breaks"], outcome["unsettled_trades"]) == ("agreed", [], 0)


async def test_statements(exchange: Exchange) -> None:
    """Each account reads its own; operators and auditors those of a run, as JSON or CSV."""
    await trade(exchange)
    day = await trading_day(exchange)
    answer = await exchange.client("operator").post(RUNS, json={"date": day})
    run = await finished(exchange, answer.json()["run_id"])

    enterprise = exchange.client("enterprise")
    for path in ("/v1/statements", f"/v1/statements?date={day}"):
        msgspec.convert((await enterprise.get(path)).json(), answers.Statements)
    assert (await enterprise.get("/v1/statements?date=1999-01-01")).json()["items"] == []
    [statement] = (await enterprise.get(f"/v1/statements?date={day}")).json()["items"]
    assert statement["account"] == "enterprise"
    assert statement["cash"]["CNY"]["bought"] == "501.00"
    assert statement["credits"]["GD-PHCER"]["closing"] == "10"
    assert [(each["side"], each["quantity"]) for each in statement["trades"]] == [("buy", "10")]
    listed = (await enterprise.get("/v1/statements")).json()
    assert [each["date"] for each in listed["items"]] == [day]
    assert "trades" not in listed["items"][0]

    path = f"{RUNS}/{run['run_id']}/statements"
    auditor = exchange.client("auditor")
    first = (await auditor.get(path, params={"limit": 1})).json()
    rest = (await auditor.get(path, params={"cursor": first["next_cursor"]})).json()
    accounts = [each["account"] for each in first["items"] + rest["items"]]
    assert {"enterprise", "organiser", "maker"} <= set(accounts)
    assert len(accounts) == len(set(accounts)) == run["totals"]["statements"]
    table = await auditor.get(path, headers={"Accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    lines = table.text.splitlines()
    assert lines[0].startswith("date,account,asset,opening")
    assert f"{day},enterprise,GD-PHCER,0,0,0,0,10,0,,10,50.00" in lines


async def test_a_delivery_waits_for_an_operator(exchange: Exchange) -> None:
    """Where the rule wants it the run waits, once the day is netted, for somebody's approval."""
    operator = exchange.client("operator")
    await trade(exchange)
    day = await trading_day(exchange)
    rule = {"block_order": "oldest_issue", "needs_approval": True, "source": "Notice 7"}
    path = "/v1/operator/settlement-rules/GD-PHCER"
    assert (await operator.put(path, json=rule)).json()["kind"] == "settlement"
    wrong = await operator.put(path, json=rule | {"block_order": "any"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_request")
    run_id = (await operator.post(RUNS, json={"date": day})).json()["run_id"]
    run = await finished(exchange, run_id)
    msgspec.convert(run, answers.SettlementRun)
    assert (run["status"], run["progress"]["step"]) == ("waiting", "deliver")
    refused = await exchange.client("enterprise").post(f"{RUNS}/{run_id}/approve")
    assert refused.status_code == 403
    approved = await operator.post(f"{RUNS}/{run_id}/approve")
    assert approved.json()["status"] == "running"
    assert (await finished(exchange, run_id))["status"] == "completed"
    again = await operator.post(f"{RUNS}/{run_id}/approve")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_reports(exchange: Exchange) -> None:
    """A run's report and an account's statement as files: the same bytes whenever asked."""
    await trade(exchange)
    day = await trading_day(exchange)
    answer = await exchange.client("operator").post(RUNS, json={"date": day})
    run = await finished(exchange, answer.json()["run_id"])
    auditor, enterprise = exchange.client("auditor"), exchange.client("enterprise")
    for client, path in (
        (auditor, f"{RUNS}/{run['run_id']}/report"),
        (enterprise, f"/v1/statements?date={day}"),
    ):
        for name, magic in (("csv", b"\xef\xbb\xbf"), ("xlsx", b"PK"), ("pdf", b"%PDF-")):
            file_format = FileFormat(name)
            first = await client.get(path, params={"format": name, "date": day})
            accept = {"Accept": MEDIA_TYPES[file_format]}
            second = await client.get(path, headers=accept)
            assert first.status_code == 200, first.text
            assert first.headers["content-type"].startswith(MEDIA_TYPES[file_format])
            assert f'{day}.{name}"' in first.headers["content-disposition"]
            assert first.content.startswith(magic)
            assert first.content == second.content
    report = (await auditor.get(f"{RUNS}/{run['run_id']}/report?format=csv")).text
    assert "成交额（元）Turnover (CNY),1002.00" in report
    assert f"{day},enterprise,GD-PHCER,0,0,0,0,10,0,,10,50.00" in report
    own = (await enterprise.get(f"/v1/statements?date={day}&format=csv")).text
    assert "GD-PHCER,买入 buy,50.10,10," in own
    assert "organiser" not in own
    as_json = await enterprise.get("/v1/statements?format=json", headers={"Accept": "text/csv"})
    assert as_json.json()["items"]


@pytest.mark.parametrize(
    ("username", "request_line", "status", "code"),
    [
        ("enterprise", f"GET {RUNS}/x/report", 403, "forbidden"),
        ("auditor", f"GET {RUNS}/x/report", 404, "not_found"),
        ("auditor", f"GET {RUNS}/x/report?format=docx", 400, "invalid_request"),
        ("enterprise", f"POST {RUNS}", 403, "forbidden"),
        ("auditor", f"POST {RUNS}", 403, "forbidden"),
        ("enterprise", f"GET {RUNS}/x", 403, "forbidden"),
        ("enterprise", f"GET {RUNS}/x/statements", 403, "forbidden"),
        ("enterprise", "GET /v1/operator/reconciliation", 403, "forbidden"),
        ("auditor", f"GET {RUNS}/x", 404, "not_found"),
        ("auditor", f"GET {RUNS}/x/statements", 404, "not_found"),
        ("enterprise", "GET /v1/statements?date=2026-1-1", 400, "invalid_request"),
        ("enterprise", "GET /v1/statements?cursor=x", 400, "invalid_request"),
        (None, f"POST {RUNS}", 401, "unauthenticated"),
        (None, "GET /v1/statements", 401, "unauthenticated"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_who_may_not(
    shared_exchange: Exchange, username: str | None, request_line: str, status: int, code: str
) -> None:
    """Roles, unknown runs and bad parameters are refused with the right problem."""
    client = shared_exchange.client(username) if username else shared_exchange.public
    method, path = request_line.split()
    body = {"json": {"date": "2026-11-20"}} if method == "POST" else {}
    answer = await client.request(method, path, **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"date": None},
        {"date": 20261120},
        {"date": ""},
        {"date": "2026-02-30"},
        {"date": "20261120"},
        {"date": "2026-W47-5"},
        {"date": "２０２６-11-20"},
        {"date": "2026-11-20T00:00:00Z"},
        {"date": "2026-11-20", "more": 1},
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_date_that_is_none(shared_exchange: Exchange, body: dict[str, Any]) -> None:
    """Whatever is no date begins no run and leaves the engine as it was."""
    before = await shared_exchange.state_hash()
    answer = await shared_exchange.client("operator").post(RUNS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert await shared_exchange.state_hash() == before


async def test_a_back_office_that_starts_carries_on(tmp_path: Path) -> None:
    """A run that the process before left unfinished is finished by the next one."""
    async with running_exchange(tmp_path) as exchange:
        await trade(exchange)
        day = await trading_day(exchange)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Clearing, "run", lambda *_: True)
            answer = await exchange.client("operator").post(RUNS, json={"date": day})
            run_id = answer.json()["run_id"]
        run = (await exchange.client("operator").get(f"{RUNS}/{run_id}")).json()
        assert (run["status"], run["progress"]["step"]) == ("running", "close")
    async with running_exchange(tmp_path) as exchange:
        run = await finished(exchange, run_id)
        assert (run["status"], run["breaks"]) == ("completed", [])
