"""What the public is told: large holdings and trades, the market's days, what was used up.

Everything is as of the last settlement or older; nobody learns of an open order from it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine.codes import TradeType
from engine.decimals import format_fen, format_price
from engine.times import format_day, format_time
from engine.units import ONE_MILLION
from settlement import market_rules
from settlement.blocks import GONE
from settlement.linked_accounts import owners
from settlement.tables.clearing import ClearingPrice, ClearingRun
from settlement.tables.identity import Account
from settlement.tables.registry import Batch, Block, Project, Retirement
from settlement.tables.trading import Instrument, Trade

Answer = dict[str, Any]


def holdings(session: Session, symbol: str | None = None) -> list[Answer]:
    """Who holds at least the threshold of a symbol, largest first; linked accounts count as one.

    An owner of several accounts is named by the operator's word for him.
    """
    query = (
        select(Project.symbol, Block.holder_account, func.sum(Block.quantity))
        .join(Batch, Batch.number == Block.batch_number)
        .join(Project, Project.project_id == Batch.project_id)
        .where(Block.status.not_in(GONE), Project.symbol.is_not(None))
        .group_by(Project.symbol, Block.holder_account)
    )
    if symbol is not None:
        query = query.where(Project.symbol == symbol)
    owner_of = owners(session)
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    accounts: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for of_symbol, account, quantity in session.execute(query):
        assert of_symbol is not None
        owner = owner_of(account)
        held[of_symbol][owner] += int(quantity)
        accounts[of_symbol, owner].append(account)
    rules = market_rules.disclosure_rules(session)
    names = dict(session.execute(select(Account.number, Account.name)).all())
    items = []
    for of_symbol in sorted(held):
        total = held[of_symbol].total()
        threshold = rules(of_symbol).holding_quantity
        for owner, quantity in held[of_symbol].most_common():
            if quantity >= threshold:
                known = accounts[of_symbol, owner]
                kind, _, name = owner.partition(":")
                items.append(
                    {
                        "symbol": of_symbol,
                        "holder": name if kind == "owner" else names.get(known[0], owner),
                        "accounts": len(known),
                        "quantity": str(quantity),
                        "share": _ratio(quantity * ONE_MILLION // total),
                        "threshold": str(threshold),
                    }
                )
    return items


def large_trades(session: Session, trading_day: int, symbol: str | None = None) -> list[Answer]:
    """A settled day's trades of at least the threshold, oldest first, without their parties."""
    run = session.scalar(select(ClearingRun).where(ClearingRun.trading_day == trading_day))
    if run is None:
        return []
    rules = market_rules.disclosure_rules(session)
    items: list[Answer] = []
    query = (
        select(ClearingPrice, Instrument)
        .join(Instrument, Instrument.number == ClearingPrice.instrument)
        .where(ClearingPrice.run_id == run.run_id)
        .order_by(Instrument.number)
    )
    for price, instrument in session.execute(query):
        if symbol not in (None, instrument.symbol):
            continue
        threshold = rules(instrument.symbol).trade_quantity
        found = select(Trade).where(
            Trade.instrument == instrument.number,
            Trade.sequence > price.after_sequence,
            Trade.sequence <= run.closing_sequence,
            Trade.quantity_lots >= threshold,
        )
        rows = session.scalars(found.order_by(Trade.sequence, Trade.trade_id))
        items += [_large_trade(trade, instrument, threshold) for trade in rows]
    return items


def _large_trade(trade: Trade, instrument: Instrument, threshold: int) -> Answer:
    return {
        "trade_id": str(trade.trade_id),
        "symbol": instrument.symbol,
        "price": format_price(trade.price_ticks, instrument.tick_fen),
        "quantity": str(trade.quantity_lots),
        "amount": format_fen(trade.notional_fen),
        "type": TradeType(trade.trade_type).name.lower(),
        "time": format_time(trade.time_ns),
        "threshold": str(threshold),
    }


def last_settled_day(session: Session) -> int | None:
    """The latest day that is disclosed."""
    query = select(func.max(ClearingRun.trading_day)).where(ClearingRun.status == "completed")
    return session.scalar(query)


def statistics(
    session: Session, first_day: int, last_day: int, symbol: str | None = None
) -> list[Answer]:
    """What was traded of each instrument on each settled day, newest day first."""
    query = (
        select(ClearingRun.trading_day, ClearingPrice, Instrument)
        .join(ClearingPrice, ClearingPrice.run_id == ClearingRun.run_id)
        .join(Instrument, Instrument.number == ClearingPrice.instrument)
        .where(
            ClearingRun.status == "completed",
            ClearingRun.trading_day >= first_day,
            ClearingRun.trading_day <= last_day,
        )
        .order_by(ClearingRun.trading_day.desc(), Instrument.number)
    )
    if symbol is not None:
        query = query.where(Instrument.symbol == symbol)
    return [
        {
            "date": format_day(trading_day),
            "symbol": instrument.symbol,
            "previous_close": format_price(price.previous_price_ticks, instrument.tick_fen),
            "close": format_price(price.closing_price_ticks, instrument.tick_fen),
            "trades": price.trades,
            "quantity": str(price.volume_lots),
            "amount": format_fen(price.notional_fen),
            "negotiated_quantity": str(price.negotiated_lots),
            "negotiated_amount": format_fen(price.negotiated_fen),
        }
        for trading_day, price, instrument in session.execute(query)
    ]


def totals(session: Session) -> Answer:
    """What was issued and what has become of it by symbol; surrenders by scheme and year."""
    query = (
        select(Project.symbol, Block.status, func.sum(Block.quantity))
        .join(Batch, Batch.number == Block.batch_number)
        .join(Project, Project.project_id == Batch.project_id)
        .group_by(Project.symbol, Block.status)
    )
    by_symbol: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for symbol, status, quantity in session.execute(query):
        by_symbol[symbol or ""][status] += int(quantity)
    surrendered = (
        select(Retirement.scheme, Retirement.year, func.sum(Retirement.quantity), func.count())
        .where(Retirement.kind == "surrender")
        .group_by(Retirement.scheme, Retirement.year)
        .order_by(Retirement.year.desc(), Retirement.scheme)
    )
    kinds = select(Retirement.kind, func.sum(Retirement.quantity), func.count()).group_by(
        Retirement.kind
    )
    return {
        "credits": [
            {
                "symbol": symbol or None,
                "issued": str(counted.total()),
                "retired": str(counted["retired"]),
                "cancelled": str(counted["cancelled"]),
                "exported": str(counted["exported"]),
                "outstanding": str(
                    sum(quantity for status, quantity in counted.items() if status not in GONE)
                ),
            }
            for symbol, counted in sorted(by_symbol.items())
        ],
        "retirements": [
            {"kind": kind, "quantity": str(quantity), "certificates": count}
            for kind, quantity, count in sorted(session.execute(kinds))
        ],
        "surrenders": [
            {
                "scheme": scheme,
                "year": year,
                "quantity": str(quantity),
                "certificates": count,
            }
            for scheme, year, quantity, count in session.execute(surrendered)
        ],
    }


def _ratio(ratio_ppm: int) -> str:
    whole, rest = divmod(ratio_ppm, ONE_MILLION)
    return f"{whole}.{rest:06}"
