"""The composition root of the back office: what is done once for all gateways, off their way.

    core ──events──> intake ──> database
    calendar, auctions, dead-man's switches, end of day, what was left undone ──commands──> core

There is one for a data folder: whoever holds the lease. Trading does not wait for it: gateways
answer from memory what the tables do not have yet, and leave what it is to do in the database. So
it may be killed at any time, and its next start goes on from there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import structlog
from sqlalchemy.exc import OperationalError

from api import cancel_after, metrics, operator_actions
from api.background import Background
from api.core_client import CoreClient, CoreError
from api.settings import Settings
from api.settlement_runs import SettlementRuns
from api.sync_core import SyncCore
from settlement import block_trades, compliance, one_way_auctions, operations, outside_registry
from settlement.database import Database
from settlement.intake import Intake, IntakeBehindError, intake_lease
from settlement.market_phases import Scheduler

logger = structlog.get_logger(__name__)

# Also how long a change in the calendar, a settled day or what a gateway asks for may go unnoticed.
# A dead-man's switch is armed for a second at least, so none is seen too late.
_TURN_SECONDS = 1.0
_FAILED_SECONDS = 10.0
_LEASE_SECONDS = 1.0

Duty = Callable[[], Any]  # what is to be done now, in a thread


class BackOffice:
    """All that is done once, whatever the number of gateways."""

    def __init__(self, settings: Settings, on_failure: Callable[[], None] | None = None) -> None:
        self.settings = settings
        self.database = Database(settings.database)
        self.sync_core: SyncCore
        self._core: CoreClient
        self._intake: Intake | None = None
        self._lease = intake_lease(settings.data_dir)
        self._background = Background(settings.socket_path, on_failure)
        self._threads: ThreadPoolExecutor | None = None

    # --- Start and stop ---

    async def start(self) -> None:
        """Bring the tables to this version, take the events in, and take up the duties."""
        await asyncio.to_thread(self.database.migrate)
        while not self._lease.acquire():
            logger.warning("back_office_waits", why="another process does the intake")
            await asyncio.sleep(_LEASE_SECONDS)
        self._core = await self._background.connect("back-office")
        self.sync_core = SyncCore(self._core, asyncio.get_running_loop())
        runs = SettlementRuns(self.database, self.sync_core, self.settings)
        self._background.supervise("core", self._core.stay_connected(runs.resume))
        await self._start_intake()
        if self.settings.demo:
            from api import demo

            await demo.seed(self.database, self.sync_core, self.settings)
        database, core = self.database, self.sync_core

        # These tell when there will be more to do (ns).
        timed: dict[str, Duty] = {
            "calendar": Scheduler(database, core).step,
            "switches": lambda: cancel_after.fire_due(database, core, time.time_ns()),
        }
        others: dict[str, Duty] = {
            "auctions": lambda: one_way_auctions.close_due(database, core, time.time_ns()),
            "settlement": runs.step,
            # What a gateway began and could not finish: it was killed, or the core was away.
            "cash": partial(operator_actions.resume_cash, database, core),
            "operations": partial(operations.resume_pending, database, core),
            "obligations": partial(compliance.resume_obligations, database, core),
            "block_trades": partial(block_trades.resume_pending, database, core),
            "exports": partial(outside_registry.settle_exports, database, core, self._registries()),
        }
        # A thread for each, so that none waits for another.
        self._threads = ThreadPoolExecutor(len(timed) + len(others), "duty")
        for name, duty in (timed | others).items():
            self._background.supervise(name, self._repeat(name, duty, is_timed=name in timed))
        logger.info("back_office_ready")

    async def stop(self) -> None:
        """Write what was taken in, and close what was opened."""
        await self._background.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False)
        if self._intake is not None:
            await asyncio.to_thread(self._intake.close)
        await asyncio.to_thread(self.database.close)
        self._lease.release()

    def _registries(self) -> dict[str, outside_registry.OutsideRegistry]:
        return {
            name: outside_registry.HttpRegistry(url)
            for name, url in self.settings.outside_registries.items()
        }

    async def _start_intake(self) -> None:
        """The intake has a link of its own: one that falls behind is dropped, and taken up again
        from the checkpoint, while the duties' link stays."""
        intake = self._intake = Intake(self.database)
        first_sequence = await asyncio.to_thread(intake.checkpoint) + 1

        def take(events: np.ndarray, last_sequence: int) -> None:
            try:
                intake.consume(events, last_sequence)
            except IntakeBehindError:
                # The link is dropped, and taken up again where it was.
                raise
            except Exception:
                logger.critical("intake_failed", exc_info=True)
                self._background.fail()
                raise

        link = await self._background.connect("intake", take)
        self._background.supervise("intake_link", link.stay_connected())
        await link.subscribe(first_sequence)

    # --- The duties ---

    async def _repeat(self, name: str, duty: Duty, *, is_timed: bool) -> None:
        """Do a duty again and again, for ever; whatever fails in it, the others go on."""
        loop = asyncio.get_running_loop()
        while True:
            pause_seconds = _TURN_SECONDS
            if self._core.connected:
                turn = loop.run_in_executor(self._threads, duty)
                try:
                    # A thread cannot be cancelled: whoever ends this waits for its turn to end.
                    answer = await asyncio.shield(turn)
                except asyncio.CancelledError:
                    await asyncio.gather(turn, return_exceptions=True)
                    raise
                except (CoreError, OperationalError) as error:
                    # The core or the database is away; nothing is lost, and the next turn goes on.
                    logger.warning("duty_waits", duty=name, why=str(error))
                except Exception:
                    # Trading and the other duties go on while somebody looks at this one.
                    metrics.DUTY_FAILURES.labels(name).inc()
                    logger.critical("duty_failed", duty=name, exc_info=True)
                    pause_seconds = _FAILED_SECONDS
                else:
                    if is_timed and answer is not None:
                        left_seconds = (answer - time.time_ns()) / 1e9
                        pause_seconds = min(max(left_seconds, 0.0), _TURN_SECONDS)
            if self._intake is not None:
                metrics.INTAKE_PENDING.set(self._intake.pending_events)
            await asyncio.sleep(pause_seconds)
