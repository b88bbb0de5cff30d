"""What disclosure, complaints and surveillance answer, as types: a part of api.answers."""

from __future__ import annotations

from typing import Any, Literal

from api.market_rule_answers import Answer, MarketRule


class LargeHolding(Answer):
    """An owner's credits, also outside the exchange's custody; linked accounts count as one."""

    symbol: str
    holder: str
    accounts: int
    quantity: str
    share: str
    threshold: str


class LargeHoldings(Answer):
    items: list[LargeHolding]
    next_cursor: str | None


class LargeTrade(Answer):
    trade_id: str
    symbol: str
    price: str
    quantity: str
    amount: str
    type: Literal["continuous", "auction", "block", "one_way", "listed"]
    time: str
    threshold: str


class LargeTrades(Answer):
    """`date` is null before the first settlement."""

    date: str | None
    items: list[LargeTrade]
    next_cursor: str | None


class DayStatistics(Answer):
    """An instrument's settled day; what was negotiated is not in the quantity and the amount."""

    date: str
    symbol: str
    previous_close: str
    close: str
    trades: int
    quantity: str
    amount: str
    negotiated_quantity: str
    negotiated_amount: str


class MarketStatistics(Answer):
    items: list[DayStatistics]
    next_cursor: str | None


class CreditTotals(Answer):
    """`symbol` is null for credits that are not listed."""

    symbol: str | None
    issued: str
    retired: str
    cancelled: str
    exported: str
    outstanding: str


class RetirementTotals(Answer):
    kind: Literal["retirement", "surrender", "imported"]
    quantity: str
    certificates: int


class SurrenderTotals(Answer):
    scheme: str
    year: int
    quantity: str
    certificates: int


class DisclosedTotals(Answer):
    credits: list[CreditTotals]
    retirements: list[RetirementTotals]
    surrenders: list[SurrenderTotals]


class Complaint(Answer):
    """`overdue` says that it is past `answer_until` and neither answered nor withdrawn."""

    complaint_id: str
    account: str
    filed_by: str
    subject: str
    text: str
    reference_kind: Literal["order", "trade", "certificate"] | None
    reference_id: str | None
    state: Literal["open", "in_review", "answered", "withdrawn"]
    answer: str | None
    filed_at: str
    answer_until: str
    overdue: bool
    handled_by: str | None
    changed_at: str


class Complaints(Answer):
    items: list[Complaint]
    next_cursor: str | None


class SurveillanceAlert(Answer):
    """A reason to look, not a verdict; `rule` are the parameters that it was found with."""

    alert_id: str
    kind: Literal[
        "wash_trades", "spoofing", "marking_the_close", "unusual_price", "unusual_quantity"
    ]
    symbol: str
    date: str
    summary: str
    summary_zh: str
    accounts: list[str]
    trade_ids: list[str]
    order_ids: list[str]
    figures: dict[str, str]
    rule: dict[str, Any]
    begins_at: str
    ends_at: str
    state: Literal["open", "in_review", "closed"]
    reason: str | None
    raised_at: str
    changed_by: str | None
    changed_at: str


class SurveillanceAlerts(Answer):
    items: list[SurveillanceAlert]
    next_cursor: str | None


class ReplayEvent(Answer):
    """`side` is a trade's taker's; an order's `quantity` is what is open, or was taken off.

    `evidence` says whether the alert names it.
    """

    kind: Literal["accepted", "cancelled", "amended", "triggered", "trade"]
    trade_id: str | None
    order_ids: list[str]
    accounts: list[str]
    side: Literal["buy", "sell"]
    price: str
    quantity: str
    reason: str | None
    evidence: bool


class ReplayStep(Answer):
    """What one command did, and the best levels after it: [price, quantity, number of orders]."""

    sequence: int
    time: str
    events: list[ReplayEvent]
    bids: list[list[str | int]]
    asks: list[list[str | int]]


class BookReplay(Answer):
    alert_id: str
    symbol: str
    begins_at: str
    ends_at: str
    items: list[ReplayStep]
    next_cursor: str | None


class SurveillanceSearch(Answer):
    """`raised` counts the alerts that are new; `final` says that the day was settled before."""

    date: str
    final: bool
    trades: int
    findings: int
    raised: int


class AccountOwner(Answer):
    account: str
    owner: str
    reason: str
    changed_by: str
    changed_at: str


class AccountOwners(Answer):
    items: list[AccountOwner]
    next_cursor: str | None


OVERSIGHT_ANSWERS: dict[tuple[str, str], type] = {
    ("GET", "/v1/disclosure/holdings"): LargeHoldings,
    ("GET", "/v1/disclosure/large-trades"): LargeTrades,
    ("GET", "/v1/disclosure/statistics"): MarketStatistics,
    ("GET", "/v1/disclosure/totals"): DisclosedTotals,
    ("POST", "/v1/complaints"): Complaint,
    ("GET", "/v1/complaints"): Complaints,
    ("POST", "/v1/complaints/{complaint_id}/withdraw"): Complaint,
    ("GET", "/v1/operator/complaints"): Complaints,
    ("POST", "/v1/operator/complaints/{complaint_id}/review"): Complaint,
    ("POST", "/v1/operator/complaints/{complaint_id}/answer"): Complaint,
    ("GET", "/v1/operator/alerts"): SurveillanceAlerts,
    ("GET", "/v1/operator/alerts/{alert_id}"): SurveillanceAlert,
    ("GET", "/v1/operator/alerts/{alert_id}/replay"): BookReplay,
    ("POST", "/v1/operator/alerts/{alert_id}/state"): SurveillanceAlert,
    ("POST", "/v1/operator/surveillance"): SurveillanceSearch,
    ("GET", "/v1/operator/account-owners"): AccountOwners,
    ("PUT", "/v1/operator/account-owners/{account}"): AccountOwner,
    ("PUT", "/v1/operator/complaints-rule"): MarketRule,
    **{
        (method, f"/v1/operator/{name}-rules/{{symbol}}"): MarketRule
        for method in ("PUT", "DELETE")
        for name in ("disclosure", "surveillance")
    },
}
