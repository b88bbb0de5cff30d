"""Phases as operators set them, and the halts that stand.

The operator's word is written down before the engine is asked, so the scheduler of the back office
never takes a halt back.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from api.errors import Problem
from api.instruments import Instrument
from api.operator_actions import write
from api.schemas import PhaseBody, parse_expiry, plain_text
from engine.codes import Phase
from engine.times import format_time
from settlement import market_phases
from settlement.calendar import Border
from settlement.market_phases import Halt

if TYPE_CHECKING:
    from api.auth import Caller
    from api.gateway import Gateway


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


def render_halt(halt: Halt | None) -> dict[str, str] | None:
    """A halt as clients see it."""
    return None if halt is None else {"reason": halt.reason, "since": format_time(halt.time_ns)}


def _wanted(gateway: Gateway, symbol: str | None) -> list[Instrument]:
    if symbol is not None:
        return [gateway.instruments.get(symbol)]
    return list(gateway.instruments.by_number.values())


async def _carry_out(gateway: Gateway, borders: dict[int, Border]) -> list[Instrument]:
    for number, border in borders.items():
        await asyncio.to_thread(market_phases.set_phase, gateway.sync_core, number, border)
    return [gateway.instruments.by_number[number] for number in borders]
