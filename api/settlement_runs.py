"""End-of-day runs in the gateway: begun by the operator, carried out in a thread of their own.

The process may end while a run is at work, as it may be killed at any time: the run is carried on
when the gateway starts again, or by whoever asks for it next.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from settlement.clearing import Clearing, unfinished_run

if TYPE_CHECKING:
    from api.gateway import Gateway


def begin(exchange: Gateway, trading_day: int) -> str:
    """The id of the day's run. Raises Refused."""
    return _clearing(exchange).begin(trading_day)


def carry_out(exchange: Gateway, run_id: str) -> None:
    """Carry the run out in the background, unless somebody is at it already."""
    work = _clearing(exchange)

    def run() -> None:
        # What stops a run is in its record and in the log.
        with contextlib.suppress(Exception):
            work.run(run_id)

    threading.Thread(target=run, name=f"settlement-{run_id}", daemon=True).start()


def resume(exchange: Gateway) -> None:
    """Carry on the run that a crash left unfinished, if there is one."""
    with exchange.database.read() as session:
        run_id = unfinished_run(session)
    if run_id is not None:
        carry_out(exchange, run_id)


def _clearing(exchange: Gateway) -> Clearing:
    settings = exchange.settings
    return Clearing(exchange.database, exchange.sync_core, settings.data_dir, reopen=settings.demo)
