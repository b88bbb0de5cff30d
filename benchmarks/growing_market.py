"""A market of any size, and a flow that costs the same work in each of them.

A flow is made of pairs, in random order and in equal parts: a resting order anywhere in the books
is cancelled by its id and another one enters somewhere else, or an order rests at the best price
and the next message takes it (IOC). So the number of resting orders stays what it is, and every
message may touch any order, instrument or account: what grows with the market is only what lies in
memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from engine.codes import (
    CommandKind,
    OrderType,
    Phase,
    Purpose,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from engine.packed_texts import pack_text
from engine.records import ADMIN_COMMAND, COMMAND, INSTRUMENT_COMMAND, ORDER_COMMAND
from engine.state import EngineLimits
from engine.units import MAX_LADDER_LEVELS, MAX_TOTAL_CASH_FEN, ONE_MILLION, ORDER_SLOT_BITS

CHUNK_COMMANDS = 65_536
REFERENCE_TICKS = MAX_LADDER_LEVELS // 2
_NEAREST_TICKS = 16  # from the middle to the first resting order; the best price lies between
MAXIMUM_LOTS = 10
_CREDITS_LOTS = 2**40  # of each instrument
_FEE_PPM = 500


class MarketSize(NamedTuple):
    """How much of everything there is; ladder levels are those of each instrument."""

    orders: int = 100_000
    instruments: int = 1
    accounts: int = 100
    ladder_levels: int = MAX_LADDER_LEVELS
    # Each account trades in one instrument only; else in all of them.
    is_spread: bool = False


class GrowingMarket:
    """The commands that make a market of one size, and then flows for it, all stamped."""

    def __init__(self, size: MarketSize, seed: int) -> None:
        assert size.accounts >= 2, "nobody trades with itself"
        assert not size.is_spread or size.accounts % size.instruments == 0
        self._size = size
        self._random = np.random.default_rng(seed)
        self._sequence = 0
        # Resting order n stands in slot n + 1 for ever: the slot of a cancelled order is taken
        # first, here by the order that comes in its place.
        self._numbers = np.arange(1, size.orders + 1)
        self._accounts = self._random.integers(1, size.accounts + 1, size.orders)
        self._next_number = size.orders + 1

    @property
    def limits(self) -> EngineLimits:
        """Pools that are large enough for it."""
        size = self._size
        return EngineLimits(
            orders=size.orders + 3,  # slots begin with 1; one trade needs two more
            accounts=size.accounts + 1,
            positions=size.accounts * (1 if size.is_spread else size.instruments) + 1,
            allowances=2,
            instruments=size.instruments + 1,
            ladder_levels=size.instruments * size.ladder_levels,
        )

    def opening(self) -> Iterator[np.ndarray]:
        """All that stands when the measurement begins, in chunks."""
        size = self._size
        yield self._stamped(self._instruments())
        accounts = np.arange(1, size.accounts + 1)
        cash_fen = MAX_TOTAL_CASH_FEN // size.accounts
        credits_lots = _CREDITS_LOTS // size.accounts
        instruments = np.arange(1, size.instruments + 1)
        yield from self._administration(CommandKind.OPEN_ACCOUNT, account=accounts)
        yield from self._administration(
            CommandKind.DEPOSIT_CASH, account=accounts, amount_fen=cash_fen
        )
        owners, owned = accounts, self._home(accounts)
        if not size.is_spread:
            owners = np.repeat(accounts, size.instruments)
            owned = np.tile(instruments, size.accounts)
        yield from self._administration(
            CommandKind.DEPOSIT_CREDITS,
            account=owners,
            instrument=owned,
            quantity_lots=credits_lots,
        )
        yield from self._administration(
            CommandKind.SET_PHASE, instrument=instruments, phase=Phase.CONTINUOUS
        )
        for start in range(0, size.orders, CHUNK_COMMANDS):
            accounts = self._accounts[start : start + CHUNK_COMMANDS]
            orders = self._new_orders(len(accounts))
            self._give(orders, accounts)
            self._put_anywhere(orders)
            yield self._stamped(orders)

    def flow(self, count: int) -> np.ndarray:
        """The next `count` messages; an even number."""
        pairs = self._new_orders(count).reshape(-1, 2)
        is_trade = self._random.random(len(pairs)) < 0.5
        self._trade(pairs, is_trade)
        self._replace(pairs, ~is_trade)
        return self._stamped(pairs.reshape(-1))

    def _trade(self, pairs: np.ndarray, which: np.ndarray) -> None:
        """One order rests a tick from the middle, the next one takes it whole."""
        rests, takes = pairs[which, 0], pairs[which, 1]
        self._give(rests, self._random.integers(1, self._size.accounts + 1, len(rests)))
        rests["side"] = self._random.integers(0, 2, len(rests))
        rests["price_ticks"] = REFERENCE_TICKS + np.where(rests["side"] == Side.SELL, 1, -1)
        for name in ("instrument", "price_ticks", "quantity_lots"):
            takes[name] = rests[name]
        # The next account that trades in the same instrument.
        step = self._size.instruments if self._size.is_spread else 1
        takes["account"] = (rests["account"] - 1 + step) % self._size.accounts + 1
        takes["side"] = 1 - rests["side"]
        takes["time_in_force"] = TimeInForce.IOC
        pairs[which, 0], pairs[which, 1] = rests, takes

    def _replace(self, pairs: np.ndarray, which: np.ndarray) -> None:
        """One resting order leaves, another one comes and gets its slot."""
        cancels, enters = np.zeros(int(which.sum()), ORDER_COMMAND), pairs[which, 1]
        self._give(enters, self._random.integers(1, self._size.accounts + 1, len(enters)))
        self._put_anywhere(enters)
        # Each order that is accepted takes a number: one here, two in each trade.
        numbers = self._next_number + np.cumsum(np.where(which, 1, 2)) - 1
        self._next_number = int(numbers[-1]) + 1
        rows = self._random.integers(0, self._size.orders, len(cancels))
        for place, (row, number) in enumerate(zip(rows, numbers[which], strict=True)):
            cancels["order_id"][place] = (self._numbers[row] << ORDER_SLOT_BITS) | (row + 1)
            cancels["account"][place] = self._accounts[row]
            self._numbers[row] = number
            self._accounts[row] = enters["account"][place]
        cancels["kind"] = CommandKind.CANCEL_ORDER
        pairs[which, 0], pairs[which, 1] = cancels, enters

    def _new_orders(self, count: int) -> np.ndarray:
        orders = np.zeros(count, ORDER_COMMAND)
        orders["kind"] = CommandKind.NEW_ORDER
        orders["instrument"] = self._random.integers(1, self._size.instruments + 1, count)
        orders["quantity_lots"] = self._random.integers(1, MAXIMUM_LOTS + 1, count)
        orders["order_type"] = OrderType.LIMIT
        orders["time_in_force"] = TimeInForce.GTC
        orders["self_trade_prevention"] = SelfTradePrevention.CANCEL_NEWEST
        orders["purpose"] = Purpose.VOLUNTARY
        return orders

    def _home(self, accounts: np.ndarray) -> np.ndarray:
        """The one instrument in which each account trades, if it trades in one."""
        return (accounts - 1) % self._size.instruments + 1

    def _give(self, orders: np.ndarray, accounts: np.ndarray) -> None:
        """Let the orders be these accounts', in instruments in which they trade."""
        orders["account"] = accounts
        if self._size.is_spread:
            orders["instrument"] = self._home(accounts)

    def _put_anywhere(self, orders: np.ndarray) -> None:
        """On either side, at any price that the ladder holds but the best ones."""
        farthest_ticks = self._size.ladder_levels * 3 // 8
        away_ticks = self._random.integers(_NEAREST_TICKS, farthest_ticks, len(orders))
        orders["side"] = self._random.integers(0, 2, len(orders))
        is_sell = orders["side"] == Side.SELL
        orders["price_ticks"] = REFERENCE_TICKS + np.where(is_sell, away_ticks, -away_ticks)

    def _instruments(self) -> np.ndarray:
        size = self._size
        instruments = np.zeros(size.instruments, INSTRUMENT_COMMAND)
        instruments["kind"] = CommandKind.DEFINE_INSTRUMENT
        instruments["instrument"] = np.arange(1, size.instruments + 1)
        instruments["symbol_high"], instruments["symbol_low"] = pack_text("BENCH")
        instruments["reference_price_ticks"] = REFERENCE_TICKS
        levels_each_way = size.ladder_levels // 2 - 1
        instruments["price_limit_ppm"] = levels_each_way * ONE_MILLION // REFERENCE_TICKS
        instruments["ladder_levels"] = size.ladder_levels
        instruments["tick_fen"] = 1
        instruments["maker_fee_ppm"] = instruments["taker_fee_ppm"] = _FEE_PPM
        instruments["maximum_order_lots"] = MAXIMUM_LOTS
        instruments["maximum_holding_lots"] = 2 * _CREDITS_LOTS
        instruments["trading_day"] = 20_000
        return instruments

    def _administration(self, kind: CommandKind, **fields: Any) -> Iterator[np.ndarray]:
        count = max(np.size(values) for values in fields.values())
        for start in range(0, count, CHUNK_COMMANDS):
            commands = np.zeros(min(CHUNK_COMMANDS, count - start), ADMIN_COMMAND)
            commands["kind"] = kind
            for name, values in fields.items():
                each = np.ndim(values) == 1
                commands[name] = values[start : start + CHUNK_COMMANDS] if each else values
            yield self._stamped(commands)

    def _stamped(self, commands: np.ndarray) -> np.ndarray:
        first = self._sequence + 1
        self._sequence += len(commands)
        commands["sequence"] = np.arange(first, first + len(commands))
        commands["time_ns"] = commands["sequence"]
        return commands.view(COMMAND)
