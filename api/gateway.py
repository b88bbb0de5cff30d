"""The composition root of the gateway process: everything is made and connected here, once.

    core ──events──> instruments, feed (and its market), live orders ──> streams
    core ──events, over a link of its own──> intake ──> database
    routes, streams ──commands──> core

The intake has its own link, so that a database that falls behind delays nothing else: its link is
then dropped and taken up again from the checkpoint.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import structlog
from fastapi import Request
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from api import (
    balances,
    market_phases,
    operator_actions,
    order_entry,
    order_history,
    outside_exports,
    settlement_runs,
)
from api.account_events import AccountEvents
from api.auth import Authenticator
from api.cancel_after import CancelAfter
from api.core_client import CoreClient, CoreError, CoreUnavailable
from api.instruments import Instruments
from api.live_orders import LiveOrders
from api.order_commands import OrderName
from api.order_views import OrderView, render
from api.rate_limits import Policy, RateLimits
from api.settings import Settings
from api.stream_hub import StreamHub
from api.sync_core import SyncCore
from engine.queries import MarketAnswer
from engine.superseded import without_superseded
from marketdata.feed import Feed
from marketdata.market import Market, PastTrade
from settlement import (
    block_trades,
    certificate_signatures,
    compliance,
    history,
    one_way_auctions,
    operations,
)
from settlement.database import Database
from settlement.intake import Intake, IntakeBehindError, intake_lease
from settlement.intake import checkpoint as read_checkpoint
from settlement.market_phases import Halt
from settlement.outside_registry import HttpRegistry, OutsideRegistry
from settlement.tables.compliance import SchemeYear
from settlement.tables.events import EventOrder

logger = structlog.get_logger(__name__)

# Trades older than this are in the database only; charts begin here.
TRADES_LOADED_NS = 7 * 24 * 3_600 * 1_000_000_000
_LEASE_SECONDS = 2.0
_POLL_SECONDS = 0.05
_AUCTION_SECONDS = 1.0
_CONNECT_SECONDS = 60.0


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
        self.rate_limits = RateLimits(_policies(settings))
        # Each check of a password takes memory and a core for some milliseconds, on purpose.
        self.password_checks = asyncio.Semaphore(2)
        self.scheme_names: dict[int, str] = {}
        # What orders are for, by account and client id.
        self.event_ids: dict[tuple[int, int, int], str] = {}
        self.halts: dict[int, Halt] = {}  # the operators', by instrument
        self.database = Database(settings.database)
        self.authenticator = Authenticator(self.database)
        self.certificate_key = certificate_signatures.load_key(settings.data_dir)
        self.outside_registries: dict[str, OutsideRegistry] = {
            name: HttpRegistry(url) for name, url in settings.outside_registries.items()
        }
        self.cancel_after = CancelAfter(
            self.database, lambda account: order_entry.cancel_all(self, account)
        )
        self.core: CoreClient
        self.sync_core: SyncCore
        self._links: list[CoreClient] = []
        self._lease = intake_lease(settings.data_dir)
        self._intake: Intake | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._on_failure = on_failure or _end_process

    # --- Start and stop ---

    async def start(self) -> None:
        """Connect, catch up, and be ready for clients."""
        await asyncio.to_thread(self.database.migrate)
        self.core = await self._connect("gateway", self._take_events, self._core_lost)
        self.sync_core = SyncCore(self.core, asyncio.get_running_loop())
        self._supervise("core", self.core.stay_connected(self._core_back))
        await self._start_intake()
        await self._load()
        self._supervise("balances", self.streams.run_balances())
        self._supervise("intake", self._keep_intake())
        self._supervise("auctions", self._close_auctions())
        await self._resume()
        await self.cancel_after.load()
        self._supervise("calendar", market_phases.follow_calendar(self))
        self._supervise("exports", outside_exports.follow(self))
        self.is_ready = True
        logger.info("gateway_ready", sequence=self.live_orders.sequence)

    async def stop(self) -> None:
        """Say goodbye to the streams, write what was taken in, and close what was opened."""
        self.is_ready = False
        self.streams.shut_down()
        await self.cancel_after.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._links:
            await link.close()
        if self._intake is not None:
            await asyncio.to_thread(self._intake.close)
        await asyncio.to_thread(self.database.close)
        self._lease.release()

    async def _connect(
        self,
        name: str,
        on_events: Callable[[np.ndarray, int], None],
        on_lost: Callable[[], None] | None = None,
    ) -> CoreClient:
        deadline = time.monotonic() + _CONNECT_SECONDS
        while True:
            try:
                link = await CoreClient.connect(self.settings.socket_path, name, on_events, on_lost)
            except CoreUnavailable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_POLL_SECONDS)
            else:
                self._links.append(link)
                return link

    async def _load(self) -> None:
        """Start the views from one state of the core, once the database has caught up with it."""
        answer = await self.core.market()
        # Whichever process does the intake, the database is where both meet.
        while await asyncio.to_thread(self.read_checkpoint) < answer.sequence:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
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
            for row in session.scalars(select(SchemeYear)):
                self.scheme_names[row.number] = row.scheme
            for link in session.scalars(select(EventOrder)):
                key = (link.account, link.client_id_high, link.client_id_low)
                self.event_ids[key] = link.event_id

    def read_checkpoint(self) -> int:
        with self.database.read() as session:
            return read_checkpoint(session)

    async def _resume(self) -> None:
        """Finish what a crash interrupted; in the demo, what is not seeded yet."""
        await operator_actions.resume_cash(self)
        if self._intake is None:
            return
        await asyncio.to_thread(operations.resume_pending, self.database, self.sync_core)
        await asyncio.to_thread(compliance.resume_obligations, self.database, self.sync_core)
        await asyncio.to_thread(block_trades.resume_pending, self.database, self.sync_core)
        await asyncio.to_thread(settlement_runs.resume, self)
        if self.settings.demo:
            from api import demo

            await demo.seed(self)

    # --- The intake: one gateway of a data folder writes the events into the database ---

    async def _start_intake(self) -> None:
        if not self._lease.acquire():
            return
        intake = Intake(self.database)
        first_sequence = await asyncio.to_thread(intake.checkpoint) + 1

        def take(events: np.ndarray, last_sequence: int) -> None:
            try:
                intake.consume(events, last_sequence)
            except IntakeBehindError:
                # The link is dropped, and taken up again where it was.
                raise
            except Exception:
                logger.critical("intake_failed", exc_info=True)
                self._on_failure()
                raise

        link = await self._connect("intake", take)
        self._supervise("intake_link", link.stay_connected())
        await link.subscribe(first_sequence)
        self._intake = intake

    @property
    def has_lease(self) -> bool:
        """Whether this is the gateway that writes the database and follows the calendar."""
        return self._intake is not None

    async def _keep_intake(self) -> None:
        """Take the intake over if the gateway that does it is gone."""
        while self._intake is None:
            await asyncio.sleep(_LEASE_SECONDS)
            await self._start_intake()

    async def _close_auctions(self) -> None:
        """Close every auction when its end has come: one gateway does so for all."""
        while True:
            await asyncio.sleep(_AUCTION_SECONDS)
            if self._intake is None or not self.core.connected:
                continue
            try:
                await asyncio.to_thread(
                    one_way_auctions.close_due, self.database, self.sync_core, time.time_ns()
                )
            except (CoreError, OperationalError) as error:
                # It is written down how far they are; the next round carries on.
                logger.warning("auctions_wait", why=str(error))

    # --- What the core says ---

    def _take_events(self, events: np.ndarray, last_sequence: int) -> None:
        """Let every view follow, then tell the streams; replies to commands come after this."""
        self.instruments.apply(events)
        decisive = without_superseded(events)
        pushes = self.feed.apply(decisive, self.streams.is_wanted)
        changes = self.live_orders.apply(decisive)
        self.streams.publish(events, pushes, changes)
        self.account_events.publish(events)

    def _core_lost(self) -> None:
        logger.warning("core_lost")
        self.streams.notify("engine_lost")

    def _core_back(self) -> None:
        logger.info("core_back")
        self.streams.notify("engine_ready")
        self._supervise("resume", self._resume_again())

    async def _resume_again(self) -> None:
        """Carry on what waited for an answer when the core was lost."""
        try:
            await self._resume()
        except CoreError as error:
            logger.warning("resume_interrupted", why=str(error))

    def _supervise(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background; a failure is said loudly and ends the process, to start afresh."""

        def done(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.critical("task_failed", task=name, exc_info=error)
                self._on_failure()

        task = asyncio.create_task(work, name=name)
        task.add_done_callback(done)
        self._tasks.append(task)

    # --- What several routes and the streams need ---

    @property
    def pending_events(self) -> int:
        """How many wait for the database; another gateway's are not known here."""
        return self._intake.pending_events if self._intake else 0

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
        event_id = self.event_ids.get((view.account, view.client_id_high, view.client_id_low))
        return render(view, instrument, self.scheme_names.get(view.scheme), event_id)

    async def find_order(self, account: int, name: OrderName) -> OrderView | None:
        """The account's order, from memory or else from the database; None for others'."""
        view = (
            self.live_orders.get(name.order_id)
            if name.order_id
            else self.live_orders.get_by_client_id(account, *name.client_id)
        )
        if view is None:
            view = await asyncio.to_thread(self._read_order, account, name)
        return view if view is not None and view.account == account else None

    def _read_order(self, account: int, name: OrderName) -> OrderView | None:
        with self.database.read() as session:
            return order_history.find(session, account, name.order_id, name.client_id)

    async def read_balances(self, account: int) -> tuple[int, dict[str, Any]]:
        """The account's balances, and the sequence as of which they stand."""
        answer = await self.core.account(account)
        return answer.sequence, balances.render(answer, self.instruments)


def _policies(settings: Settings) -> list[Policy]:
    return [
        Policy("orders", settings.orders_per_second, 1),
        Policy("requests", settings.requests_per_second, 1),
        Policy("public", settings.requests_per_second, 1),
        # Wrong credentials, by address, and wrong passwords, by user name.
        Policy("failures", 60, 60),
        Policy("logins", 10, 60),
    ]


def _end_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def gateway(request: Request) -> Gateway:
    """The dependency by which routes get the gateway."""
    found: Gateway = request.app.state.gateway
    return found
