"""Events as rows: what each kind of event does to orders, trades, instruments and the ledger.

Nothing here touches the database. `EventRows` gathers what a batch of events changes, in their
order; `settlement.intake` reads beforehand what they touch and writes the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import starmap
from typing import Any, NamedTuple

import numpy as np

from engine.codes import EventKind, OrderFlag, Reason
from engine.packed_texts import unpack_text
from engine.records import ADMIN_EVENT, AUCTION_EVENT, INSTRUMENT_EVENT, ORDER_EVENT, TRADE_EVENT
from settlement.ledger import CASH, Kind, Leg, Posting, holder
from settlement.ports import Records
from settlement.quoting import Quoting

# An iceberg's next slice changes nothing that is kept: ORDER_REFRESHED is not among them.
ORDER_KINDS = (
    EventKind.ORDER_ACCEPTED,
    EventKind.ORDER_CANCELLED,
    EventKind.ORDER_AMENDED,
    EventKind.ORDER_TRIGGERED,
)
_EXPIRED = (Reason.DAY_EXPIRED, Reason.EXPIRED)
_CASH_KINDS = (EventKind.CASH_DEPOSITED, EventKind.CASH_WITHDRAWN)
_CREDITS_KINDS = (EventKind.CREDITS_DEPOSITED, EventKind.CREDITS_WITHDRAWN)
_ADMIN_KINDS = (EventKind.DAY_ROLLED, *_CASH_KINDS, *_CREDITS_KINDS)
_PHASE_KINDS = (EventKind.PHASE_CHANGED, EventKind.VOLATILITY_INTERRUPTED)
Row = dict[str, Any]


class OrderEvent(NamedTuple):
    sequence: int
    time_ns: int
    instrument: int
    kind: int
    order_id: int
    client_id_high: int
    client_id_low: int
    price_ticks: int
    quantity_lots: int
    remaining_lots: int
    stop_price_ticks: int
    display_quantity_lots: int
    expires_at_ns: int
    minimum_quantity_lots: int
    account: int
    scheme: int
    side: int
    order_type: int
    time_in_force: int
    flags: int
    self_trade_prevention: int
    purpose: int
    reason: int


class TradeEvent(NamedTuple):
    sequence: int
    time_ns: int
    instrument: int
    trade_id: int
    maker_order_id: int
    taker_order_id: int
    price_ticks: int
    quantity_lots: int
    maker_remaining_lots: int
    taker_remaining_lots: int
    maker_fee_fen: int
    taker_fee_fen: int
    maker_account: int
    taker_account: int
    taker_side: int
    trade_type: int


class AdminEvent(NamedTuple):
    sequence: int
    time_ns: int
    instrument: int
    kind: int
    amount_fen: int
    quantity_lots: int
    reference_price_ticks: int
    lower_limit_ticks: int
    upper_limit_ticks: int
    account: int
    trading_day: int


class PhaseEvent(NamedTuple):
    sequence: int
    time_ns: int
    instrument: int
    phase: int


class InstrumentEvent(NamedTuple):
    sequence: int
    instrument: int
    symbol_high: int
    symbol_low: int
    reference_price_ticks: int
    lower_limit_ticks: int
    upper_limit_ticks: int
    maximum_order_lots: int
    maximum_holding_lots: int
    tick_fen: int
    price_limit_ppm: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    ladder_levels: int
    trading_day: int
    flags: int


def touched_orders(events: Records) -> list[int]:
    """Ids of the orders that the events change and do not themselves create."""
    orders = _chosen(events, ORDER_KINDS, ORDER_EVENT)
    trades = _chosen(events, (EventKind.TRADE,), TRADE_EVENT)
    accepted = orders["kind"] == EventKind.ORDER_ACCEPTED
    touched = np.concatenate(
        [orders["order_id"][~accepted], trades["maker_order_id"], trades["taker_order_id"]]
    )
    ids: list[int] = np.setdiff1d(touched, orders["order_id"][accepted]).tolist()
    return ids


def _chosen(events: Records, kinds: Sequence[int], layout: np.dtype[Any]) -> Records:
    return events[np.isin(events["kind"], kinds)].view(layout)


class EventRows:
    """The rows that a batch of events leaves, begun from the instruments and orders before it."""

    def __init__(
        self, instruments: dict[int, Row], orders: dict[int, Row], quoting: Quoting
    ) -> None:
        self.instruments = instruments
        self.orders = orders
        self.quoting = quoting
        self.changed_instruments: set[int] = set()
        self.new_instruments: set[int] = set()
        self.new_orders: set[int] = set()
        self.trades: list[Row] = []
        self.postings: list[Posting] = []

    def apply(self, events: Records) -> None:
        """Apply the events (dtype EVENT) in their order."""
        kinds = events["kind"]
        by_layout: dict[int, Iterator[Any]] = {}
        readers: tuple[tuple[Any, np.dtype[Any], tuple[EventKind, ...]], ...] = (
            (OrderEvent, ORDER_EVENT, ORDER_KINDS),
            (TradeEvent, TRADE_EVENT, (EventKind.TRADE,)),
            (InstrumentEvent, INSTRUMENT_EVENT, (EventKind.INSTRUMENT_DEFINED,)),
            (AdminEvent, ADMIN_EVENT, _ADMIN_KINDS),
            (PhaseEvent, AUCTION_EVENT, _PHASE_KINDS),
        )
        for row_type, layout, of_layout in readers:
            chosen = _chosen(events, of_layout, layout)
            read = starmap(row_type, chosen[list(row_type._fields)].tolist())
            by_layout |= dict.fromkeys(map(int, of_layout), read)
        handlers: dict[int, Callable[[Any], None]] = {
            int(EventKind.ORDER_ACCEPTED): self._order_accepted,
            int(EventKind.ORDER_CANCELLED): self._order_cancelled,
            int(EventKind.ORDER_AMENDED): self._order_amended,
            int(EventKind.ORDER_TRIGGERED): self._order_triggered,
            int(EventKind.TRADE): self._trade,
            int(EventKind.INSTRUMENT_DEFINED): self._instrument_defined,
            int(EventKind.DAY_ROLLED): self._day_rolled,
            **dict.fromkeys(map(int, _PHASE_KINDS), self._phase_changed),
            **dict.fromkeys(map(int, _CASH_KINDS), self._cash),
            **dict.fromkeys(map(int, _CREDITS_KINDS), self._credits),
        }
        for kind in kinds[np.isin(kinds, list(handlers))].tolist():
            handlers[kind](next(by_layout[kind]))

    def _order_accepted(self, event: OrderEvent) -> None:
        row = event._asdict()
        del row["kind"], row["time_ns"]
        row |= {
            "entered_price_ticks": event.price_ticks,
            "entered_quantity_lots": event.quantity_lots,
            "filled_lots": 0,
            "filled_ticks": 0,
            "status": "pending_trigger" if event.stop_price_ticks else "open",
            "created_time_ns": event.time_ns,
            "updated_time_ns": event.time_ns,
        }
        self.orders[event.order_id] = row
        self.new_orders.add(event.order_id)
        self._measure(row)

    def _order_amended(self, event: OrderEvent) -> None:
        row = self._touch(event.order_id, event)
        row.update(
            price_ticks=event.price_ticks,
            quantity_lots=event.quantity_lots,
            remaining_lots=event.remaining_lots,
        )
        self._measure(row)

    def _order_triggered(self, event: OrderEvent) -> None:
        self._touch(event.order_id, event)["status"] = "open"

    def _order_cancelled(self, event: OrderEvent) -> None:
        row = self._touch(event.order_id, event)
        row.update(
            quantity_lots=event.quantity_lots,
            remaining_lots=0,
            reason=event.reason,
            status="expired" if event.reason in _EXPIRED else "cancelled",
        )
        self._measure(row)

    def _trade(self, event: TradeEvent) -> None:
        for order_id, remaining_lots in (
            (event.maker_order_id, event.maker_remaining_lots),
            (event.taker_order_id, event.taker_remaining_lots),
        ):
            row = self._touch(order_id, event)
            row["filled_lots"] += event.quantity_lots
            row["filled_ticks"] += event.quantity_lots * event.price_ticks
            row["remaining_lots"] = remaining_lots
            row["status"] = "partially_filled" if remaining_lots else "filled"
            self._measure(row)
        instrument = self.instruments[event.instrument]
        trade = event._asdict()
        del trade["maker_remaining_lots"], trade["taker_remaining_lots"]
        trade["trading_day"] = instrument["trading_day"]
        trade["notional_fen"] = event.price_ticks * instrument["tick_fen"] * event.quantity_lots
        self.trades.append(trade)

    def _measure(self, row: Row) -> None:
        """Tell what an order of a two-sided quote has become."""
        if row["flags"] & OrderFlag.QUOTE:
            instrument = self.instruments[row["instrument"]]
            self.quoting.set_side(instrument, row, row["updated_time_ns"])

    def _touch(self, order_id: int, event: OrderEvent | TradeEvent) -> Row:
        row = self.orders[order_id]
        row["updated_time_ns"] = event.time_ns
        row["sequence"] = event.sequence
        return row

    def _instrument_defined(self, event: InstrumentEvent) -> None:
        row = event._asdict()
        row["number"] = row.pop("instrument")
        row["symbol"] = unpack_text(row.pop("symbol_high"), row.pop("symbol_low"))
        row["phase"] = 0
        self.instruments[event.instrument] = row
        self.new_instruments.add(event.instrument)

    def _phase_changed(self, event: PhaseEvent) -> None:
        self._change_instrument(event, phase=event.phase)

    def _day_rolled(self, event: AdminEvent) -> None:
        self.quoting.roll_day(self.instruments[event.instrument], event.time_ns)
        self._change_instrument(
            event,
            reference_price_ticks=event.reference_price_ticks,
            lower_limit_ticks=event.lower_limit_ticks,
            upper_limit_ticks=event.upper_limit_ticks,
            trading_day=event.trading_day,
        )

    def _change_instrument(self, event: AdminEvent | PhaseEvent, **changes: int) -> None:
        if "phase" in changes:
            instrument = self.instruments[event.instrument]
            self.quoting.set_phase(instrument, changes["phase"], event.time_ns)
        self.instruments[event.instrument].update(changes, sequence=event.sequence)
        self.changed_instruments.add(event.instrument)

    def _cash(self, event: AdminEvent) -> None:
        sign = 1 if event.kind == EventKind.CASH_DEPOSITED else -1
        self._post(event, Kind.BANK, CASH, sign * event.amount_fen)

    def _credits(self, event: AdminEvent) -> None:
        sign = 1 if event.kind == EventKind.CREDITS_DEPOSITED else -1
        symbol = self.instruments[event.instrument]["symbol"]
        self._post(event, Kind.REGISTRY, symbol, sign * event.quantity_lots)

    def _post(self, event: AdminEvent, source: Kind, asset: str, amount: int) -> None:
        self.postings.append(
            Posting(
                key=f"sequence:{event.sequence}",
                kind=EventKind(event.kind).name.lower(),
                time_ns=event.time_ns,
                legs=(
                    Leg(*holder(event.account), asset, amount),
                    Leg(source, 0, asset, -amount),
                ),
                sequence=event.sequence,
            )
        )
