"""Alerts as operators read them, and the book around one as it was, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.codes import EventKind, Reason, Side
from engine.decimals import format_price
from engine.event_log import EVENTS_FOLDER
from engine.records import ORDER_EVENT, TRADE_EVENT
from engine.times import format_day, format_time
from engine.units import NANOSECONDS_PER_SECOND
from marketdata.book_replay import EventsMissing, Step, Window, replay
from marketdata.instrument import Instrument as Market
from settlement import registry_views, surveillance
from settlement.errors import Refused
from settlement.identity import account_codes
from settlement.intake import checkpoint
from settlement.tables.oversight import Alert
from settlement.tables.trading import Instrument

Answer = dict[str, Any]
# So much of the market before the first and after the last sign of what was found is shown, too.
AROUND_NS = 10 * NANOSECONDS_PER_SECOND

# By kind; the figures' names stand in braces.
_SUMMARIES = {
    "wash_trades": (
        "One owner traded {quantity} t with himself, {share} of the day's volume.",
        "同一所有人自成交 {quantity} 吨，占当日成交量的 {share}。",
    ),
    "spoofing": (
        "{orders} orders over {cancelled_quantity} t were cancelled untouched while their owner"
        " traded {traded_quantity} t on the other side.",
        "{orders} 笔委托共 {cancelled_quantity} 吨未成交即撤销，同一所有人同时在反方向成交"
        " {traded_quantity} 吨。",
    ),
    "marking_the_close": (
        "One owner had {share} of the last minutes' volume while the price went from {before} to"
        " {last}.",
        "收盘前同一所有人占成交量的 {share}，价格由 {before} 变为 {last}。",
    ),
    "unusual_price": (
        "{trades} trades were far off the recent price: at most {price} against {median_price}.",
        "{trades} 笔成交明显偏离近期价格：最大偏离为 {price}，近期中位数 {median_price}。",
    ),
    "unusual_quantity": (
        "{trades} trades were far larger than usual: up to {quantity_lots} t against"
        " {median_quantity_lots} t.",
        "{trades} 笔成交数量异常：最大 {quantity_lots} 吨，近期中位数 {median_quantity_lots} 吨。",
    ),
}


def page(
    session: Session, state: str | None, kind: str | None, before: int, limit: int
) -> tuple[list[Answer], str | None]:
    """Alerts, newest first, and the next cursor."""
    query = select(Alert)
    if state is not None:
        query = query.where(Alert.state == state)
    if kind is not None:
        query = query.where(Alert.kind == kind)
    found, following = registry_views.page(session, query, Alert.number, before, limit)
    codes = account_codes(session)
    return [_render(session, alert, codes) for alert in found], following


def show(session: Session, number: int) -> Answer:
    """One alert. Raises Refused."""
    return _render(session, surveillance.find(session, number), account_codes(session))


def show_book(
    session: Session, data_dir: Path, number: int, *, after: int, limit: int, levels: int
) -> Answer:
    """The book's steps around an alert. Raises Refused, also where the log's events are gone."""
    alert = surveillance.find(session, number)
    row = session.get_one(Instrument, alert.instrument)
    window = Window(alert.first_time_ns - AROUND_NS, alert.last_time_ns + AROUND_NS, after, limit)
    market = Market(row.number, row.symbol, row.tick_fen)
    try:
        steps, is_more = replay(
            data_dir / EVENTS_FOLDER,
            market,
            window,
            last_sequence=checkpoint(session),
            levels=levels,
        )
    except EventsMissing as error:
        raise Refused(
            "conflict",
            f"The book cannot be replayed: {error}.",
            detail_zh="无法重现委托簿：所需的事件日志不完整，请将已归档的分段放回 archive 目录。",
        ) from None
    codes = account_codes(session)
    suspects = set(alert.evidence["order_ids"]), set(alert.evidence["trade_ids"])
    return {
        "alert_id": str(number),
        "symbol": row.symbol,
        "begins_at": format_time(max(window.first_time_ns, 0)),
        "ends_at": format_time(window.last_time_ns),
        "items": [_render_step(step, row.tick_fen, codes, suspects) for step in steps],
        "next_cursor": str(steps[-1].sequence) if is_more else None,
    }


def _render(session: Session, alert: Alert, codes: dict[int, str]) -> Answer:
    row = session.get_one(Instrument, alert.instrument)
    figures = _figures(alert.evidence["figures"], row.tick_fen)
    texts = [text.format(**figures) for text in _SUMMARIES[alert.kind]]
    return {
        "alert_id": str(alert.number),
        "kind": alert.kind,
        "symbol": row.symbol,
        "date": format_day(alert.trading_day),
        "summary": texts[0],
        "summary_zh": texts[1],
        "accounts": [codes.get(account, str(account)) for account in alert.evidence["accounts"]],
        "trade_ids": [str(number) for number in alert.evidence["trade_ids"]],
        "order_ids": [str(number) for number in alert.evidence["order_ids"]],
        "figures": figures,
        "rule": alert.evidence["rule"],
        "begins_at": format_time(alert.first_time_ns),
        "ends_at": format_time(alert.last_time_ns),
        "state": alert.state,
        "reason": alert.reason,
        "raised_at": format_time(alert.raised_time_ns),
        "changed_by": alert.changed_by,
        "changed_at": format_time(alert.changed_time_ns),
    }


def _figures(figures: dict[str, int], tick_fen: int) -> dict[str, str]:
    """Prices and shares as clients read them; quantities stay what they are."""
    shown = {}
    for name, value in figures.items():
        if name.endswith("_ticks"):
            shown[name.removesuffix("_ticks")] = format_price(value, tick_fen)
        elif name.endswith("_ppm"):
            sign = "-" if value < 0 else ""
            hundredths = abs(value) // 100
            text = f"{sign}{hundredths // 100}.{hundredths % 100:02} %"
            shown[name.removesuffix("_ppm")] = text
        else:
            shown[name] = str(value)
    return shown


def _render_step(
    step: Step, tick_fen: int, codes: dict[int, str], suspects: tuple[set[int], set[int]]
) -> Answer:
    return {
        "sequence": step.sequence,
        "time": format_time(step.time_ns),
        "events": [
            _render_event(step.events[place : place + 1], tick_fen, codes, suspects)
            for place in range(len(step.events))
        ],
        "bids": step.bids,
        "asks": step.asks,
    }


def _render_event(
    event: np.ndarray, tick_fen: int, codes: dict[int, str], suspects: tuple[set[int], set[int]]
) -> Answer:
    """An order's or a trade's event; `evidence` says whether the alert names it."""
    kind = EventKind(int(event["kind"][0]))
    if kind == EventKind.TRADE:
        trade = event.view(TRADE_EVENT)[0]
        accounts = [int(trade["maker_account"]), int(trade["taker_account"])]
        return {
            "kind": "trade",
            "trade_id": str(trade["trade_id"]),
            "order_ids": [str(trade["maker_order_id"]), str(trade["taker_order_id"])],
            "accounts": [codes.get(account, str(account)) for account in accounts],
            "side": Side(int(trade["taker_side"])).name.lower(),
            "price": format_price(int(trade["price_ticks"]), tick_fen),
            "quantity": str(trade["quantity_lots"]),
            "reason": None,
            "evidence": int(trade["trade_id"]) in suspects[1],
        }
    order = event.view(ORDER_EVENT)[0]
    account, reason = int(order["account"]), Reason(int(order["reason"]))
    return {
        "kind": kind.name.removeprefix("ORDER_").lower(),
        "trade_id": None,
        "order_ids": [str(order["order_id"])],
        "accounts": [codes.get(account, str(account))],
        "side": Side(int(order["side"])).name.lower(),
        "price": format_price(int(order["price_ticks"]), tick_fen),
        "quantity": str(order["remaining_lots"]),
        "reason": None if reason == Reason.NONE else reason.name.lower(),
        "evidence": int(order["order_id"]) in suspects[0],
    }
