"""Everything the reference engine remembers, as dicts of plain records, and its export."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from engine.codes import Code, InstrumentFlag, Phase
from engine.matching.reference.book import Book, Order
from engine.matching.reference.events import EventWriter
from engine.state import EngineLimits, EngineState
from engine.state_records import (
    ACCOUNT_STATE,
    ALLOWANCE_STATE,
    COUNTERS_STATE,
    INSTRUMENT_STATE,
    ORDER_STATE,
    POSITION_STATE,
)
from engine.units import EXCHANGE_ACCOUNT, MAX_ORDER_NUMBER, ONE_MILLION, ORDER_SLOT_BITS


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error
    """A check failed; nothing was changed yet. Becomes COMMAND_REFUSED."""

    def __init__(self, code: Code, order_id: int = 0) -> None:
        super().__init__(code.name)
        self.code = code
        self.order_id = order_id


def refuse_if(condition: bool, code: Code) -> None:
    """One row of a table of checks. Raises Refusal."""
    if condition:
        raise Refusal(code)


def price_limits(reference_price_ticks: int, price_limit_ppm: int) -> tuple[int, int]:
    """The lowest and the highest price allowed, in ticks: never outside the percentage."""
    lowest = reference_price_ticks * (ONE_MILLION - price_limit_ppm)
    highest = reference_price_ticks * (ONE_MILLION + price_limit_ppm)
    return max(1, -(-lowest // ONE_MILLION)), highest // ONE_MILLION


@dataclass
class Account:
    available_fen: int = 0
    held_fen: int = 0
    open_orders: int = 0
    is_open: bool = False
    is_blocked: bool = False
    maximum_order_fen: int = 0
    maximum_orders_per_second: int = 0
    maximum_open_orders: int = 0
    counted_second: int = 0
    orders_in_second: int = 0


@dataclass
class Position:
    """What an account has of an instrument."""

    account: int
    instrument: int
    available_lots: int = 0
    held_lots: int = 0
    locked_lots: int = 0
    buying_lots: int = 0
    bid_quote_order_id: int = 0
    ask_quote_order_id: int = 0


@dataclass
class Allowance:
    """An account's offset cap in a compliance scheme, and what counts against it."""

    account: int
    scheme: int
    cap_lots: int = 0
    used_lots: int = 0
    held_lots: int = 0
    open_lots: int = 0


@dataclass
class Instrument:
    symbol_high: int = 0
    symbol_low: int = 0
    reference_price_ticks: int = 0
    lower_limit_ticks: int = 0
    upper_limit_ticks: int = 0
    maximum_order_lots: int = 0
    maximum_holding_lots: int = 0
    total_credits_lots: int = 0
    last_price_ticks: int = 0
    ends_at_ns: int = 0
    cancel_until_ns: int = 0
    minimum_block_lots: int = 0
    tick_fen: int = 0
    price_limit_ppm: int = 0
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    ladder_levels: int = 0
    trading_day: int = 0
    flags: int = 0
    volatility_ppm: int = 0
    interruption_seconds: int = 0
    block_limit_ppm: int = 0
    is_block_window_open: int = 0
    phase: int = Phase.CLOSED
    is_defined: bool = True
    is_interrupted: bool = False

    @property
    def has_resale_lock(self) -> bool:
        return bool(self.flags & InstrumentFlag.RESALE_LOCK)

    @property
    def is_in_call_auction(self) -> bool:
        return self.phase == Phase.CALL_AUCTION

    @property
    def anchor_ticks(self) -> int:
        """What volatility, and the price of an auction, are measured from."""
        return self.last_price_ticks or self.reference_price_ticks

    def allows_cancel(self, time_ns: int) -> bool:
        """Whether clients may cancel and amend at this time."""
        return self.cancel_until_ns == 0 or time_ns < self.cancel_until_ns

    def allows_price(self, price_ticks: int) -> bool:
        return self.lower_limit_ticks <= price_ticks <= self.upper_limit_ticks


class Registered(NamedTuple):
    """What a client id became: an order's id, or another command's sequence."""

    value: int
    is_order: bool


class Market:
    """The state, with the few steps that keep its parts in line with each other."""

    def __init__(self, limits: EngineLimits) -> None:
        self.limits = limits
        self.events = EventWriter()
        self.sequence = 0
        self.time_ns = 0
        self.accounts = {EXCHANGE_ACCOUNT: Account()}
        self.instruments: dict[int, Instrument] = {}
        self.books: dict[int, Book] = {}
        self.positions: dict[tuple[int, int], Position] = {}
        self.allowances: dict[tuple[int, int], Allowance] = {}
        self.client_ids: dict[tuple[int, int, int], Registered] = {}
        self.orders: dict[int, Order] = {}  # open ones, by order id, ascending
        self.free_slots: list[int] = []
        self.slots_used = 0
        self.next_order_number = 1
        self.next_trade_id = 1
        # By instrument: what volatility is measured from while a command is carried out.
        self.anchors: dict[int, int] = {}
        self.total_cash_fen = 0

    def account(self, number: int) -> Account:
        """The open account `number`. Raises Refusal."""
        account = self.accounts.get(number)
        if account is None or not account.is_open:
            raise Refusal(Code.UNKNOWN_ACCOUNT)
        return account

    def instrument(self, number: int) -> Instrument:
        """The defined instrument `number`. Raises Refusal."""
        if number not in self.instruments:
            raise Refusal(Code.UNKNOWN_INSTRUMENT)
        return self.instruments[number]

    def order(self, order_id: int) -> Order:
        """The open order of this id, whosever it is. Raises Refusal."""
        number = order_id >> ORDER_SLOT_BITS
        refuse_if(not 1 <= number < self.next_order_number, Code.ORDER_NOT_FOUND)
        order = self.orders.get(order_id)
        if order is None:
            raise Refusal(Code.ORDER_NOT_OPEN)
        return order

    def position(self, account: int, instrument: int) -> Position:
        """The position to look at: an empty one if it was never touched."""
        return self.positions.get((account, instrument), Position(account, instrument))

    def touch_position(self, account: int, instrument: int) -> Position:
        """The position to change; it exists from now on."""
        return self.positions.setdefault((account, instrument), Position(account, instrument))

    def has_room_for_position(self, account: int, instrument: int) -> bool:
        return (account, instrument) in self.positions or (
            len(self.positions) < self.limits.positions
        )

    def has_room_for_orders(self, count: int) -> bool:
        """Whether `count` more orders find a slot (0 is none) and a number each."""
        never_used = self.limits.orders - 1 - self.slots_used
        numbers_left = MAX_ORDER_NUMBER - self.next_order_number + 1
        return count <= len(self.free_slots) + never_used and count <= numbers_left

    def check_client_id_is_new(self, account: int, high: int, low: int) -> None:
        """Raises Refusal with what the first use of the id became."""
        registered = self.client_ids.get((account, high, low))
        if registered is not None:
            raise Refusal(Code.DUPLICATE_CLIENT_ORDER_ID, registered.value)

    def register_client_id(
        self, account: int, high: int, low: int, value: int, is_order: bool
    ) -> None:
        if (high, low) != (0, 0):
            self.client_ids[account, high, low] = Registered(value, is_order)

    def open_order(self, order: Order) -> None:
        """Give `order` a slot and an id; count it. It is not in the book yet."""
        if self.free_slots:
            slot = self.free_slots.pop()
        else:
            self.slots_used += 1
            slot = self.slots_used
        order.order_id = self.next_order_number << ORDER_SLOT_BITS | slot
        self.next_order_number += 1
        self.orders[order.order_id] = order
        self.accounts[order.account].open_orders += 1
        position = self.touch_position(order.account, order.instrument)
        if order.is_quote and order.is_buy:
            position.bid_quote_order_id = order.order_id
        elif order.is_quote:
            position.ask_quote_order_id = order.order_id

    def close_order(self, order: Order) -> None:
        """Forget `order`, which has left the book, and take its slot back."""
        del self.orders[order.order_id]
        self.free_slots.append(order.slot)
        self.accounts[order.account].open_orders -= 1
        position = self.positions[order.account, order.instrument]
        if order.is_quote and order.is_buy:
            position.bid_quote_order_id = 0
        elif order.is_quote:
            position.ask_quote_order_id = 0

    def export(self) -> EngineState:
        """The state in its canonical form."""
        return EngineState(
            sequence=self.sequence,
            time_ns=self.time_ns,
            slots_used=self.slots_used,
            counters=np.array(
                [
                    (
                        self.next_order_number,
                        self.next_trade_id,
                        self.total_cash_fen,
                        len(self.client_ids),
                    )
                ],
                COUNTERS_STATE,
            ),
            instruments=_numbered(self.instruments, Instrument(is_defined=False), INSTRUMENT_STATE),
            accounts=_numbered(self.accounts, Account(), ACCOUNT_STATE),
            positions=_rows(self.positions.values(), POSITION_STATE),
            allowances=_rows(self.allowances.values(), ALLOWANCE_STATE),
            orders=_rows(self.listed_orders(), ORDER_STATE),
            free_slots=np.array(self.free_slots, np.int32),
        )

    def listed_orders(self, account: int = 0, instrument: int = 0) -> list[Order]:
        """The open orders of an account, or of one or (0) all instruments, in the order in which
        many are cancelled: an account's as they came, else as they stand in the books."""
        if account != 0:
            return [order for order in self.orders.values() if order.account == account]
        books = sorted(self.books.items())
        chosen = [book for number, book in books if instrument in (0, number)]
        return [order for book in chosen for order in book.all_orders()]


def _numbered(records: dict[int, Any], nothing: object, layout: np.dtype) -> np.ndarray:
    """Rows by number, from 0 to the highest in use."""
    return _rows(
        (records.get(number, nothing) for number in range(max(records, default=0) + 1)), layout
    )


def _rows(records: Iterable[object], layout: np.dtype) -> np.ndarray:
    """One row for each record, field by field; what a record does not have (reserved) is 0."""
    names = layout.names or ()
    rows = [tuple(getattr(record, name, 0) for name in names) for record in records]
    return np.array(rows, layout)
