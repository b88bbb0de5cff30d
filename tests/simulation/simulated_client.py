"""Who uses the exchange in a simulation: a gateway, traders who ask again, and hostile commands.

The gateway's logic is the exchange's own: `api.core_client` over a simulated link, and
`api.order_entry` with the views that it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from engine_driver import read_events
from engine_flows import FlowMaker
from simulated_clock import Link, SimulatedLoop

from api import order_entry
from api.auth import Caller
from api.core_client import CoreClient, CoreError
from api.errors import Problem
from api.instruments import Instruments
from api.live_orders import LiveOrders
from api.order_commands import OrderName
from api.order_views import OrderView, render
from api.schemas import OrderBody
from engine.codes import CommandKind
from engine.core import Core
from engine.decimals import format_price
from engine.packed_texts import pack_text
from engine.records import INSTRUMENT_COMMAND
from engine.server_link import ServerLink

FindCore = Callable[[], Core | None]
_UNKNOWN = ("execution_unknown", "service_unavailable")
_PATIENCE_SECONDS = 0.01


class SimulatedCoreClient(CoreClient):
    """The gateway's client, over a link that is no socket; notes what was sent as one."""

    def __init__(
        self, find_core: FindCore, links: list[Link], random: Random, *arguments: Any
    ) -> None:
        super().__init__("/nowhere", *arguments)  # type: ignore[arg-type]
        self.submissions: list[range] = []
        self._find_core, self._links, self._random = find_core, links, random
        self._next_request_id = random.randrange(1, 2**61)

    async def _dial(self, link: asyncio.Protocol) -> None:
        core = self._find_core()
        if core is None:
            raise ConnectionRefusedError
        assert isinstance(self._loop, SimulatedLoop)
        self._links.append(Link(self._loop, self._random))
        self._links[-1].open(ServerLink(core), link)

    async def submit(self, commands: np.ndarray) -> list[np.ndarray]:
        first_id = self._next_request_id
        try:
            return await super().submit(commands)
        finally:
            if self._next_request_id > first_id:  # else nothing was sent
                self.submissions.append(range(first_id, first_id + len(commands)))


class SimulatedGateway:
    """What `api.order_entry` needs of a gateway; its memory begins with the first event."""

    def __init__(self, core: SimulatedCoreClient) -> None:
        self.core = core
        self.instruments = Instruments()
        self.live_orders = LiveOrders()
        self.requests: dict[asyncio.Task[Any], None] = {}  # a set's order is not one
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        while not self.core.connected:
            try:
                await self.core.open()
            except CoreError:
                await asyncio.sleep(_PATIENCE_SECONDS)
        self._keeping = asyncio.ensure_future(self.core.stay_connected())
        await self.core.subscribe(1)

    def die(self) -> None:
        """The process is gone, and nobody who waits for it will hear of it again."""
        for task in (self._keeping, *self.requests):
            if task:
                task.cancel()

    def take_events(self, events: np.ndarray) -> None:
        self.instruments.apply(events)
        self.live_orders.apply(events)

    async def find_order(self, account: int, name: OrderName) -> OrderView | None:
        view = self.live_orders.get(name.order_id)
        return view if view is not None and view.account == account else None

    def render_order(self, view: OrderView) -> dict[str, Any]:
        return render(view, self.instruments.by_number[view.instrument], None)


class Trader:
    """Enters orders under ids of his own, each again and again until he knows what became of it."""

    def __init__(
        self, account: int, random: Random, find_gateway: Callable[[], SimulatedGateway | None]
    ) -> None:
        self.account = account
        self.known: dict[str, int] = {}  # what he was told: order id by client id
        self.refused: set[str] = set()
        self.repeated = 0
        self._caller = Caller(account, f"account {account}", "trader", frozenset(), frozenset())
        self._random, self._find_gateway = random, find_gateway
        self._number = 0

    async def trade(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(self._random.expovariate(1 / 0.004))
            self._number += 1
            await self._enter(f"{self.account}-{self._number}")

    async def _enter(self, client_id: str) -> None:
        body: OrderBody | None = None
        while True:
            gateway = self._find_gateway()
            if gateway is None or "SYM1" not in gateway.instruments.by_symbol:
                await asyncio.sleep(_PATIENCE_SECONDS)
                continue
            body = body or self._order(gateway.instruments, client_id)
            entering: Any = order_entry.place(gateway, self._caller, body)  # type: ignore[arg-type]
            task = asyncio.ensure_future(entering)
            gateway.requests[task] = None
            try:
                order, is_repeated = await task
            except asyncio.CancelledError:
                this = asyncio.current_task()
                if not task.cancelled() or (this and this.cancelling()):
                    raise
            except CoreError:
                await asyncio.sleep(_PATIENCE_SECONDS)
            except Problem as problem:
                if problem.code not in _UNKNOWN:
                    self.refused.add(client_id)
                    return
                await asyncio.sleep(_PATIENCE_SECONDS)
            else:
                self.repeated += is_repeated
                self.known[client_id] = int(order["order_id"])
                return
            finally:
                gateway.requests.pop(task, None)

    def _order(self, instruments: Instruments, client_id: str) -> OrderBody:
        random = self._random
        symbols = [symbol for symbol in ("SYM1", "SYM2") if symbol in instruments.by_symbol]
        instrument = instruments.by_symbol[random.choice(symbols)]
        price_ticks = max(instrument.reference_price_ticks + random.randint(-3, 3), 1)
        return OrderBody(
            client_order_id=client_id,
            symbol=instrument.symbol,
            side=random.choice(("buy", "sell")),
            type="limit",
            quantity=str(random.choice((1, 2, 5))),
            price=format_price(price_ticks, instrument.tick_fen),
            time_in_force=random.choice(("day", "gtc", "ioc")),
        )


class Feeder:
    """Sends the commands of the property tests, sensible and hostile, and never asks again."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._maker = FlowMaker()
        self._opening = self._maker.opening()
        self._learned_sequence = 0

    def learn(self, events: np.ndarray) -> None:
        """Follow what happened; what is told again is passed over."""
        events = events[events["sequence"] > self._learned_sequence]
        starts = np.flatnonzero(np.diff(events["sequence"], prepend=-1))
        for part in np.split(events, starts[1:]) if len(events) else []:
            self._maker.learn(read_events(part))
            self._learned_sequence = int(part["sequence"][-1])

    async def feed(self, count: int, find_gateway: Callable[[], SimulatedGateway | None]) -> None:
        sent = 0
        while self._opening or sent < count:
            await asyncio.sleep(self._random.expovariate(1 / 0.003))
            gateway = find_gateway()
            if gateway is None:
                continue
            commands = self._opening[:] or [
                self._maker.next(self._random.randrange(2**32))
                for _ in range(self._random.choice((1, 1, 2, 5)))
            ]
            batch = np.concatenate([_with_symbol(command) for command in commands])
            before = self._learned_sequence
            task = asyncio.ensure_future(gateway.core.submit(batch))
            gateway.requests[task] = None
            try:
                await task
                sent += len(commands)
                self._opening = []
            except asyncio.CancelledError:
                this = asyncio.current_task()
                if not task.cancelled() or (this and this.cancelling()):
                    raise
            except CoreError:
                await asyncio.sleep(_PATIENCE_SECONDS)
            finally:
                gateway.requests.pop(task, None)
            if self._learned_sequence > before:
                self._opening = []


def _with_symbol(command: np.ndarray) -> np.ndarray:
    """Instruments need names that differ, for the database's sake."""
    if command["kind"][0] == CommandKind.DEFINE_INSTRUMENT:
        fields = command.view(INSTRUMENT_COMMAND)
        number = abs(int(fields["instrument"][0])) % 1_000
        fields["symbol_high"], fields["symbol_low"] = pack_text(f"SYM{number}")
    return command
