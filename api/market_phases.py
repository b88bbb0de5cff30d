"""Phases as operators set them, and the loop that lets the calendar set them.

The operator's word is written down before the engine is asked, so the scheduler, in whichever
gateway it runs, never takes a halt back. Every gateway reads the halts again at each turn of the
loop, for their reasons are the database's and not the engine's.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import OperationalError

from api.core_client import CoreError
from api.errors import Problem
from api.instruments import Instrument
from api.operator_actions import write
from api.schemas import PhaseBody, parse_expiry, plain_text
from engine.codes import Phase
from engine.times import format_time
from settlement import market_phases
from settlement.calendar import Border
from settlement.market_phases import Halt, Scheduler, halts

if TYPE_CHECKING:
    from api.auth import Caller
    from api.gateway import Gateway

logger = structlog.get_logger(__name__)

# Also how long a change in the calendar, a settled day or another gateway's halt may go unnoticed.
_TURN_SECONDS = 1.0


async def set_phase(gateway: Gateway, caller: Caller, body: PhaseBody) -> list[Instrument]:
    """Set the phase of one instrument, or of all, until the calendar's next border.

    Halted is a halt: it stands until somebody sets another phase or resumes.
    """
    phase = Phase[body.phase.upper()]
    reason = "" if body.reason is None else plain_text(body.reason, "reason", 200)
    ends_at_ns = parse_expiry(body.ends_at, "ends_at") if body.ends_at else 0
    cancel_until_ns = (
        parse_expiry(body.no_cancel_from, "no_cancel_from") if body.no_cancel_from else 0
    )
    wanted = _wanted(gateway, body.symbol)
    numbers = [each.number for each in wanted]
    now_ns = time.time_ns()
    await write(
        gateway,
        lambda session: market_phases.record_phase(
            session,
            numbers,
            phase,
            symbol=body.symbol,
            actor=caller.username,
            reason=reason,
            time_ns=now_ns,
        ),
    )
    changed = dict(gateway.halts)
    for number in numbers:
        changed.pop(number, None)
        if phase is Phase.HALTED:
            changed[number] = Halt(reason, caller.username, now_ns)
    # The ticker that tells of the phase tells the reason too.
    gateway.set_halts(changed)
    border = Border(0, now_ns, phase, ends_at_ns, cancel_until_ns)
    return await _carry_out(gateway, dict.fromkeys(numbers, border))


async def resume(gateway: Gateway, caller: Caller, symbol: str | None) -> list[Instrument]:
    """End the halt of one instrument, or all halts, as the calendar says: see settlement."""
    numbers = [each.number for each in _wanted(gateway, symbol)]
    now_ns = time.time_ns()
    borders = await write(
        gateway,
        lambda session: market_phases.record_resumption(
            session, numbers, symbol=symbol, actor=caller.username, time_ns=now_ns
        ),
    )
    if symbol is not None and not borders:
        raise Problem("conflict", "The instrument is not halted.", field="symbol")
    gateway.set_halts({n: halt for n, halt in gateway.halts.items() if n not in borders})
    return await _carry_out(gateway, borders)


async def follow_calendar(gateway: Gateway) -> None:
    """For ever: the halts as they are and, in the gateway that writes the database, the borders."""
    scheduler = Scheduler(gateway.database, gateway.sync_core)
    while True:
        known = gateway.halts
        turn = asyncio.ensure_future(asyncio.to_thread(_turn, gateway, scheduler))
        pause_seconds = _TURN_SECONDS
        try:
            # A thread cannot be cancelled: whoever ends this loop waits for its turn to end.
            found, following_ns = await asyncio.shield(turn)
        except asyncio.CancelledError:
            await asyncio.gather(turn, return_exceptions=True)
            raise
        except (CoreError, OperationalError) as error:
            logger.warning("calendar_waits", why=str(error))
        else:
            # What an operator has changed meanwhile is newer than what was read.
            if gateway.halts is known:
                gateway.set_halts(found)
            if following_ns is not None:
                left_seconds = (following_ns - time.time_ns()) / 1e9
                pause_seconds = min(max(left_seconds, 0.0), _TURN_SECONDS)
        await asyncio.sleep(pause_seconds)


def render_halt(halt: Halt | None) -> dict[str, str] | None:
    """A halt as clients see it."""
    return None if halt is None else {"reason": halt.reason, "since": format_time(halt.time_ns)}


def _turn(gateway: Gateway, scheduler: Scheduler) -> tuple[dict[int, Halt], int | None]:
    following_ns = scheduler.step() if gateway.has_lease else None
    with gateway.database.read() as session:
        return halts(session), following_ns


def _wanted(gateway: Gateway, symbol: str | None) -> list[Instrument]:
    if symbol is not None:
        return [gateway.instruments.get(symbol)]
    return list(gateway.instruments.by_number.values())


async def _carry_out(gateway: Gateway, borders: dict[int, Border]) -> list[Instrument]:
    for number, border in borders.items():
        await asyncio.to_thread(market_phases.set_phase, gateway.sync_core, number, border)
    return [gateway.instruments.by_number[number] for number in borders]
