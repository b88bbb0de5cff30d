"""The calendar, the market's rules and market makers' figures as clients read them."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.decimals import format_price
from engine.times import format_day, format_time, utc_moment
from engine.units import ONE_MILLION
from settlement import calendar
from settlement.calendar import Calendar
from settlement.market_rules import Template, shipped
from settlement.quoting import Figures
from settlement.tables.market_rules import MarketRule
from settlement.tables.trading import Instrument

_SECOND_NS = 1_000_000_000


def render_days(session: Session, first_day: int, days: int) -> list[dict[str, Any]]:
    """The days from `first_day` on, each with the schedules of the templates in use."""
    schedules = calendar.load(session)
    followers: dict[str, list[str]] = {}
    for symbol in session.scalars(select(Instrument.symbol).order_by(Instrument.number)):
        followers.setdefault(schedules.template_of(symbol)[0], []).append(symbol)
    in_use = followers or {schedules.template_of("")[0]: []}
    return [
        {
            "date": format_day(day),
            "schedules": [
                _schedule(schedules.calendar, code, symbols, day)
                for code, symbols in in_use.items()
            ],
        }
        for day in range(first_day, first_day + days)
    ]


def _schedule(days: Calendar, code: str, symbols: list[str], day: int) -> dict[str, Any]:
    template = shipped().sessions[code]
    off = days.day_off(template, day)
    window, settle_at = template.block_window, template.settle_at
    return {
        "template": code,
        "name": template.name,
        "name_zh": template.name_zh,
        "source": template.source,
        "verified": template.verified,
        "symbols": symbols,
        "is_trading_day": off is None,
        "reason": off.reason if off else None,
        "reason_zh": off.reason_zh if off else None,
        "sessions": [] if off else _sessions(days, template, day),
        "block_window": None
        if off or window is None
        else _span(days.time_ns(day, window.starts), days.time_ns(day, window.ends)),
        "settle_at": None
        if off or settle_at is None
        else format_time(days.time_ns(day, settle_at)),
    }


def _sessions(days: Calendar, template: Template, day: int) -> list[dict[str, Any]]:
    if not template.sessions:
        return [
            {
                "name": template.name,
                "name_zh": template.name_zh,
                "phase": "continuous",
                **_span(days.midnight_ns(day), days.midnight_ns(day + 1)),
                "cancel_until": None,
            }
        ]
    return [
        {
            "name": one.name,
            "name_zh": one.name_zh,
            "phase": one.phase,
            **_span(days.time_ns(day, one.starts), days.time_ns(day, one.ends)),
            "cancel_until": format_time(cancel_until_ns) if cancel_until_ns else None,
        }
        for one in template.sessions
        for _, cancel_until_ns in [days.auction_times(one, day)]
    ]


def _span(starts_ns: int, ends_ns: int) -> dict[str, str]:
    """A span of time in UTC and as people at the market's place read their clocks."""
    zone = shipped().zone
    return {
        "starts_at": format_time(starts_ns),
        "ends_at": format_time(ends_ns),
        "starts_at_local": utc_moment(starts_ns).astimezone(zone).isoformat(),
        "ends_at_local": utc_moment(ends_ns).astimezone(zone).isoformat(),
    }


def render_rule(found: MarketRule) -> dict[str, Any]:
    """A version of a rule, and who changed and approved it."""
    decided_time_ns = found.decided_time_ns
    return {
        "version": str(found.version),
        "kind": found.kind,
        "key": found.key,
        "rule": None if found.body is None else json.loads(found.body),
        "status": found.status,
        "changed_by": found.changed_by,
        "changed_at": format_time(found.changed_time_ns),
        "decided_by": found.decided_by,
        "decided_at": None if decided_time_ns is None else format_time(decided_time_ns),
    }


def render_figures(found: Figures, code: str) -> dict[str, Any]:
    """A market maker's figures; `code` is the account's name."""
    rule, share_ppm = found.rule, found.share_ppm
    return {
        "account": code,
        "symbol": found.symbol,
        "date": format_day(found.trading_day),
        "status": "final" if found.is_over else "running",
        "session_seconds": _seconds(found.continuous_ns),
        "quoted_seconds": _seconds(found.quoted_ns),
        "quoted_share": None if share_ppm is None else _ratio(share_ppm),
        "average_spread": _average_price(found.average_spread_ticks, found.tick_fen),
        "met": found.is_met,
        "required": {
            "minimum_share": _ratio(rule.minimum_share_ppm),
            "maximum_spread": format_price(rule.maximum_spread_ticks, found.tick_fen)
            if rule.maximum_spread_ticks
            else None,
            "maximum_spread_ratio": _ratio(rule.maximum_spread_ppm)
            if rule.maximum_spread_ppm
            else None,
            "minimum_quantity": str(rule.minimum_quantity),
        },
    }


def _seconds(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, _SECOND_NS)
    return f"{seconds}.{rest:09}"


def _ratio(ratio_ppm: int) -> str:
    whole, rest = divmod(ratio_ppm, ONE_MILLION)
    return f"{whole}.{rest:06}"


def _average_price(ticks: Fraction | None, tick_fen: int) -> str | None:
    """Yuan with six decimals, rounded half up."""
    if ticks is None:
        return None
    millionths = (2 * 10_000 * tick_fen * ticks.numerator + ticks.denominator) // (
        2 * ticks.denominator
    )
    return _ratio(millionths)
