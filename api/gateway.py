"""The composition root of a gateway: everything is made and connected here, once.

    core ──events──> instruments, feed (and its market), live orders ──> streams
    routes, streams ──commands──> core
    routes ──what is asked for, sessions, keys──> database ──> back office

Several gateways may serve one port. Each gets all events, so it shows the orders that the others
took; what else they share is in the database, and the buckets of the rate limits in memory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import structlog
from fastapi import Request

from api import balances, order_history, other_processes, record_kernels
from api.account_events import AccountEvents
from api.auth import Authenticator
from api.background import POLL_SECONDS, Background
from api.core_client import CoreClient
from api.errors import Problem
from api.inherited import rate_limit_memory
from api.instruments import Instruments
from api.live_orders import LiveOrders
from api.order_commands import OrderName
from api.order_names import OrderNames
from api.order_views import OrderView, render
from api.rate_limits import Buckets, Policy, RateLimits
from api.settings import Settings
from api.stream_hub import StreamHub
from api.sync_core import SyncCore
from engine import superseded
from engine.queries import MarketAnswer
from marketdata.feed import Feed
from marketdata.market import Market, PastTrade
from settlement import certificate_signatures, history
from settlement.database import Database
from settlement.intake import checkpoint as read_checkpoint
from settlement.market_phases import Halt

logger = structlog.get_logger(__name__)

# Trades older than this are in the database only; charts begin here.
TRADES_LOADED_NS = 7 * 24 * 3_600 * 1_000_000_000


class Gateway:
    """What the routes and streams work with; `app.state.gateway`."""

    def __init__(self, settings: Settings, on_failure: Callable[[], None] | None = None) -> None:
        self.settings = settings
        self.is_ready = False
        self.instruments = Instruments()
        self.market = Market()
        self.feed = Feed(self.market)
        self.live_orders = LiveOrders()
        self.streams = StreamHub(
            self.feed, self.instruments.by_number, self.render_order, self.read_balances
        )
        self.account_events = AccountEvents()
        self.rate_limits = RateLimits(_policies(settings), Buckets(rate_limit_memory()))
        # Each check of a password takes memory and a core for some milliseconds, on purpose.
        self.password_checks = asyncio.Semaphore(2)
        self.halts: dict[int, Halt] = {}  # the operators', by instrument
        self.database = Database(settings.database)
        self.authenticator = Authenticator(self.database)
        self.order_names = OrderNames(self.database)
        self.certificate_key = certificate_signatures.load_key(settings.data_dir)
        self.core: CoreClient
        self.sync_core: SyncCore
        self._background = Background(settings.socket_path, on_failure)

    # --- Start and stop ---

    async def start(self) -> None:
        """Connect, catch up, and be ready for clients."""
        await asyncio.to_thread(_warm_up)
        await asyncio.to_thread(self.database.migrate)
        self.core = await self._background.connect("gateway", self._take_events, self._core_lost)
        self.sync_core = SyncCore(self.core, asyncio.get_running_loop())
        self._background.supervise("core", self.core.stay_connected(self._core_back))
        await self._load()
        self._background.supervise("balances", self.streams.run_balances())
        self._background.supervise("other_processes", other_processes.follow(self))
        self.is_ready = True
        logger.info("gateway_ready", sequence=self.live_orders.sequence)

    async def stop(self) -> None:
        """Say goodbye to the streams, and close what was opened."""
        self.is_ready = False
        self.streams.shut_down()
        await self._background.close()
        await asyncio.to_thread(self.database.close)

    async def _load(self) -> None:
        """Start the views from one state of the core, once the database has caught up with it."""
        answer = await self.core.market()
        # Of what was closed before, only the tables know: the back office writes them meanwhile.
        while await asyncio.to_thread(self.read_checkpoint) < answer.sequence:  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.to_thread(self._load_views, answer)
        await self.core.subscribe(answer.sequence + 1)

    def _load_views(self, answer: MarketAnswer) -> None:
        self.instruments.load(answer.sequence, answer.instruments)
        with self.database.read() as session:
            self.live_orders.load(
                answer.sequence,
                answer.orders,
                order_history.views(session, answer.orders["order_id"].tolist()),
            )
            trades = history.trades_since(session, time.time_ns() - TRADES_LOADED_NS)
            past = (
                PastTrade(
                    trade_id=trade.trade_id,
                    symbol=symbol,
                    price_ticks=trade.price_ticks,
                    quantity_lots=trade.quantity_lots,
                    taker_side=trade.taker_side,
                    time_ns=trade.time_ns,
                    trading_day=trade.trading_day,
                    trade_type=trade.trade_type,
                )
                for trade, symbol in trades
            )
            self.market.load(answer.sequence, answer.instruments, answer.orders, past)
            self.order_names.load(session)

    def read_checkpoint(self) -> int:
        with self.database.read() as session:
            return read_checkpoint(session)

    # --- What the core says ---

    def _take_events(self, events: np.ndarray, last_sequence: int) -> None:
        """Let every view follow, then tell the streams; replies to commands come after this."""
        decisive = superseded.without_superseded(events)
        self.instruments.apply(decisive)
        pushes = self.feed.apply(decisive, self.streams.is_wanted)
        changes = self.live_orders.apply(decisive)
        self.streams.publish(decisive, pushes, changes)
        self.account_events.publish(events)

    def _core_lost(self) -> None:
        logger.warning("core_lost")
        self.streams.notify("engine_lost")

    def _core_back(self) -> None:
        logger.info("core_back")
        self.streams.notify("engine_ready")

    # --- What several routes and the streams need ---

    def set_halts(self, found: dict[int, Halt]) -> None:
        """Take over the halts that stand; tell everybody of those that begin and end."""
        before, self.halts = self.halts, found
        for number in before.keys() | found.keys():
            halt = found.get(number)
            if halt != before.get(number) and number in self.instruments.by_number:
                symbol = self.instruments.by_number[number].symbol
                self.market.instrument(symbol).halt_reason = halt and halt.reason
                if halt is None:
                    self.streams.notify("trading_resumed", symbol=symbol)
                else:
                    self.streams.notify("trading_halted", symbol=symbol, reason=halt.reason)

    def render_order(self, view: OrderView) -> dict[str, Any]:
        """The order as the public contract shows it."""
        instrument = self.instruments.by_number[view.instrument]
        return render(view, instrument, *self.order_names.of(view))

    async def find_order(self, account: int, name: OrderName) -> OrderView | None:
        """The account's order, from memory or else from the database; None for others'."""
        view = self._live_order(account, name)
        if view is None:
            view = await asyncio.to_thread(self._read_order, account, name)
        # Another gateway's answer may have been faster than the event that brings its order here.
        view = view or self._live_order(account, name)
        return view if view is not None and view.account == account else None

    def _live_order(self, account: int, name: OrderName) -> OrderView | None:
        if name.order_id:
            return self.live_orders.get(name.order_id)
        return self.live_orders.get_by_client_id(account, *name.client_id)

    def _read_order(self, account: int, name: OrderName) -> OrderView | None:
        with self.database.read() as session:
            found = order_history.find(session, account, name.order_id, name.client_id)
            if found is None and read_checkpoint(session) + 1 < self.live_orders.complete_from:
                # Closed so long ago that memory has forgotten it, and the tables lag: who knows.
                raise Problem("service_unavailable", retry_after_ms=1_000)
            return found

    async def read_balances(self, account: int) -> tuple[int, dict[str, Any]]:
        """The account's balances, and the sequence as of which they stand."""
        answer = await self.core.account(account)
        return answer.sequence, balances.render(answer, self.instruments)


def _warm_up() -> None:
    """Compile, or load from disk, what looks at every record."""
    record_kernels.warm_up()
    superseded.warm_up()


def _policies(settings: Settings) -> list[Policy]:
    return [
        Policy("orders", settings.orders_per_second, 1),
        Policy("requests", settings.requests_per_second, 1),
        Policy("public", settings.requests_per_second, 1),
        # Wrong credentials, by address, and wrong passwords, by user name.
        Policy("failures", 60, 60),
        Policy("logins", 10, 60),
    ]


async def gateway(request: Request) -> Gateway:
    """The dependency by which routes get the gateway."""
    found: Gateway = request.app.state.gateway
    return found
