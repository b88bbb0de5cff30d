"""What a gateway learns of the others: halts, logouts, revoked keys, and the names in their orders.

Two gateways and a back office share a data folder here; each test asks one about the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from exchange_driver import Exchange, connect, running_exchange
from sqlalchemy.exc import OperationalError

from api import other_processes
from api.app import create_app
from api.settings import Settings
from settlement.market_phases import Halt

NOTHING: tuple[list[str], list[str]] = ([], [])


@pytest.fixture
async def gateways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Exchange, httpx.AsyncClient, Any]]:
    """An exchange, and a client of a second gateway of it."""
    monkeypatch.setattr(other_processes, "_TURN_SECONDS", 0.01)
    async with running_exchange(tmp_path) as exchange:
        app = create_app(Settings(data_dir=tmp_path, demo=True))
        async with app.router.lifespan_context(app), connect(app) as other:
            yield exchange, other, app.state.gateway


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again: the other gateway tells nobody when it has heard."""
    async with asyncio.timeout(10):
        while not await is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_logout_holds_for_all(gateways: Any) -> None:
    """The token is known to both gateways; ended at one, the other soon takes it no more."""
    exchange, other, _ = gateways
    login = {"username": "maker", "password": "demo"}
    token = (await exchange.public.post("/v1/sessions", json=login)).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await other.get("/v1/balances", headers=headers)).status_code == 200
    assert (await exchange.public.delete("/v1/sessions", headers=headers)).status_code == 204
    assert (await exchange.public.get("/v1/balances", headers=headers)).status_code == 401

    async def is_out() -> bool:
        return (await other.get("/v1/balances", headers=headers)).status_code == 401

    await until(is_out)


async def test_a_halt_is_shown_by_all(gateways: Any) -> None:
    """The phase comes from the core at once, the reason from the database soon after."""
    exchange, _, gateway = gateways
    body = {"symbol": "XM-CER", "phase": "halted", "reason": "Storm"}
    answer = await exchange.client("operator").post("/v1/operator/sessions", json=body)
    assert answer.status_code == 200

    async def is_halted() -> bool:
        return [halt.reason for halt in gateway.halts.values()] == ["Storm"]

    await until(is_halted)


async def test_names_of_another_gateways_order(gateways: Any) -> None:
    """A compliance order shows its scheme, whichever gateway is asked, on the first try."""
    exchange, other, gateway = gateways
    gateway.order_names.schemes.clear()
    order = {
        "client_order_id": "1",
        "symbol": "GD-PHCER",
        "side": "buy",
        "type": "limit",
        "price": "46.00",
        "quantity": "1",
        "purpose": "compliance",
        "scheme": "demo",
    }
    client = exchange.client("compliance")
    placed = await client.post("/v1/orders", json=order)
    assert placed.json()["scheme"] == "demo"
    shown = await other.get("/v1/orders/client:1", headers=client.headers)
    assert shown.json()["scheme"] == "demo"


async def test_the_end_of_a_key_is_found_by_its_time(gateways: Any) -> None:
    """Only what has ended since is found; a session that goes on is none of it."""
    exchange, _, gateway = gateways
    before_ns = time.time_ns()
    token = exchange.client("maker").headers["Authorization"].removeprefix("Bearer ")
    _, (tokens, keys) = other_processes._read(gateway, before_ns)
    assert (tokens, keys) == NOTHING
    await exchange.client("maker").delete("/v1/sessions")
    _, (tokens, keys) = other_processes._read(gateway, before_ns)
    assert (len(tokens), keys) == (1, [])
    assert token not in tokens, "only its hash is known"


class Outside:
    """A gateway for the loop alone."""

    database = None
    live_orders = SimpleNamespace(sequence=0)
    streams = SimpleNamespace(connections=0)
    authenticator = SimpleNamespace(forget=lambda *_: None)

    def __init__(self) -> None:
        self.halts: dict[int, Halt] = {}
        self.changed = asyncio.Event()

    def set_halts(self, found: dict[int, Halt]) -> None:
        self.halts = found
        self.changed.set()


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets the loop's turns be these, at once one after the other; the last one goes on."""

    def replace(*turns: Callable[[], Any]) -> None:
        left = list(turns)

        def turn(*_: Any) -> Any:
            return (left.pop(0) if len(left) > 1 else left[0])()

        monkeypatch.setattr(other_processes, "_read", turn)
        monkeypatch.setattr(other_processes, "_TURN_SECONDS", 0.0)

    return replace


def fail(error: Exception) -> Any:
    raise error


async def test_the_loop_outlives_a_lost_database(turns: Callable[..., None]) -> None:
    """It comes back, and what was missed is read then."""
    halt = Halt("Storm", "operator", 1)
    turns(
        lambda: fail(OperationalError("SELECT", {}, Exception("gone"))),
        lambda: ({1: halt}, NOTHING),
    )
    outside = Outside()
    loop = asyncio.create_task(other_processes.follow(outside))  # type: ignore[arg-type]
    await outside.changed.wait()
    assert outside.halts == {1: halt}
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop


async def test_what_was_read_before_a_halt_does_not_take_it_back(
    turns: Callable[..., None],
) -> None:
    """A turn that began before the operator's word ends after it."""
    halt = Halt("Storm", "operator", 1)
    outside = Outside()
    asked = asyncio.Event()
    event_loop = asyncio.get_running_loop()
    calls: list[int] = []

    def stale() -> Any:
        outside.set_halts({1: halt})
        return {}, NOTHING

    def later() -> Any:
        calls.append(len(outside.halts))
        event_loop.call_soon_threadsafe(asked.set)
        return {1: halt}, NOTHING

    turns(stale, later)
    loop = asyncio.create_task(other_processes.follow(outside))  # type: ignore[arg-type]
    await asked.wait()
    assert calls[0] == 1
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
