"""What the calendar, the market's rules and market makers' figures answer, as types."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Answer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of everything that is described here."""


class CalendarSession(Answer):
    """A part of a day in one phase; `cancel_until` is a call auction's last moment for cancels."""

    name: str
    name_zh: str
    phase: Literal["pre_open", "call_auction", "continuous"]
    starts_at: str
    ends_at: str
    starts_at_local: str
    ends_at_local: str
    cancel_until: str | None


class CalendarWindow(Answer):
    starts_at: str
    ends_at: str
    starts_at_local: str
    ends_at_local: str


class CalendarSchedule(Answer):
    """A template's day for the symbols that follow it; `settle_at` is a hint to operators."""

    template: str
    name: str
    name_zh: str
    source: str
    verified: bool
    symbols: list[str]
    is_trading_day: bool
    reason: str | None
    reason_zh: str | None
    sessions: list[CalendarSession]
    block_window: CalendarWindow | None
    settle_at: str | None


class CalendarDay(Answer):
    date: str
    schedules: list[CalendarSchedule]


class TradingCalendar(Answer):
    """Days in ascending order; times in UTC, and local ones in `time_zone`."""

    time_zone: str
    items: list[CalendarDay]
    next_cursor: str | None


class MarketRule(Answer):
    """A version of a rule; `rule` is null where the shipped one was taken up again."""

    version: str
    kind: Literal[
        "day",
        "sessions",
        "closing_price",
        "block_trading",
        "quoting",
        "disclosure",
        "complaints",
        "surveillance",
        "settlement",
    ]
    key: str
    rule: dict[str, Any] | None
    status: Literal["pending", "in_force", "rejected"]
    changed_by: str
    changed_at: str
    decided_by: str | None
    decided_at: str | None


class MarketRules(Answer):
    items: list[MarketRule]
    next_cursor: str | None


class QuotingRequirement(Answer):
    """Ratios are of 1; a spread that is null is not limited."""

    minimum_share: str
    maximum_spread: str | None
    maximum_spread_ratio: str | None
    minimum_quantity: str


class QuotingFigures(Answer):
    """Exact to the nanosecond; the share is rounded down, `met` is not."""

    account: str
    symbol: str
    date: str
    status: Literal["running", "final"]
    session_seconds: str
    quoted_seconds: str
    quoted_share: str | None
    average_spread: str | None
    met: bool | None
    required: QuotingRequirement


class Obligations(Answer):
    items: list[QuotingFigures]
    next_cursor: str | None


class PhaseOfSymbol(Answer):
    symbol: str
    phase: Literal["closed", "pre_open", "call_auction", "continuous", "halted"]


class Phases(Answer):
    items: list[PhaseOfSymbol]
    next_cursor: str | None


_CHANGED = (
    "/v1/operator/calendar/days/{day}",
    "/v1/operator/calendar/instruments/{symbol}",
    "/v1/operator/closing-prices/{symbol}",
    "/v1/operator/block-trading/{symbol}",
    "/v1/operator/obligations/{symbol}",
    "/v1/operator/settlement-rules/{symbol}",
)
MARKET_RULE_ANSWERS: dict[tuple[str, str], type] = {
    ("GET", "/v1/calendar"): TradingCalendar,
    ("GET", "/v1/operator/market-rules"): MarketRules,
    **{(method, path): MarketRule for method in ("PUT", "DELETE") for path in _CHANGED},
    ("POST", "/v1/operator/market-rules/{version}/approve"): MarketRule,
    ("POST", "/v1/operator/market-rules/{version}/reject"): MarketRule,
    ("GET", "/v1/market-maker/obligations"): Obligations,
    ("GET", "/v1/operator/obligations"): Obligations,
    ("POST", "/v1/operator/sessions"): Phases,
    ("POST", "/v1/operator/resume"): Phases,
}
