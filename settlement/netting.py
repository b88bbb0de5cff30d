"""What a day's trades come to: closing prices, nets, and who delivers how much to whom.

Selects and integer arithmetic only; nothing here changes the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from engine.codes import Side
from settlement.market_rules import ClosingPriceRule
from settlement.tables.clearing import ClearingNet
from settlement.tables.trading import Instrument, Trade

# An instrument's delivery is cut into transactions of at most this many transfers and payments.
BATCH_SIZE = 500


class DayFigures(NamedTuple):
    """The trades of one instrument in one day."""

    trades: int = 0
    volume_lots: int = 0
    notional_fen: int = 0
    fees_fen: int = 0


@dataclass
class Net:
    """What an account bought and sold of one instrument."""

    fills: int = 0
    bought_lots: int = 0
    sold_lots: int = 0
    bought_fen: int = 0
    sold_fen: int = 0
    fees_fen: int = 0


class Transfer(NamedTuple):
    """Credits that go from a net seller's custody to a net buyer's."""

    from_account: int
    to_account: int
    quantity_lots: int


@dataclass
class Batch:
    """Transfers, and the accounts that are paid or pay because all of theirs are now made."""

    transfers: list[Transfer] = field(default_factory=list)
    accounts: list[int] = field(default_factory=list)


def unsettled(through_sequence: int) -> ColumnElement[bool]:
    """Trades up to a sequence that no run has settled; join Trade and Instrument."""
    return and_(
        Trade.instrument == Instrument.number,
        Trade.sequence > Instrument.settled_sequence,
        Trade.sequence <= through_sequence,
    )


def day_figures(session: Session, trades: ColumnElement[bool]) -> dict[int, DayFigures]:
    """Figures of each instrument that has such trades, by its number."""
    query = (
        select(
            Trade.instrument,
            func.count(),
            func.sum(Trade.quantity_lots),
            func.sum(Trade.notional_fen),
            func.sum(Trade.maker_fee_fen + Trade.taker_fee_fen),
        )
        .join(Instrument, Trade.instrument == Instrument.number)
        .where(trades)
        .group_by(Trade.instrument)
    )
    # PostgreSQL sums 64-bit integers into decimals.
    return {row[0]: DayFigures(*map(int, row[1:])) for row in session.execute(query)}


def nets(session: Session, trades: ColumnElement[bool]) -> dict[tuple[int, int], Net]:
    """What each (instrument, account) with such trades bought, sold and paid in fees."""
    found: dict[tuple[int, int], Net] = {}
    for account, fee, is_maker in (
        (Trade.maker_account, Trade.maker_fee_fen, True),
        (Trade.taker_account, Trade.taker_fee_fen, False),
    ):
        query = (
            select(
                *(Trade.instrument, account, Trade.taker_side, func.count()),
                func.sum(Trade.quantity_lots),
                func.sum(Trade.notional_fen),
                func.sum(fee),
            )
            .join(Instrument, Trade.instrument == Instrument.number)
            .where(trades)
            .group_by(Trade.instrument, account, Trade.taker_side)
        )
        for instrument, owner, taker_side, *sums in session.execute(query):
            fills, lots, notional_fen, fees_fen = map(int, sums)
            net = found.setdefault((instrument, owner), Net())
            net.fills += fills
            net.fees_fen += fees_fen
            if (taker_side == Side.BUY) != is_maker:
                net.bought_lots += lots
                net.bought_fen += notional_fen
            else:
                net.sold_lots += lots
                net.sold_fen += notional_fen
    return found


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


def transfers(nets_of_instrument: Sequence[ClearingNet]) -> Iterator[Transfer]:
    """Pair net sellers with net buyers, both in the order of their account numbers."""
    net_lots = sorted((net.account, net.bought_lots - net.sold_lots) for net in nets_of_instrument)
    buyers = iter([(account, lots) for account, lots in net_lots if lots > 0])
    buyer, wanted = 0, 0
    for seller, lots in net_lots:
        owed = -lots
        while owed > 0:
            if wanted == 0:
                buyer, wanted = next(buyers)
            quantity = min(owed, wanted)
            yield Transfer(seller, buyer, quantity)
            owed -= quantity
            wanted -= quantity


def batches(nets_of_instrument: Sequence[ClearingNet], size: int) -> list[Batch]:
    """Cut an instrument's delivery into batches, always in the same way.

    An account's cash moves in the batch of its last transfer: delivery against payment. Accounts
    that sold as much as they bought come last.
    """
    pairs = list(transfers(nets_of_instrument))
    last_of: dict[int, int] = {}
    for index, pair in enumerate(pairs):
        last_of[pair.from_account] = last_of[pair.to_account] = index
    flat = sorted({net.account for net in nets_of_instrument} - last_of.keys())
    made: list[Batch] = []
    for index in range(len(pairs) + len(flat)):
        if index % size == 0:
            made.append(Batch())
        if index >= len(pairs):
            made[-1].accounts.append(flat[index - len(pairs)])
            continue
        pair = pairs[index]
        made[-1].transfers.append(pair)
        made[-1].accounts += [
            account for account in (pair.from_account, pair.to_account) if last_of[account] == index
        ]
    return made
