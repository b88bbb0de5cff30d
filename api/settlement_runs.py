"""End-of-day runs in the gateway: begun by the operator, carried out in a thread of their own.

The process may end while a run is at work, as it may be killed at any time: the run is carried on
when the gateway starts again, or by whoever asks for it next.
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

_LOGGER = structlog.get_logger()


def begin(exchange: Gateway, trading_day: int) -> str:
    """The id of the day's run. Raises Refused."""
    return _clearing(exchange).begin(trading_day)


def carry_out(exchange: Gateway, run_id: str) -> None:
    """Carry the run out in the background, unless somebody is at it already."""
    work = _clearing(exchange)

    def run() -> None:
        # What stops a run is in its record and in the log.
        with contextlib.suppress(Exception):
            if work.run(run_id):
                watch(exchange)

    threading.Thread(target=run, name=f"settlement-{run_id}", daemon=True).start()


def resume(exchange: Gateway) -> None:
    """Carry on the run that a crash left unfinished, or the search of the day behind it."""
    with exchange.database.read() as session:
        run_id, due = unfinished_run(session), surveillance.due_days(session)
    if run_id is not None:
        carry_out(exchange, run_id)
    elif due:
        threading.Thread(target=watch, args=(exchange,), name="surveillance", daemon=True).start()


def watch(exchange: Gateway) -> None:
    """Search the settled days that were not searched yet; the settlement itself is done by then."""
    try:
        for found in surveillance.search_settled(exchange.database):
            _LOGGER.info("surveillance_done", **found._asdict())
    except Exception:
        # The next settlement or start searches the day again, as an operator may.
        _LOGGER.exception("surveillance_stopped")


def _clearing(exchange: Gateway) -> Clearing:
    settings = exchange.settings
    return Clearing(exchange.database, exchange.sync_core, settings.data_dir, reopen=settings.demo)
