"""End-of-day runs: begun in any gateway, carried out in the back office in a thread of their own.

A gateway only writes down that a day is to be settled. The back office may end while a run is at
work, as it may be killed at any time: the run is carried on when it starts again, or when somebody
asks for it once more.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import structlog

from settlement import surveillance
from settlement.clearing import Clearing, unfinished_run

if TYPE_CHECKING:
    from api.gateway import Gateway
    from api.settings import Settings
    from settlement.database import Database
    from settlement.ports import EnginePort

_LOGGER = structlog.get_logger()


def begin(exchange: Gateway, trading_day: int) -> str:
    """The id of the day's run, which is now to be carried out. Raises Refused."""
    return _clearing(exchange.database, exchange.sync_core, exchange.settings).begin(trading_day)


class SettlementRuns:
    """Carries out the runs that were asked for."""

    def __init__(self, database: Database, port: EnginePort, settings: Settings) -> None:
        self._database = database
        self._clearing = _clearing(database, port, settings)
        self._thread: threading.Thread | None = None
        self._also_failed = True

    def resume(self) -> None:
        """Let the next step carry on a run that failed, too: what it failed of may be over."""
        self._also_failed = True

    def step(self) -> None:
        """Carry out the run that somebody has asked for, unless that is being done already."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._database.read() as session:
            run_id = unfinished_run(session, also_failed=self._also_failed)
            # After a settlement its day is searched at once; only a new start finds any left over.
            is_due = self._also_failed and bool(surveillance.due_days(session))
        self._also_failed = False
        if run_id is None and not is_due:
            return

        def run() -> None:
            # What stops a run is in its record and in the log.
            with contextlib.suppress(Exception):
                if run_id is None or self._clearing.run(run_id):
                    self._watch()

        self._thread = threading.Thread(target=run, name=f"settlement-{run_id}", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        """Search the settled days that were not searched yet; the settlement is done by then."""
        try:
            for found in surveillance.search_settled(self._database):
                _LOGGER.info("surveillance_done", **found._asdict())
        except Exception:
            # The next settlement or start searches the day again, as an operator may.
            _LOGGER.exception("surveillance_stopped")


def _clearing(database: Database, port: EnginePort, settings: Settings) -> Clearing:
    return Clearing(database, port, settings.data_dir, reopen=settings.demo)
