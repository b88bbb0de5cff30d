"""Runs a whole exchange for tests: a real core and the real application in one loop.

The core runs the reference engine, which needs no compiling. The demo's seed gives accounts,
instruments and credits; requests go to the application without a socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from fastapi import FastAPI

from api.app import create_app
from api.back_office import BackOffice
from api.gateway import Gateway
from api.settings import Settings
from engine.core import Core
from engine.matching.reference import ReferenceEngine
from engine.state import EngineLimits

PASSWORD = "demo"
USERNAMES = (
    *("enterprise", "organiser", "maker", "compliance", "registry", "operator", "auditor"),
)
REQUESTS_PER_SECOND = 10_000
LIMITS = EngineLimits(
    orders=20_000, accounts=64, positions=256, allowances=32, instruments=8, ladder_levels=1 << 18
)


class Exchange(NamedTuple):
    """A running exchange, and clients who are logged in to it."""

    app: FastAPI
    gateway: Gateway
    back_office: BackOffice
    public: httpx.AsyncClient
    clients: dict[str, httpx.AsyncClient]

    def client(self, username: str) -> httpx.AsyncClient:
        """The client of one of the demo's users."""
        return self.clients[username]

    async def state_hash(self) -> str:
        """The engine's, from the operator's route."""
        answer = await self.client("operator").get("/v1/operator/state-hash")
        found: str = answer.json()["state_hash"]
        return found


def connect(app: FastAPI, **options: Any) -> httpx.AsyncClient:
    """A client of the application that sees a failure of the server as its answer."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver", **options)


@asynccontextmanager
async def running_core(data_dir: Path) -> AsyncIterator[Core]:
    """A core in this loop, stopped at the end."""
    core = Core(data_dir, ReferenceEngine, LIMITS)
    try:
        await core.start()
        yield core
    finally:
        await core.stop()


@asynccontextmanager
async def running_back_office(settings: Settings) -> AsyncIterator[BackOffice]:
    """A back office in this loop, which has seeded the demo."""
    back_office = BackOffice(settings)
    try:
        await back_office.start()
        yield back_office
    finally:
        await back_office.stop()


@asynccontextmanager
async def running_exchange(data_dir: Path, **changes: Any) -> AsyncIterator[Exchange]:
    """An exchange on `data_dir` from its start to its stop."""
    # Tests ask faster than any client may.
    changes = {"requests_per_second": REQUESTS_PER_SECOND, "demo_quotes": False} | changes
    settings = Settings(data_dir=data_dir, demo=True, **changes)
    app = create_app(settings)
    async with (
        running_core(data_dir),
        running_back_office(settings) as back_office,
        app.router.lifespan_context(app),
        connect(app) as public,
    ):
        clients: dict[str, httpx.AsyncClient] = {}
        for username in USERNAMES:
            body = {"username": username, "password": PASSWORD}
            answer = await public.post("/v1/sessions", json=body)
            token = answer.json()["token"]
            clients[username] = connect(app, headers={"Authorization": f"Bearer {token}"})
        yield Exchange(app, app.state.gateway, back_office, public, clients)
        for client in clients.values():
            await client.aclose()
