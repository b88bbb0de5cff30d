"""What the end of the day answers, as types: the part of api.answers that is its own."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType


class Answer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of everything that is described here."""


class SettlementBegun(Answer):
    run_id: str


class SettlementProgress(Answer):
    """`step` is the one at work, null when the run is over; batches are of the delivery."""

    step: str | None
    steps_done: int
    steps_total: int
    batches_done: int
    batches_total: int
    percent: int


class SettlementTotals(Answer):
    instruments: int
    trades: int
    volume: str
    notional: str
    negotiated_volume: str
    negotiated_notional: str
    fees: str
    statements: int
    breaks: int


class ClosingPrice(Answer):
    symbol: str
    closing_price: str
    previous_price: str
    method: Literal["vwap", "previous_close"]
    trades: int
    volume: str
    notional: str
    negotiated_volume: str


class Break(Answer):
    """A balance that does not agree; CNY as money, credits in t. Sides not compared are 0."""

    kind: Literal["engine_ledger", "ledger_custody", "delivery", "unbalanced"]
    account: str
    asset: str
    engine: str
    ledger: str
    custody: str


class QueuedBreak(Break):
    """`pending`: the adjustment that `resolved_by` asked for waits for a second person."""

    break_id: str
    run_id: str
    status: Literal["open", "pending", "resolved"]
    assigned_to: str | None
    reason: str | None
    resolved_by: str | None
    resolved_at: str | None
    decided_by: str | None
    decided_at: str | None


class QueuedBreaks(Answer):
    items: list[QueuedBreak]
    next_cursor: str | None


class SettlementRun(Answer):
    """A run that failed goes on when the day's settlement is asked for again."""

    run_id: str
    date: str
    next_date: str
    status: Literal["running", "waiting", "completed", "failed"]
    progress: SettlementProgress
    totals: SettlementTotals
    prices: list[ClosingPrice]
    breaks: list[Break]
    error: str | None
    started_at: str
    finished_at: str | None


class SettlementRunInShort(Answer):
    run_id: str
    date: str
    status: Literal["running", "waiting", "completed", "failed"]
    started_at: str
    finished_at: str | None


class SettlementRuns(Answer):
    items: list[SettlementRunInShort]
    next_cursor: str | None


class CashLine(Answer):
    opening: str
    deposited: str
    withdrawn: str
    adjusted: str
    bought: str
    sold: str
    fees: str
    closing: str


class CreditsLine(Answer):
    opening: str
    deposited: str
    withdrawn: str
    adjusted: str
    bought: str
    sold: str
    closing: str
    closing_price: str


class StatementTrade(Answer):
    trade_id: str
    order_id: str
    symbol: str
    side: Literal["buy", "sell"]
    price: str
    quantity: str
    fee: str
    liquidity: Literal["maker", "taker"]
    trade_type: Literal["continuous", "auction", "block", "one_way", "listed"]
    time: str
    sequence: int


class Statement(Answer):
    """`trades` are there if one date was asked for."""

    date: str
    account: str
    run_id: str
    cash: dict[str, CashLine]
    credits: dict[str, CreditsLine]
    trades: list[StatementTrade] | UnsetType = UNSET


class Statements(Answer):
    items: list[Statement]
    next_cursor: str | None


class Reconciliation(Answer):
    """Engine, ledger and custody as of one sequence of the engine."""

    status: Literal["agreed", "breaks"]
    sequence: int
    balances_compared: int
    unsettled_trades: int
    accounts_with_operations_under_way: int
    breaks: list[Break]


SETTLEMENT_ANSWERS: dict[tuple[str, str], type] = {
    ("POST", "/v1/operator/settlements"): SettlementBegun,
    ("GET", "/v1/operator/settlements"): SettlementRuns,
    ("GET", "/v1/operator/settlements/{run_id}"): SettlementRun,
    ("POST", "/v1/operator/settlements/{run_id}/approve"): SettlementRunInShort,
    ("GET", "/v1/operator/settlements/{run_id}/statements"): Statements,
    ("GET", "/v1/operator/reconciliation"): Reconciliation,
    ("GET", "/v1/operator/breaks"): QueuedBreaks,
    **{
        ("POST", f"/v1/operator/breaks/{{break_id}}/{action}"): QueuedBreak
        for action in ("assign", "resolve", "approve", "reject")
    },
    ("GET", "/v1/statements"): Statements,
}
