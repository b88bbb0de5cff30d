"""Compliance over HTTP: schemes, obligations, headroom, surrenders."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from api import compliance_answers as answers
from settlement import compliance
from settlement.errors import Refused


def checked(answer: httpx.Response, into: type, status_code: int = 200) -> dict[str, Any]:
    """The answer's content, which is as the OpenAPI document says."""
    assert answer.status_code == status_code, answer.text
    msgspec.convert(answer.json(), into)
    return answer.json()


def problem(answer) -> tuple[int, str, str | None]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    content = answer.json()
    return answer.status_code, content["code"], content.get("field")


async def demo_year(exchange) -> int:
    schemes = (await exchange.public.get("/v1/schemes")).json()["items"]
    return next(item["year"] for item in schemes if item["scheme"] == "demo")


async def headroom(exchange, year: int | None = None) -> dict[str, str]:
    query = "scheme=demo" if year is None else f"scheme=demo&year={year}"
    answer = await exchange.client("compliance").get(f"/v1/compliance/headroom?{query}")
    return checked(answer, answers.Headroom)


async def give_credits(exchange, quantity: str) -> None:
    """From the demo maker's custody to the compliance account's own keeping."""
    maker = exchange.client("maker")
    withdrawal = {"symbol": "GD-PHCER", "quantity": quantity}
    answer = await maker.post("/v1/registry/withdrawals", json=withdrawal)
    batch_id = answer.json()["serials"][0]["batch_id"]
    transfer = {"to_account": "compliance", "kind": "transfer", "batch_id": batch_id}
    answer = await maker.post("/v1/registry/transfers", json=transfer | {"quantity": quantity})
    assert answer.status_code == 201, answer.text


async def test_schemes_are_public(exchange):
    items = checked(await exchange.public.get("/v1/schemes"), answers.Schemes)["items"]
    assert {"demo", "national"} <= {item["scheme"] for item in items}
    assert {item["ratio"] for item in items if item["scheme"] in ("demo", "national")} == {"0.05"}


async def test_an_obligation_is_surrendered_within_its_cap(exchange):
    year = await demo_year(exchange)
    obligation = {"account": "compliance", "scheme": "demo", "year": year, "base_quantity": "1000"}
    answer = await exchange.client("operator").post("/v1/compliance/obligations", json=obligation)
    assert checked(answer, answers.ComplianceObligation, 201)["cap"] == "50"
    assert (await headroom(exchange, year)).items() >= {
        "cap": "50",
        "used": "0",
        "held": "0",
        "open_orders": "0",
        "headroom": "50",
        "scheme_quota_left": "1000000",
    }.items()

    await give_credits(exchange, "80")
    client = exchange.client("compliance")
    before = await exchange.state_hash()
    body = {"scheme": "demo", "year": year, "quantity": "51"}
    for query in ("?dry_run=true", ""):
        refused = await client.post(f"/v1/compliance/surrenders{query}", json=body)
        assert problem(refused)[:2] == (422, "offset_cap_exceeded")
    assert await exchange.state_hash() == before

    body["quantity"] = "30"
    dry = await client.post("/v1/compliance/surrenders?dry_run=true", json=body)
    assert (dry.status_code, dry.json()["certificate_id"]) == (200, None)
    key = {"Idempotency-Key": "s1"}
    done = await client.post("/v1/compliance/surrenders", json=body, headers=key)
    checked(done, answers.RetirementOperation, 201)
    again = await client.post("/v1/compliance/surrenders", json=body, headers=key)
    assert again.json() == done.json()
    left = await headroom(exchange)
    assert (left["used"], left["headroom"], left["scheme_quota_left"]) == ("30", "20", "999970")
    seen = (await exchange.public.get(f"/v1/verify/{done.json()['certificate_id']}")).json()
    assert (seen["scheme"], seen["year"], seen["quantity"]) == ("demo", year, "30")


async def test_schemes_can_be_looked_up(exchange):
    """By scheme and year, in pages, with what is not verified named."""
    [found] = (await exchange.public.get("/v1/schemes?scheme=guangdong&year=2017")).json()["items"]
    assert (found["scheme_quota"], found["open"], found["verified"]) == ("1500000", False, True)
    assert found["limits"]["parts"][0]["maximum"] == "0.3"
    whole = (await exchange.public.get("/v1/schemes")).json()["items"]
    first = (await exchange.public.get("/v1/schemes?limit=7")).json()
    rest = (await exchange.public.get(f"/v1/schemes?cursor={first['next_cursor']}")).json()
    assert first["items"] + rest["items"] == whole
    assert all(item["verified"] == (not item["unverified"]) for item in whole)
    bad = await exchange.public.get("/v1/schemes?year=x")
    assert problem(bad) == (400, "invalid_request", "year")


async def test_a_firm_sees_its_own_and_overseers_all(exchange):
    """Obligation, history, alerts: few requests for a page, and nobody else's."""
    firm, auditor = exchange.client("compliance"), exchange.client("auditor")
    year = await demo_year(exchange)
    await give_credits(exchange, "30")
    body = {"scheme": "demo", "year": year, "quantity": "10", "symbol": "GD-PHCER"}
    for _ in range(2):
        assert (await firm.post("/v1/compliance/surrenders", json=body)).status_code == 201
    own = checked(await firm.get("/v1/compliance/obligations"), answers.ComplianceObligations)[
        "items"
    ]
    assert [(one["account"], one["used"]) for one in own] == [("compliance", "20")]
    assert (
        checked(await auditor.get("/v1/compliance/obligations"), answers.ComplianceObligations)[
            "items"
        ]
        == own
    )
    query = f"scheme=demo&year={year}"
    first = checked(
        await firm.get(f"/v1/compliance/surrenders?limit=1&{query}"), answers.Surrenders
    )
    following = f"/v1/compliance/surrenders?cursor={first['next_cursor']}"
    rest = checked(await auditor.get(f"{following}&account=compliance"), answers.Surrenders)
    assert [one["quantity"] for one in first["items"] + rest["items"]] == ["10", "10"]
    assert rest["next_cursor"] is None
    checked(await firm.get("/v1/compliance/alerts"), answers.ComplianceAlerts)
    for path in ("obligations", "surrenders"):
        others = await firm.get(f"/v1/compliance/{path}?account=enterprise")
        assert problem(others) == (404, "not_found", "account")
        unknown = await auditor.get(f"/v1/compliance/{path}?account=nobody")
        assert problem(unknown) == (404, "not_found", "account")
        refused = await exchange.client("enterprise").get(f"/v1/compliance/{path}")
        assert problem(refused)[:2] == (403, "forbidden")
    assert problem(await firm.get("/v1/compliance/shortfalls"))[:2] == (403, "forbidden")


async def test_an_operator_reports_allowances_and_gets_the_shortfalls(exchange):
    operator = exchange.client("operator")
    year = await demo_year(exchange)
    body = {"account": "compliance", "scheme": "demo", "year": year, "base_quantity": "1000"}
    made = await operator.post(
        "/v1/compliance/obligations", json=body | {"obligation_quantity": "900"}
    )
    shown = checked(made, answers.ComplianceObligation, 201)
    assert (shown["cap"], shown["shortfall"]) == ("50", "900")
    path = f"/v1/compliance/obligations/{shown['obligation_id']}"
    news = {"allowances_surrendered": "860", "reason": "登记机构通报"}
    shown = checked(await operator.patch(path, json=news), answers.ComplianceObligation)
    assert (shown["shortfall"], shown["status"], shown["penalised"]) == ("40", "open", False)
    report = checked(await operator.get("/v1/compliance/shortfalls"), answers.ComplianceShortfalls)
    assert [one["shortfall"] for one in report["items"]] == ["40"]
    assert report["totals"][0]["allowances_surrendered"] == "860"
    table = await operator.get("/v1/compliance/shortfalls?format=csv")
    assert table.headers["content-type"].startswith("text/csv")
    lines = table.content.decode("utf-8-sig").split("\r\n")
    assert lines[1].startswith(f"compliance,demo,{year},surrender_obligation,1000,50,900,860,0,40")

    assert checked(
        await operator.patch(path, json={"penalised": True, "reason": "a fine"}),
        answers.ComplianceObligation,
    )["penalised"]
    audit = (await operator.get("/v1/operator/audit?limit=1")).json()["items"][0]
    assert audit["action"] == "obligation_reported"
    for wrong, expected in (
        (f"{path}9", (404, "not_found", None)),
        ("/v1/compliance/obligations/x", (404, "not_found", None)),
    ):
        assert problem(await operator.patch(wrong, json=news)) == expected
    by_firm = await exchange.client("compliance").patch(path, json=news)
    assert problem(by_firm)[:2] == (403, "forbidden")


async def test_a_preview_answers_in_the_readers_language(exchange):
    """What would be left, or the same problem as the real request's, with nothing changed."""
    year = await demo_year(exchange)
    firm = exchange.client("compliance")
    before = await headroom(exchange), await exchange.state_hash()
    body = {"scheme": "demo", "action": "purchase", "quantity": "10", "symbol": "GD-PHCER"}
    seen = checked(await firm.post("/v1/compliance/preview", json=body), answers.CompliancePreview)
    assert (seen["allowed"], seen["year"], seen["after"]["held"]) == (True, year, "10")
    assert int(seen["after"]["headroom"]) == int(before[0]["headroom"]) - 10
    body |= {"action": "surrender"}
    answer = await firm.post(
        "/v1/compliance/preview", json=body, headers={"Accept-Language": "zh-CN"}
    )
    seen = checked(answer, answers.CompliancePreview)
    assert (seen["allowed"], seen["after"]) == (False, None)
    assert seen["problem"]["code"] == "insufficient_credits"
    assert "符合该体系要求的减排量为 0 吨" in seen["problem"]["detail"]
    assert (await headroom(exchange), await exchange.state_hash()) == before
    body |= {"scheme": "national"}
    assert problem(await firm.post("/v1/compliance/preview", json=body))[1] == "not_eligible"


async def test_what_a_scheme_does_not_admit_is_not_bought(exchange, monkeypatch):
    """A compliance order is refused before it trades; one that was accepted is still replayed."""
    year = await demo_year(exchange)
    obligation = {"account": "compliance", "scheme": "national", "year": year}
    made = await exchange.client("operator").post(
        "/v1/compliance/obligations", json=obligation | {"base_quantity": "1000"}
    )
    assert made.status_code == 201
    firm = exchange.client("compliance")
    order = {"symbol": "GD-PHCER", "side": "buy", "type": "limit", "price": "46.00"}
    order |= {"quantity": "5", "purpose": "compliance", "client_order_id": "c1"}
    refused = await firm.post("/v1/orders", json=order | {"scheme": "national"})
    assert problem(refused) == (422, "not_eligible", "symbol")
    placed = await firm.post("/v1/orders", json=order | {"scheme": "demo"})
    assert placed.status_code == 201, placed.text

    def refuse(*_: object) -> None:
        raise Refused("offset_cap_exceeded", "The quota is used up meanwhile.", field="quantity")

    monkeypatch.setattr(compliance, "check_purchase", refuse)
    again = await firm.post("/v1/orders", json=order | {"scheme": "demo"})
    assert (again.status_code, again.json()["replayed"]) == (200, True)
    other = await firm.post("/v1/orders", json=order | {"scheme": "demo", "client_order_id": "c2"})
    assert problem(other) == (422, "offset_cap_exceeded", "quantity")


async def test_the_document_describes_every_answer(exchange):
    document = (await exchange.public.get("/openapi.json")).json()
    for method, path in answers.COMPLIANCE_ANSWERS:
        responses = document["paths"][path][method.lower()]["responses"]
        found = [responses[code] for code in responses if code.startswith("2")]
        assert found
        for success in found:
            assert "$ref" in success["content"]["application/json"]["schema"]


@pytest.mark.parametrize(
    ("username", "path", "body", "expected"),
    [
        ("operator", "obligations", {"account": "nobody"}, (404, "not_found", "account")),
        ("operator", "obligations", {"scheme": "none"}, (404, "not_found", "scheme")),
        ("operator", "obligations", {"year": 1999}, (400, "invalid_request", "year")),
        (
            "operator",
            "obligations",
            {"base_quantity": 1},
            (400, "invalid_request", "base_quantity"),
        ),
        ("compliance", "obligations", {}, (403, "forbidden", None)),
        ("enterprise", "surrenders", {}, (403, "forbidden", None)),
        ("compliance", "surrenders", {"scheme": "none"}, (404, "not_found", "scheme")),
        ("compliance", "surrenders", {"scheme": "national"}, (422, "not_eligible", "scheme")),
        ("compliance", "surrenders", {"quantity": "0"}, (400, "invalid_request", "quantity")),
        ("compliance", "surrenders", {}, (422, "insufficient_credits", "quantity")),
    ],
)
async def test_what_is_refused_leaves_the_headroom(exchange, username, path, body, expected):
    year = await demo_year(exchange)
    bodies = {
        "obligations": {"account": "compliance", "scheme": "demo", "year": year}
        | {"base_quantity": "1"},
        "surrenders": {"scheme": "demo", "year": year, "quantity": "1"},
    }
    before = await headroom(exchange), await exchange.state_hash()
    client = exchange.client(username)
    answer = await client.post(f"/v1/compliance/{path}", json=bodies[path] | body)
    assert problem(answer) == expected
    assert (await headroom(exchange), await exchange.state_hash()) == before


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("scheme=none", (404, "not_found", "scheme")),
        ("scheme=national", (422, "not_eligible", "scheme")),
        ("scheme=demo&year=1999", (422, "not_eligible", "scheme")),
        ("scheme=demo&year=x", (400, "invalid_request", "year")),
        ("", (400, "invalid_request", "scheme")),
    ],
)
async def test_headroom_of_nothing_is_refused(exchange, query, expected):
    answer = await exchange.client("compliance").get(f"/v1/compliance/headroom?{query}")
    assert problem(answer) == expected
