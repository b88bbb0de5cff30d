"""Replay real order flow: `python -m benchmarks.orderflow FILE.csv.gz`.

The file is an hour of NASDAQ orders, re-expressed as commands, with the resting order that each
aggressor met and the best quotes after each row. Rows of hidden executions touch no visible order
and are passed over; where the exchange itself left the queue's order (FORCE_REDUCE), the order that
it took is made smaller.
"""

from __future__ import annotations

import csv
import gzip
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.market import BUYER, INSTRUMENT, SELLER, open_market
from engine.codes import (
    CommandKind,
    EventKind,
    OrderType,
    Purpose,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from engine.matching.engine import Engine
from engine.orderbook.depth import best_levels
from engine.records import COMMAND, ORDER_COMMAND, ORDER_EVENT, TRADE_EVENT

_TICK_E4 = 100


class WorkloadError(Exception):
    """A row is not what the file's description says."""


@dataclass
class Result:
    """What a replay came to."""

    rows: int = 0
    aggressors: int = 0
    aggressors_as_expected: int = 0  # filled whole, by one trade, with the expected resting order
    states: int = 0  # rows after which the best quotes are known
    states_as_expected: int = 0
    seconds: float = 0.0


@dataclass
class _Resting:
    order_id: int
    account: int
    price_ticks: int
    quantity_lots: int  # the order's total
    open_lots: int


class Replay:
    """One run of an order flow through an engine of its own."""

    def __init__(self) -> None:
        self.result = Result()
        self._engine = Engine()
        self._sequence = open_market(self._engine)
        self._resting: dict[str, _Resting] = {}
        self._names: dict[int, str] = {}
        self._command = np.zeros(1, ORDER_COMMAND)

    def run(self, rows: Iterable[dict[str, str]]) -> Result:
        """Send all rows. Raises WorkloadError."""
        start = time.perf_counter()
        for row in rows:
            self.result.rows += 1
            match row["cmd"]:
                case "ADD":
                    self._add(row)
                case "IOC":
                    self._meet(row)
                case "REDUCE":
                    self._reduce(row["order_id"], int(row["qty"]))
                case "CANCEL":
                    self._reduce(row["order_id"], self._resting[row["order_id"]].open_lots)
                case "FORCE_REDUCE":
                    self._reduce(row["expected_resting_id"], int(row["qty"]))
                case "HIDDEN_EXEC":
                    pass
                case other:
                    raise WorkloadError(f"row {row['seq']}: unknown command {other!r}")
            if row["oracle"] == "1":
                self.result.states += 1
                self.result.states_as_expected += self._quotes() == _expected_quotes(row)
        self.result.seconds = round(time.perf_counter() - start, 3)
        return self.result

    def _add(self, row: dict[str, str]) -> None:
        events = self._enter(row, TimeInForce.GTC)
        accepted = events.view(ORDER_EVENT)[0]
        account, quantity_lots = int(accepted["account"]), int(accepted["quantity_lots"])
        name = row["order_id"]
        self._names[int(accepted["order_id"])] = name
        self._resting[name] = _Resting(
            int(accepted["order_id"]),
            account,
            int(accepted["price_ticks"]),
            quantity_lots,
            quantity_lots,
        )
        if len(events) > 1:
            raise WorkloadError(f"row {row['seq']}: an order that was to rest has traded")

    def _meet(self, row: dict[str, str]) -> None:
        """Send an aggressor and see whom it meets."""
        events = self._enter(row, TimeInForce.IOC)
        met = []
        for event in events.view(TRADE_EVENT)[1:]:
            if event["kind"] == EventKind.TRADE:
                name, lots = self._names[int(event["maker_order_id"])], int(event["quantity_lots"])
                met.append((name, lots))
                self._resting[name].open_lots -= lots
        self.result.aggressors += 1
        self.result.aggressors_as_expected += met == [(row["expected_resting_id"], int(row["qty"]))]

    def _enter(self, row: dict[str, str], time_in_force: TimeInForce) -> np.ndarray:
        is_buy = row["side"] == "B"
        price_ticks, off_tick = divmod(int(row["price_e4"]), _TICK_E4)
        if off_tick:
            raise WorkloadError(f"row {row['seq']}: the price lies between two ticks")
        return self._send(
            row["seq"],
            kind=CommandKind.NEW_ORDER,
            account=BUYER if is_buy else SELLER,
            instrument=INSTRUMENT,
            side=Side.BUY if is_buy else Side.SELL,
            price_ticks=price_ticks,
            quantity_lots=int(row["qty"]),
            order_type=OrderType.LIMIT,
            time_in_force=time_in_force,
            self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST,
            purpose=Purpose.VOLUNTARY,
        )

    def _reduce(self, name: str, lots: int) -> None:
        """Make a resting order smaller where it stands, or cancel it if nothing is left."""
        order = self._resting[name]
        order.quantity_lots -= lots
        order.open_lots -= lots
        fields = {"order_id": order.order_id, "account": order.account}
        if order.open_lots <= 0:
            self._send(name, kind=CommandKind.CANCEL_ORDER, **fields)
            return
        self._send(
            name,
            kind=CommandKind.AMEND_ORDER,
            price_ticks=order.price_ticks,
            quantity_lots=order.quantity_lots,
            **fields,
        )

    def _send(self, name: str, **fields: int) -> np.ndarray:
        self._sequence += 1
        command = self._command
        command.view(np.uint8)[:] = 0
        command["sequence"] = self._sequence
        command["time_ns"] = self._sequence
        for field, value in fields.items():
            command[field] = value
        events = self._engine.apply(command.view(COMMAND))
        if events[0]["kind"] == EventKind.COMMAND_REFUSED:
            raise WorkloadError(f"{name}: the engine refused it with code {events[0]['code']}")
        return events

    def _quotes(self) -> tuple[int, int, int, int]:
        """Ask, ask quantity, bid, bid quantity; 0 for a side that is empty."""
        quotes: list[int] = []
        for side in (Side.SELL, Side.BUY):
            levels = best_levels(self._engine.arrays.book, INSTRUMENT, side, 1)
            if len(levels):
                quotes += (int(levels[0]["price_ticks"]), int(levels[0]["quantity_lots"]))
            else:
                quotes += (0, 0)
        ask, ask_lots, bid, bid_lots = quotes
        return ask * _TICK_E4, ask_lots, bid * _TICK_E4, bid_lots


def _expected_quotes(row: dict[str, str]) -> tuple[int, int, int, int]:
    return int(row["ask"]), int(row["ask_qty"]), int(row["bid"]), int(row["bid_qty"])


def run(path: Path) -> Result:
    """Replay a file. Raises WorkloadError, OSError."""
    with gzip.open(path, "rt", newline="", encoding="ascii") as file:
        return Replay().run(csv.DictReader(file))


def main(arguments: list[str]) -> int:
    """Replay the file named on the command line and print what came of it."""
    if len(arguments) != 1:
        print("usage: python -m benchmarks.orderflow FILE.csv.gz", file=sys.stderr)
        return 2
    try:
        result = run(Path(arguments[0]))
    except (OSError, WorkloadError) as error:
        print(f"benchmarks.orderflow: {error}", file=sys.stderr)
        return 1
    print(
        f"{result.rows:,} rows in {result.seconds} s: "
        f"{result.aggressors_as_expected:,} of {result.aggressors:,} IOCs filled on the expected "
        f"order; {result.states_as_expected:,} of {result.states:,} best-quote states agree"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
