"""The dead-man's switch: an account's open orders are cancelled unless it keeps putting that off.

Whichever gateway an account speaks to, its deadline is in the database, and the back office fires:
so a switch fires once, also where the gateway that armed it is gone.
"""

from __future__ import annotations

import time

import structlog

from api.commands import order_command
from engine.codes import Code, CommandKind, Side
from settlement import identity
from settlement.database import Database
from settlement.ports import EnginePort

logger = structlog.get_logger(__name__)


def arm(database: Database, account: int, seconds: int) -> int | None:
    """Fire in `seconds` unless called again, 0 disarms; the deadline (ns)."""
    deadline_time_ns = time.time_ns() + seconds * 1_000_000_000 if seconds else None
    database.write(
        lambda session: identity.set_cancel_after(session, account, deadline_time_ns)
    ).result()
    return deadline_time_ns


def fire_due(database: Database, port: EnginePort, now_ns: int) -> int | None:
    """Fire every switch whose time is over; returns when the next one will (ns), or None."""
    with database.read() as session:
        deadlines = identity.cancel_after_deadlines(session)
    for account, deadline_time_ns in deadlines.items():
        if deadline_time_ns <= now_ns:
            _fire(database, port, account, deadline_time_ns)
    return min((each for each in deadlines.values() if each > now_ns), default=None)


def _fire(database: Database, port: EnginePort, account: int, deadline_time_ns: int) -> None:
    """Cancel first and disarm afterwards: what is killed in between fires again."""
    command = order_command(CommandKind.CANCEL_ALL, account=account, side=Side.ANY)
    [events] = port.submit(command)
    code = Code(int(events[0]["code"])).name
    logger.info("cancel_after_fired", account=account, cancelled=len(events) - 1, code=code)
    database.write(
        lambda session: identity.disarm_cancel_after(session, account, deadline_time_ns)
    ).result()
