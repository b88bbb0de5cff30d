"""Settlement runs, statements and reconciliations as clients read them: decimal strings, dates."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from api.order_views import render_own_fill
from engine.decimals import format_fen, format_price
from engine.times import format_day, format_time
from settlement.clearing import STEPS, RunReport
from settlement.history import Fill
from settlement.ledger import CASH
from settlement.reconciliation import Break, Reconciliation
from settlement.tables.clearing import ClearingRun, ReconciliationBreak, Statement
from settlement.tables.trading import Instrument

_AMOUNTS = ("opening", "deposited", "withdrawn", "adjusted", "bought", "sold", "fees", "closing")
CSV_COLUMNS = ("date", "account", "asset", *_AMOUNTS, "closing_price")


def render_run(report: RunReport, codes: dict[int, str]) -> dict[str, Any]:
    """A run: how far it is and what it came to; `codes` are the accounts' names."""
    run, prices = report.run, [price for price, _ in report.prices]
    is_done = run.status == "completed"
    step = None if is_done else STEPS[min(report.steps_done, len(STEPS) - 1)].value
    # The delivery is the long part: its batches count like steps.
    total = len(STEPS) + run.batches
    done = min(report.steps_done + report.batches_done, total)
    return {
        "run_id": run.run_id,
        "date": format_day(run.trading_day),
        "next_date": format_day(run.next_trading_day),
        "status": run.status,
        "progress": {
            "step": step,
            "steps_done": report.steps_done,
            "steps_total": len(STEPS),
            "batches_done": report.batches_done,
            "batches_total": run.batches,
            "percent": 100 * done // total,
        },
        "totals": {
            "instruments": len(prices),
            "trades": sum(price.trades for price in prices),
            "volume": str(sum(price.volume_lots for price in prices)),
            "notional": format_fen(sum(price.notional_fen for price in prices)),
            "negotiated_volume": str(sum(price.negotiated_lots for price in prices)),
            "negotiated_notional": format_fen(sum(price.negotiated_fen for price in prices)),
            "fees": format_fen(sum(price.fees_fen for price in prices)),
            "statements": report.statements,
            "breaks": len(report.breaks),
        },
        "prices": [
            {
                "symbol": terms.symbol,
                "closing_price": format_price(price.closing_price_ticks, terms.tick_fen),
                "previous_price": format_price(price.previous_price_ticks, terms.tick_fen),
                "method": price.method,
                "trades": price.trades,
                "volume": str(price.volume_lots),
                "notional": format_fen(price.notional_fen),
                "negotiated_volume": str(price.negotiated_lots),
            }
            for price, terms in report.prices
        ],
        "breaks": [_render_break(found, codes) for found in report.breaks],
        "error": run.error,
        "started_at": format_time(run.started_time_ns),
        "finished_at": format_time(run.finished_time_ns) if is_done else None,
    }


def render_run_in_short(run: ClearingRun) -> dict[str, Any]:
    """A run as a list shows it."""
    return {
        "run_id": run.run_id,
        "date": format_day(run.trading_day),
        "status": run.status,
        "started_at": format_time(run.started_time_ns),
        "finished_at": format_time(run.finished_time_ns) if run.finished_time_ns else None,
    }


def render_reconciliation(outcome: Reconciliation, codes: dict[int, str]) -> dict[str, Any]:
    """The comparison of engine, ledger and custody at one sequence."""
    return {
        "status": "breaks" if outcome.breaks else "agreed",
        "sequence": outcome.sequence,
        "balances_compared": outcome.balances,
        "unsettled_trades": outcome.unsettled_trades,
        "accounts_with_operations_under_way": outcome.operations_under_way,
        "breaks": [_render_break(found, codes) for found in outcome.breaks],
    }


def render_statement(
    statement: Statement,
    codes: dict[int, str],
    fills: Iterable[tuple[Fill, Instrument]] | None = None,
) -> dict[str, Any]:
    """A statement; its trades are there if they were read."""
    body = json.loads(statement.body)
    for line in (*body["cash"].values(), *body["credits"].values()):
        line.setdefault("adjusted", 0)  # an older release knew no adjustments
    credits = {
        symbol: {name: str(line[name]) for name in _AMOUNTS if name != "fees"}
        | {"closing_price": format_price(line["closing_price_ticks"], line["tick_fen"])}
        for symbol, line in body["credits"].items()
    }
    cash = {
        asset: {name: format_fen(line[name]) for name in _AMOUNTS}
        for asset, line in body["cash"].items()
    }
    rendered = {
        "date": format_day(statement.trading_day),
        "account": codes.get(statement.account, str(statement.account)),
        "run_id": statement.run_id,
        "cash": cash,
        "credits": credits,
    }
    if fills is not None:
        rendered["trades"] = [render_own_fill(fill, terms) for fill, terms in fills]
    return rendered


def render_csv(statements: Sequence[dict[str, Any]]) -> str:
    """Rendered statements as a table, a row for each account and asset."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for statement in statements:
        for asset, line in {**statement["cash"], **statement["credits"]}.items():
            named = {"date": statement["date"], "account": statement["account"], "asset": asset}
            writer.writerow(named | line)
    return text.getvalue()


def render_queued_break(found: ReconciliationBreak, codes: dict[int, str]) -> dict[str, Any]:
    """A break with what has become of it."""

    def moment(time_ns: int | None) -> str | None:
        return None if time_ns is None else format_time(time_ns)

    return {
        "break_id": str(found.break_id),
        "run_id": found.run_id,
        **_render_break(found, codes),
        "status": found.status,
        "assigned_to": found.assigned_to,
        "reason": found.reason,
        "resolved_by": found.resolved_by,
        "resolved_at": moment(found.resolved_time_ns),
        "decided_by": found.decided_by,
        "decided_at": moment(found.decided_time_ns),
    }


def _render_break(found: Break | ReconciliationBreak, codes: dict[int, str]) -> dict[str, str]:
    def amount(value: int) -> str:
        return format_fen(value) if found.asset == CASH else str(value)

    return {
        "kind": str(found.kind),
        "account": codes.get(found.account, str(found.account)),
        "asset": found.asset,
        "engine": amount(found.engine),
        "ledger": amount(found.ledger),
        "custody": amount(found.custody),
    }
