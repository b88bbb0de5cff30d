"""What other gateways and the back office have written, as far as this gateway must know it.

Orders, books and phases come from the core as events. Halts with their reasons, and sessions and
keys that have ended, are the database's: every gateway reads them again at each turn of a loop.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import OperationalError

from api import metrics
from settlement import identity
from settlement.market_phases import Halt, halts

if TYPE_CHECKING:
    from api.gateway import Gateway

logger = structlog.get_logger(__name__)

# Also how long another gateway's halt, logout or revocation may go unnoticed.
_TURN_SECONDS = 1.0
# Time that a transaction may take between the time it notes and its end.
_SLACK_NS = identity.ENDED_KEPT_NS // 2

_Found = tuple[dict[int, Halt], tuple[list[str], list[str]]]


async def follow(gateway: Gateway) -> None:
    """For ever."""
    since_ns = time.time_ns()
    while True:
        known, now_ns = gateway.halts, time.time_ns()
        turn = asyncio.ensure_future(asyncio.to_thread(_read, gateway, since_ns - _SLACK_NS))
        try:
            # A thread cannot be cancelled: whoever ends this loop waits for its turn to end.
            found, (tokens, key_ids) = await asyncio.shield(turn)
        except asyncio.CancelledError:
            await asyncio.gather(turn, return_exceptions=True)
            raise
        except OperationalError as error:
            # What is cached of sessions and keys is asked for again soon enough.
            logger.warning("database_unavailable", why=str(error))
        else:
            since_ns = now_ns
            gateway.authenticator.forget(tokens, key_ids)
            # What an operator has changed meanwhile is newer than what was read.
            if gateway.halts is known:
                gateway.set_halts(found)
        metrics.note(gateway)
        await asyncio.sleep(_TURN_SECONDS)


def _read(gateway: Gateway, since_ns: int) -> _Found:
    with gateway.database.read() as session:
        return halts(session), identity.ended_since(session, since_ns)
