"""The calendar, halts, the operators' rules with a second person's word, and obligations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from exchange_driver import Exchange, connect
from stream_driver import Connect

from api import answers
from api import market_rule_answers as described

SECOND = {
    "account": "second-operator",
    "name": "Second operator (第二运营员)",
    "username": "second",
    "password": "a long enough password",
    "roles": ["operator"],
}


async def put(exchange: Exchange, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    """A change of a rule by the operator, which takes effect at once; None takes it back."""
    operator = exchange.client("operator")
    url = f"/v1/operator/{path}"
    answer = await (operator.delete(url) if body is None else operator.put(url, json=body))
    assert answer.status_code == 200, answer.text
    found = msgspec.json.decode(answer.content, type=described.MarketRule)
    assert (found.status, found.changed_by) == ("in_force", "operator")
    rule: dict[str, Any] = answer.json()
    return rule


async def schedules(exchange: Exchange, day: str) -> dict[str, Any]:
    """Who follows what on that day, by template."""
    answer = await exchange.public.get(f"/v1/calendar?from={day}&days=1")
    [found] = msgspec.json.decode(answer.content, type=described.TradingCalendar).items
    assert found.date == day
    return {each.template: each for each in found.schedules}


async def test_the_demo_is_open_around_the_clock(exchange: Exchange) -> None:
    """Every day trades, from midnight to midnight in Beijing."""
    answer = await exchange.public.get("/v1/calendar")
    found = msgspec.json.decode(answer.content, type=described.TradingCalendar)
    assert (found.time_zone, len(found.items)) == ("Asia/Shanghai", 7)
    for day in found.items:
        [schedule] = day.schedules
        assert (schedule.template, schedule.is_trading_day) == ("around_the_clock", True)
        assert schedule.symbols == ["GD-PHCER", "XM-CER", "WH-CER"]
        [session] = schedule.sessions
        assert session.starts_at.endswith("T16:00:00.000000Z")
        assert session.starts_at_local == f"{day.date}T00:00:00+08:00"


async def test_operators_change_the_calendar(exchange: Exchange) -> None:
    """An instrument's sessions and single days; what was changed, by whom, stays to be read."""
    made = await put(exchange, "calendar/instruments/XM-CER", {"template": "auctions"})
    assert (made["kind"], made["key"], made["rule"]) == (
        "sessions",
        "XM-CER",
        {"template": "auctions"},
    )
    found = await schedules(exchange, "2026-11-20")
    assert found["around_the_clock"].symbols == ["GD-PHCER", "WH-CER"]
    national = found["auctions"]
    assert (national.symbols, national.is_trading_day) == (["XM-CER"], True)
    opening, morning, *_ = national.sessions
    assert (opening.phase, opening.cancel_until) == ("call_auction", "2026-11-20T01:29:00.000000Z")
    assert (morning.starts_at, morning.starts_at_local) == (
        "2026-11-20T01:30:00.000000Z",
        "2026-11-20T09:30:00+08:00",
    )
    assert national.block_window is not None
    assert national.block_window.ends_at_local == "2026-11-20T15:00:00+08:00"
    holiday = (await schedules(exchange, "2026-10-01"))["auctions"]
    assert (holiday.is_trading_day, holiday.reason, holiday.reason_zh, holiday.sessions) == (
        False,
        "National Day",
        "国庆节",
        [],
    )
    await put(exchange, "calendar/days/2026-11-20", {"is_trading": False, "note": "Drill 演练"})
    assert (await schedules(exchange, "2026-11-20"))["auctions"].reason == "Drill 演练"
    await put(exchange, "calendar/days/2026-11-20", None)
    assert (await schedules(exchange, "2026-11-20"))["auctions"].is_trading_day
    auditor = exchange.client("auditor")
    pages = [(await auditor.get("/v1/operator/market-rules?limit=2")).json()]
    pages.append(
        (
            await auditor.get(
                "/v1/operator/market-rules", params={"cursor": pages[0]["next_cursor"]}
            )
        ).json()
    )
    items = [item for page in pages for item in page["items"]]
    assert [(item["kind"], item["key"], item["changed_by"]) for item in items] == [
        ("day", "2026-11-20", "operator"),
        ("day", "2026-11-20", "operator"),
        ("sessions", "XM-CER", "operator"),
        ("sessions", "*", "demo"),
    ]
    assert items[0]["rule"] is None


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("calendar/days/2026-13-01", {"is_trading": False, "note": "x"}, "invalid_request"),
        ("calendar/days/2026-11-20", {"is_trading": "no", "note": "x"}, "invalid_request"),
        ("calendar/days/2026-11-20", {"is_trading": False, "note": ""}, "invalid_request"),
        ("calendar/instruments/XM-CER", {"template": "moonlight"}, "invalid_request"),
        ("calendar/instruments/NONE", {"template": "national"}, "unknown_instrument"),
        ("closing-prices/*", {"thin_market_quantity": "-1", "source": "x"}, "invalid_request"),
        ("closing-prices/*", {"thin_market_quantity": 1, "source": "x"}, "invalid_request"),
        (
            "obligations/*",
            {"minimum_share": "1.5", "minimum_quantity": "1", "source": "x"},
            "invalid_request",
        ),
    ],
)
async def test_what_is_no_rule_changes_nothing(
    exchange: Exchange, path: str, body: dict[str, Any], code: str
) -> None:
    """Refused with the contract's codes, and no version is left behind."""
    answer = await exchange.client("operator").put(f"/v1/operator/{path}", json=body)
    assert answer.json()["code"] == code
    other = await exchange.client("enterprise").put(f"/v1/operator/{path}", json=body)
    assert other.json()["code"] == "forbidden"
    found = (await exchange.client("auditor").get("/v1/operator/market-rules")).json()
    assert len(found["items"]) == 1


async def test_a_second_operator_decides(exchange: Exchange) -> None:
    """Where there are two of them, a change waits for the other one's word."""
    operator = exchange.client("operator")
    assert (await operator.post("/v1/operator/accounts", json=SECOND)).status_code == 201
    gateway = exchange.gateway
    gateway.settings = gateway.settings.model_copy(update={"demo": False})
    path = "/v1/operator/closing-prices/XM-CER"
    body = {"thin_market_quantity": "0", "source": "Notice 12"}
    answer = await operator.put(path, json=body)
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    decision = f"/v1/operator/market-rules/{answer.json()['version']}/approve"
    alone = await operator.post(decision)
    assert (alone.status_code, alone.json()["code"]) == (403, "forbidden")
    login = {"username": SECOND["username"], "password": SECOND["password"]}
    token = (await exchange.public.post("/v1/sessions", json=login)).json()["token"]
    async with connect(exchange.app, headers={"Authorization": f"Bearer {token}"}) as second:
        approved = (await second.post(decision)).json()
        assert (approved["status"], approved["decided_by"]) == ("in_force", "second")
        assert (await second.post(decision)).json()["code"] == "conflict"
        rejection = "/v1/operator/market-rules/999/reject"
        assert (await second.post(rejection)).json()["code"] == "not_found"


async def test_a_halt_is_shown_with_its_reason(exchange: Exchange, stream: Connect) -> None:
    """In the status, the instrument and the ticker, on the stream; and it ends by resuming."""
    operator, public = exchange.client("operator"), exchange.public
    async with stream() as client:
        await client.subscribe({"name": "ticker", "symbol": "XM-CER"})
        halt = {"symbol": "XM-CER", "phase": "halted", "reason": "方法学复核 under review"}
        answer = await operator.post("/v1/operator/sessions", json=halt)
        assert answer.json()["items"] == [{"symbol": "XM-CER", "phase": "halted"}]
        notice = await client.push("system")
        assert notice["data"] == {
            "event": "trading_halted",
            "symbol": "XM-CER",
            "reason": halt["reason"],
        }
        ticker = await client.push("ticker", phase="halted")
        assert ticker["data"]["halt_reason"] == halt["reason"]
        status = await public.get("/v1/status")
        [shown] = msgspec.json.decode(status.content, type=answers.Status).halts
        assert (shown.symbol, shown.reason) == ("XM-CER", halt["reason"])
        instrument = (await public.get("/v1/instruments/XM-CER")).json()
        assert instrument["halt"] == {"reason": halt["reason"], "since": shown.since}
        assert (await public.get("/v1/instruments/GD-PHCER")).json()["halt"] is None
        await exchange.client("operator").post("/v1/operator/resume", json={"symbol": "XM-CER"})
        await client.push("system", event="trading_resumed", symbol="XM-CER")
    instrument = (await public.get("/v1/instruments/XM-CER")).json()
    assert (instrument["phase"], instrument["halt"]) == ("continuous", None)
    again = await operator.post("/v1/operator/resume", json={"symbol": "XM-CER"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    nothing = await operator.post("/v1/operator/resume", json={})
    assert nothing.json() == {"items": [], "next_cursor": None}


async def test_another_gateways_halt_is_noticed(exchange: Exchange) -> None:
    """The loop reads the halts again: here they were forgotten in memory."""
    halt = {"symbol": None, "phase": "halted", "reason": "Storm"}
    await exchange.client("operator").post("/v1/operator/sessions", json=halt)
    exchange.gateway.set_halts({})
    async with noticed(exchange):
        status = (await exchange.public.get("/v1/status")).json()
    assert [each["reason"] for each in status["halts"]] == ["Storm"] * 3


@asynccontextmanager
async def noticed(exchange: Exchange) -> AsyncIterator[None]:
    """Waits until the gateway has halts again; the test's own time limit ends a vain wait."""
    changed = asyncio.Event()
    plain = exchange.gateway.set_halts

    def set_halts(found: Any) -> None:
        plain(found)
        if found:
            changed.set()

    exchange.gateway.set_halts = set_halts  # type: ignore[method-assign]
    await changed.wait()
    yield


async def test_market_makers_see_their_own_figures(exchange: Exchange) -> None:
    """The maker its own, operators everybody's, others nobody's; a quote that stands counts."""
    rule = {
        "minimum_share": "0.5",
        "maximum_spread_ticks": "30",
        "minimum_quantity": "10",
        "source": "Programme 1",
    }
    await put(exchange, "obligations/GD-PHCER", rule)
    maker = exchange.client("maker")
    quote = {
        "symbol": "GD-PHCER",
        "bid": {"price": "49.90", "quantity": "10"},
        "ask": {"price": "50.10", "quantity": "10"},
    }
    assert (await maker.put("/v1/quotes", json=quote)).status_code == 200

    async def figures() -> described.QuotingFigures:
        answer = await maker.get("/v1/market-maker/obligations")
        found = msgspec.json.decode(answer.content, type=described.Obligations)
        assert [each.symbol for each in found.items] == ["GD-PHCER", "XM-CER", "WH-CER"]
        return found.items[0]

    mine = await figures()
    while mine.quoted_share is None or mine.average_spread is None:  # the database follows
        mine = await figures()
    assert (mine.account, mine.status, mine.average_spread) == ("maker", "running", "0.200000")
    assert 0 < float(mine.quoted_seconds) <= float(mine.session_seconds)
    assert (mine.required.minimum_share, mine.required.maximum_spread) == ("0.500000", "0.30")
    everybody = (await exchange.client("auditor").get("/v1/operator/obligations")).json()
    assert {each["account"] for each in everybody["items"]} == {"maker"}
    past = (await maker.get("/v1/market-maker/obligations?date=1999-01-01")).json()
    assert past == {"items": [], "next_cursor": None}
    for client in (exchange.client("enterprise"), exchange.client("operator")):
        refused = await client.get("/v1/market-maker/obligations")
        assert refused.json()["code"] == "forbidden"
