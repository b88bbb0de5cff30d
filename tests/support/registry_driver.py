"""The registry over HTTP for tests: a registrar, a batch, and answers held to what is published."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
from exchange_driver import PASSWORD, Exchange, connect

from api import registry_answers as answers


async def log_in(exchange: Exchange, username: str) -> httpx.AsyncClient:
    body = {"username": username, "password": PASSWORD}
    token = (await exchange.public.post("/v1/sessions", json=body)).json()["token"]
    return connect(exchange.app, headers={"Authorization": f"Bearer {token}"})


async def issue(exchange: Exchange, account: str = "enterprise", quantity: str = "100") -> str:
    """A fresh batch of GD-PHCER of a project of `account`, issued over HTTP; returns its id."""
    registrar = await log_in(exchange, "registry")
    project = await registrar.post(
        "/v1/registry/projects",
        json={
            "name": "Green buses 绿色公交",
            "methodology": "GD-PH-001",
            "region": "广东",
            "type": "transport",
            "account": account,
            "symbol": "GD-PHCER",
        },
    )
    project_id = checked(project, answers.Project, 201)["project_id"]
    batch = await registrar.post(
        "/v1/registry/batches",
        json={
            "project_id": project_id,
            "vintage": "2024",
            "quantity": quantity,
            "serial_prefix": "GD-BUS",
        },
    )
    return checked(batch, answers.Batch, 201)["batch_id"]


async def holdings(client: httpx.AsyncClient) -> list[tuple[str, str, str]]:
    answer = checked(await client.get("/v1/registry/holdings"), answers.Holdings)
    return sorted(
        (item["serials"]["start"], item["quantity"], item["status"]) for item in answer["items"]
    )


def checked(answer: httpx.Response, into: type, status_code: int = 200) -> dict[str, Any]:
    """The answer's content, which is as the OpenAPI document says."""
    assert answer.status_code == status_code, answer.text
    msgspec.convert(answer.json(), into)
    return answer.json()


def problem(answer: httpx.Response) -> tuple[int, str, str | None]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    content = answer.json()
    return answer.status_code, content["code"], content.get("field")
