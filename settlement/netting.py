"""What a day's trades come to: closing prices, nets, and who delivers how much to whom.

Selects and integer arithmetic only; nothing here changes the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, func, select, union_all
from sqlalchemy.orm import Session

from engine.codes import Side, TradeType
from settlement.market_rules import ClosingPriceRule
from settlement.tables.clearing import ClearingPrice, ClearingRun
from settlement.tables.trading import Instrument, Trade

# An instrument's delivery is cut into transactions of at most this many transfers and payments.
BATCH_SIZE = 10_000


# They are settled like all others, but say nothing about the market's price.
_NEGOTIATED = (int(TradeType.BLOCK), int(TradeType.ONE_WAY))


class DayFigures(NamedTuple):
    """The trades of one instrument in one day; negotiated ones are apart, but for their fees."""

    trades: int = 0
    volume_lots: int = 0
    notional_fen: int = 0
    fees_fen: int = 0
    negotiated_lots: int = 0
    negotiated_fen: int = 0


class Net(NamedTuple):
    """What an account bought and sold of one instrument."""

    fills: int
    bought_lots: int
    sold_lots: int
    bought_fen: int
    sold_fen: int
    fees_fen: int


class Batch(NamedTuple):
    """Transfers, and what the accounts are paid or pay because all of theirs are now made."""

    # Columns: seller, buyer, quantity_lots; int64.
    transfers: np.ndarray
    # Columns: account, bought_lots - sold_lots, sold_fen - bought_fen, fees_fen; int64.
    payments: np.ndarray


def unsettled(through_sequence: int) -> ColumnElement[bool]:
    """Trades up to a sequence that no run has settled; join Trade and Instrument."""
    return and_(
        Trade.instrument == Instrument.number,
        Trade.sequence > Instrument.settled_sequence,
        Trade.sequence <= through_sequence,
    )


def day_figures(session: Session, trades: ColumnElement[bool]) -> dict[int, DayFigures]:
    """Figures of each instrument that has such trades, by its number."""
    is_negotiated = Trade.trade_type.in_(_NEGOTIATED)
    query = (
        select(
            Trade.instrument,
            func.sum(case((is_negotiated, 0), else_=1)),
            func.sum(case((is_negotiated, 0), else_=Trade.quantity_lots)),
            func.sum(case((is_negotiated, 0), else_=Trade.notional_fen)),
            func.sum(Trade.maker_fee_fen + Trade.taker_fee_fen),
            func.sum(case((is_negotiated, Trade.quantity_lots), else_=0)),
            func.sum(case((is_negotiated, Trade.notional_fen), else_=0)),
        )
        .join(Instrument, Trade.instrument == Instrument.number)
        .where(trades)
        .group_by(Trade.instrument)
    )
    # PostgreSQL sums 64-bit integers into decimals.
    return {row[0]: DayFigures(*map(int, row[1:])) for row in session.execute(query)}


def carried_over(session: Session, run: ClearingRun) -> dict[int, int]:
    """Instruments with trades that an earlier run priced and could not deliver.

    Gives the sequence up to which they are priced.
    """
    priced = func.max(ClearingRun.closing_sequence)
    query = (
        select(ClearingPrice.instrument, priced)
        .join(ClearingRun, ClearingPrice.run_id == ClearingRun.run_id)
        .join(Instrument, ClearingPrice.instrument == Instrument.number)
        .where(ClearingRun.run_id != run.run_id, ClearingPrice.is_delivered.is_(False))
        .group_by(ClearingPrice.instrument, Instrument.settled_sequence)
        .having(priced > Instrument.settled_sequence)
    )
    return dict(session.execute(query).all())


def net_rows(trades: ColumnElement[bool]) -> Select[Any]:
    """Selects instrument, account and a Net's fields for all that have such trades."""
    sides = []
    for account, fee, buys_if_taker_buys in (
        (Trade.maker_account, Trade.maker_fee_fen, False),
        (Trade.taker_account, Trade.taker_fee_fen, True),
    ):
        buys = (Trade.taker_side == Side.BUY) == buys_if_taker_buys
        sides.append(
            select(
                *(Trade.instrument.label("instrument"), account.label("account")),
                case((buys, Trade.quantity_lots), else_=0).label("bought_lots"),
                case((buys, 0), else_=Trade.quantity_lots).label("sold_lots"),
                case((buys, Trade.notional_fen), else_=0).label("bought_fen"),
                case((buys, 0), else_=Trade.notional_fen).label("sold_fen"),
                fee.label("fees_fen"),
            )
            .join(Instrument, Trade.instrument == Instrument.number)
            .where(trades)
        )
    side = union_all(*sides).subquery()
    # PostgreSQL sums 64-bit integers into decimals.
    sums = [cast(func.sum(side.c[name]), BigInteger) for name in Net._fields[1:]]
    key = (side.c.instrument, side.c.account)
    return select(*key, func.count(), *sums).group_by(*key).order_by(*key)


def nets(session: Session, trades: ColumnElement[bool]) -> Iterator[tuple[int, int, Net]]:
    """What each (instrument, account) with such trades bought, sold and paid in fees."""
    for row in session.execute(net_rows(trades)):
        yield row[0], row[1], Net(*row[2:])


def closing_price(
    instrument: Instrument, day: DayFigures, rule: ClosingPriceRule
) -> tuple[int, str]:
    """The closing price in ticks and how it came about.

    The volume-weighted average of the day's listed trades, rounded half up to a tick; in a thin
    market or without trades the previous close. (The rule and its sources: market_rules.toml.)
    """
    if day.volume_lots <= rule.thin_market_quantity:
        return instrument.reference_price_ticks, "previous_close"
    # Every notional is a whole number of ticks times lots, so this division leaves nothing.
    weighted_ticks = day.notional_fen // instrument.tick_fen
    return (2 * weighted_ticks + day.volume_lots) // (2 * day.volume_lots), "vwap"


def side_by_side(
    first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lay two rows of positive quantities of one sum along each other.

    Returns the pieces in order: which of `first`, which of `second`, and how much.
    """
    first_ends, second_ends = np.cumsum(first), np.cumsum(second)
    ends = np.union1d(first_ends, second_ends)
    pieces = np.diff(ends, prepend=0)
    return np.searchsorted(first_ends, ends), np.searchsorted(second_ends, ends), pieces


def transfers(nets_of_instrument: np.ndarray) -> np.ndarray:
    """Pair net sellers with net buyers, both in the order of their account numbers.

    Takes rows of account, net lots, ...; returns rows of seller, buyer, quantity_lots.
    """
    accounts, lots = nets_of_instrument[:, 0], nets_of_instrument[:, 1]
    seller, buyer, quantity = side_by_side(-lots[lots < 0], lots[lots > 0])
    return np.column_stack((accounts[lots < 0][seller], accounts[lots > 0][buyer], quantity))


def batches(nets_of_instrument: np.ndarray, size: int) -> list[Batch]:
    """Cut an instrument's delivery into batches, always in the same way.

    Takes the rows of Batch.payments in the order of their accounts. An account's cash moves in the
    batch of its last transfer: delivery against payment. Accounts that sold as much as they bought
    come last.
    """
    pairs = transfers(nets_of_instrument)
    accounts, lots = nets_of_instrument[:, 0], nets_of_instrument[:, 1]
    last = np.zeros(len(accounts), np.int64)
    for column in (0, 1):
        places = np.searchsorted(accounts, pairs[:, column])
        np.maximum.at(last, places, np.arange(len(pairs)))
    flat = np.flatnonzero(lots == 0)
    last[flat] = len(pairs) + np.arange(len(flat))
    batch_of = last // size
    return [
        Batch(pairs[index * size : (index + 1) * size], nets_of_instrument[batch_of == index])
        for index in range(-(-(len(pairs) + len(flat)) // size))
    ]
