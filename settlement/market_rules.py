"""The market's rules outside the engine: what is shipped, and the operators' versions over it.

A rule has a kind and a key: a date, an instrument's symbol, or EVERYWHERE. A change is a row that
is never changed again but for the second person's word; the latest row in force of a kind and key
counts, and one without a body takes the shipped rule up again.
"""

from __future__ import annotations

import json
import time as clock
import tomllib
from collections.abc import Callable, Mapping
from datetime import date, time
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Literal, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.times import day_number
from engine.units import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS, ONE_MILLION
from settlement.errors import Refused
from settlement.identity import audit
from settlement.oversight_rules import ComplaintsRule, DisclosureRule, SurveillanceRule
from settlement.tables.market_rules import MarketRule

EVERYWHERE = "*"
Kind = Literal[
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


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TradingSession(_Strict):
    """A part of the day in one phase, in local time."""

    name: str
    name_zh: str
    phase: Literal["pre_open", "call_auction", "continuous"]
    starts: time
    ends: time
    no_cancel_seconds: int = 0  # at its end; only a call auction has any


class Window(_Strict):
    starts: time
    ends: time


class Template(_Strict):
    """The sessions of a trading day; one without any goes on around the clock."""

    name: str
    name_zh: str
    trades: Literal["weekdays", "every_day"]
    source: str
    verified: bool
    sessions: tuple[TradingSession, ...] = ()
    block_window: Window | None = None
    settle_at: time | None = None
    resume_auction_seconds: int = 0

    @model_validator(mode="after")
    def _follow_each_other(self) -> Self:
        if any(one.ends != following.starts for one, following in pairwise(self.sessions)):
            raise ValueError("sessions follow each other without a gap")
        if any(one.starts >= one.ends for one in self.sessions):
            raise ValueError("a session ends after it starts, on the same day")
        window = self.block_window
        if window is not None and not (
            self.sessions
            and self.sessions[0].starts <= window.starts < window.ends <= self.sessions[-1].ends
        ):
            raise ValueError("the window for block trades lies within the sessions")
        return self


class Holiday(_Strict):
    name: str
    name_zh: str
    first: date
    last: date
    source: str


class DayRule(_Strict):
    """An operator's exception: a day off, or trading on a day that would be off."""

    is_trading: bool
    note: str


class SessionsRule(_Strict):
    """Which template an instrument follows."""

    template: str


class ClosingPriceRule(_Strict):
    thin_market_quantity: int = Field(ge=0, le=MAX_QUANTITY_LOTS)
    source: str


class BlockTradingRule(_Strict):
    """How large a block trade is at least, and how far its price may be from the reference."""

    minimum_quantity: int = Field(ge=1, le=MAX_QUANTITY_LOTS)
    price_limit_ppm: int = Field(ge=0, lt=ONE_MILLION)
    source: str


class SettlementRule(_Strict):
    """Which of a seller's blocks go first, and whether an operator has to approve the delivery."""

    block_order: Literal["oldest_vintage", "newest_vintage", "oldest_issue"]
    needs_approval: bool
    source: str


class QuotingRule(_Strict):
    """What a market maker's two-sided quote owes; 0 leaves that measure of the spread free."""

    minimum_share_ppm: int = Field(ge=0, le=ONE_MILLION)
    maximum_spread_ticks: int = Field(default=0, ge=0, le=MAX_PRICE_TICKS)
    maximum_spread_ppm: int = Field(default=0, ge=0, le=2 * ONE_MILLION)
    minimum_quantity: int = Field(ge=1, le=MAX_QUANTITY_LOTS)
    source: str


class Shipped(_Strict):
    """The file market_rules.toml."""

    time_zone: str
    default_sessions: str
    holidays: tuple[Holiday, ...]
    sessions: dict[str, Template]
    closing_price: ClosingPriceRule
    block_trading: BlockTradingRule
    quoting: QuotingRule
    disclosure: DisclosureRule
    complaints: ComplaintsRule
    surveillance: SurveillanceRule
    settlement: SettlementRule

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def holiday(self, day: date) -> Holiday | None:
        """The holiday on which `day` falls."""
        return next((one for one in self.holidays if one.first <= day <= one.last), None)


Rule = TypeVar("Rule", bound=BaseModel)
_TYPES: dict[Kind, type[BaseModel]] = {
    "day": DayRule,
    "sessions": SessionsRule,
    "closing_price": ClosingPriceRule,
    "block_trading": BlockTradingRule,
    "quoting": QuotingRule,
    "disclosure": DisclosureRule,
    "complaints": ComplaintsRule,
    "surveillance": SurveillanceRule,
    "settlement": SettlementRule,
}


@cache
def shipped() -> Shipped:
    """The rules as they come with the package."""
    text = resources.files("settlement").joinpath("market_rules.toml").read_text("utf-8")
    return Shipped.model_validate(tomllib.loads(text))


# --- Rules in force ---


def day_exceptions(session: Session) -> dict[int, DayRule]:
    """The operators' exceptions by day (since 1970-01-01)."""
    found = _in_force(session, "day", DayRule.model_validate_json)
    return {day_number(date.fromisoformat(key)): rule for key, rule in found.items()}


def templates(session: Session) -> Callable[[str], tuple[str, Template]]:
    """A look-up of the template, with its code, that an instrument of a symbol follows."""
    found = _in_force(session, "sessions", SessionsRule.model_validate_json)
    rules = shipped()

    def look_up(symbol: str) -> tuple[str, Template]:
        rule = found.get(symbol) or found.get(EVERYWHERE)
        code = rule.template if rule is not None else rules.default_sessions
        return code, rules.sessions[code]

    return look_up


def closing_price_rules(session: Session) -> Callable[[str], ClosingPriceRule]:
    """A look-up of the closing-price rule of a symbol."""
    found = _in_force(session, "closing_price", ClosingPriceRule.model_validate_json)
    return lambda symbol: found.get(symbol) or found.get(EVERYWHERE) or shipped().closing_price


def block_trading_rules(session: Session) -> Callable[[str], BlockTradingRule]:
    """A look-up of the rule for block trades of a symbol."""
    found = _in_force(session, "block_trading", BlockTradingRule.model_validate_json)
    return lambda symbol: found.get(symbol) or found.get(EVERYWHERE) or shipped().block_trading


def quoting_rules(session: Session) -> Callable[[str], QuotingRule]:
    """A look-up of what market makers owe in the instrument of a symbol."""
    found = _in_force(session, "quoting", QuotingRule.model_validate_json)
    return lambda symbol: found.get(symbol) or found.get(EVERYWHERE) or shipped().quoting


def disclosure_rules(session: Session) -> Callable[[str], DisclosureRule]:
    """A look-up of what is disclosed of the instrument of a symbol."""
    found = _in_force(session, "disclosure", DisclosureRule.model_validate_json)
    return lambda symbol: found.get(symbol) or found.get(EVERYWHERE) or shipped().disclosure


def complaints_rule(session: Session) -> ComplaintsRule:
    """How soon complaints are to be answered."""
    found = _in_force(session, "complaints", ComplaintsRule.model_validate_json)
    return found.get(EVERYWHERE) or shipped().complaints


def surveillance_rules(session: Session) -> Callable[[str], SurveillanceRule]:
    """A look-up of the detectors' parameters for the instrument of a symbol."""
    found = _in_force(session, "surveillance", SurveillanceRule.model_validate_json)
    return lambda symbol: found.get(symbol) or found.get(EVERYWHERE) or shipped().surveillance


def settlement_rules(session: Session) -> Callable[[str], SettlementRule]:
    """A look-up of how the credits of a symbol are delivered."""
    found = _in_force(session, "settlement", SettlementRule.model_validate_json)
    return lambda symbol: found.get(symbol) or found.get(EVERYWHERE) or shipped().settlement


def _in_force(session: Session, kind: Kind, read: Callable[[str], Rule]) -> dict[str, Rule]:
    """The operators' rules of a kind by key."""
    query = select(MarketRule.key, MarketRule.body).where(
        MarketRule.kind == kind, MarketRule.status == "in_force"
    )
    latest = dict(session.execute(query.order_by(MarketRule.version)).all())
    return {key: read(body) for key, body in latest.items() if body is not None}


# --- Changes; for Database.write ---


def propose(
    session: Session,
    kind: Kind,
    key: str,
    body: Mapping[str, object] | None,
    *,
    actor: str,
    needs_approval: bool,
) -> MarketRule:
    """A new version, in force at once or once a second person has approved it; None: as shipped.

    Raises Refused (invalid_request).
    """
    text = None
    if body is not None:
        try:
            text = _TYPES[kind].model_validate(body, strict=True).model_dump_json()
        except ValueError as error:
            raise Refused("invalid_request", f"The rule is not valid: {error}.") from None
        if kind == "sessions" and body["template"] not in shipped().sessions:
            raise Refused("invalid_request", "There is no such template.", field="template")
    made = MarketRule(
        kind=kind,
        key=key,
        body=text,
        status="pending" if needs_approval else "in_force",
        changed_by=actor,
        changed_time_ns=clock.time_ns(),
    )
    session.add(made)
    session.flush()
    subject: dict[str, object] = {
        "version": made.version,
        "kind": kind,
        "key": key,
        "rule": None if text is None else json.loads(text),
        "status": made.status,
    }
    audit(session, actor, "market_rule_changed", subject)
    return made


def decide(session: Session, version: int, actor: str, *, approve: bool) -> MarketRule:
    """A second person's word on a pending version. Raises Refused."""
    found = session.get(MarketRule, version)
    if found is None:
        raise Refused("not_found", "There is no such version.")
    if found.status != "pending":
        raise Refused("conflict", "The version has already been decided.")
    if found.changed_by == actor:
        raise Refused("forbidden", "A second person has to decide.")
    newer = select(MarketRule.version).where(
        MarketRule.kind == found.kind,
        MarketRule.key == found.key,
        MarketRule.version > version,
        MarketRule.status == "in_force",
    )
    if approve and session.scalar(newer.limit(1)) is not None:
        raise Refused("conflict", "A newer version is in force.")
    found.status = "in_force" if approve else "rejected"
    found.decided_by = actor
    found.decided_time_ns = clock.time_ns()
    action = "market_rule_approved" if approve else "market_rule_rejected"
    audit(session, actor, action, {"version": version})
    return found


def page(session: Session, kind: str | None, before: int, limit: int) -> list[MarketRule]:
    """Versions under `before`, newest first."""
    query = select(MarketRule).where(MarketRule.version < before)
    if kind is not None:
        query = query.where(MarketRule.kind == kind)
    return list(session.scalars(query.order_by(MarketRule.version.desc()).limit(limit)))
