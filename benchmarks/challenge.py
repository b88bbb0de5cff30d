"""Run a challenge workload through the engine: `python -m benchmarks.challenge FILE.npz`.

The workload is that of a public benchmark of matching engines. Every message becomes a NEW_ORDER, a
CANCEL_ORDER by client id or a REPLACE_ORDER by client id, and passes all checks of the engine. They
go in batches of at most 256, and no batch is known before the one ahead of it was answered. The
time covers turning messages into commands, the engine, and writing the report; hashing it comes
after.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.market import BUYER, INSTRUMENT, SELLER, open_market
from benchmarks.numerals import numerals
from benchmarks.report import LINE_BYTES, ReportArrays, write_report
from engine.codes import (
    Code,
    CommandKind,
    OrderType,
    Purpose,
    SelfTradePrevention,
    Target,
    TimeInForce,
)
from engine.compiled import direct_call, entry_point, inlined, int64
from engine.matching.arrays import EngineArrays
from engine.matching.batch import apply_batch
from engine.matching.engine import WARM_ORDERS, Engine
from engine.orderbook.arrays import aligned_zeros, commit
from engine.orderbook.bits import prefetch
from engine.records import ORDER_COMMAND
from engine.state import EngineLimits

BATCH_MESSAGES = 256
# So many messages are sent by one call of the compiled loop.
_CALL_MESSAGES = 1 << 12
# So many messages ahead of the one in hand, what is kept of its order id is asked for.
_AHEAD = 48
_CHUNK_BYTES = 1 << 27
_FIRST_OIDS = 1 << 20
_MAX_OID = 2**28
_NEW, _CANCEL, _MODIFY = 0, 1, 2
# The kind of command for each type of message, a byte for each.
_KINDS = (
    CommandKind.NEW_ORDER << 8 * _NEW
    | CommandKind.CANCEL_ORDER << 8 * _CANCEL
    | CommandKind.REPLACE_ORDER << 8 * _MODIFY
)

MESSAGE = np.dtype(
    [
        ("oid", "<i4"),
        ("px", "<i4"),
        ("qty", "<i4"),
        ("type", "u1"),
        ("side", "u1"),
        ("ioc", "u1"),
    ],
    align=True,
)

# What the harness keeps of each of the workload's order ids: twice how often it was used, and the
# side of its latest use, in one number.
OID = np.int32


class WorkloadError(Exception):
    """The workload is not what its description says, or asks for what no engine here can do."""


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    sha256: str
    messages: int
    seconds: float
    messages_per_second: int


def load(path: Path) -> np.ndarray:
    """The messages of a workload file as MESSAGE records. Raises WorkloadError."""
    with np.load(path) as columns:
        missing = set(MESSAGE.names or ()) - set(columns.files)
        if missing:
            raise WorkloadError(f"{path} has no column {sorted(missing)[0]}")
        messages = np.zeros(len(columns["oid"]), MESSAGE)
        for name in MESSAGE.names or ():
            if len(columns[name]) != len(messages):
                raise WorkloadError(f"the columns of {path} are not equally long")
            messages[name] = columns[name]
            if (messages[name] != columns[name]).any():
                raise WorkloadError(f"{path} has a number in {name} that is out of bounds")
    if (messages["type"] > _MODIFY).any() or (messages["side"] > 1).any():
        raise WorkloadError(f"{path} has a message of unknown type or side")
    if (messages["oid"] < 0).any() or (messages["oid"] > _MAX_OID).any():
        raise WorkloadError(f"{path} has an order id that is not between 0 and {_MAX_OID}")
    return messages


class WorkloadArrays(NamedTuple):
    """Messages to send, and what is known of their order ids."""

    messages: np.ndarray  # MESSAGE
    oids: np.ndarray  # OID, by order id


class Begin(NamedTuple):
    """How far the run has come."""

    batch_messages: int
    sequence: int  # of the next command
    first_sequence: int  # of the workload's message 0
    end: int  # of the report


@entry_point
def run_batches(
    address: int,
    arrays: EngineArrays,
    workload: WorkloadArrays,
    report: ReportArrays,
    begin: Begin,
) -> Any:
    """Send messages, a batch at a time, and write the report.

    How many messages were sent, and the end of the report: less than 0 if the engine refused what
    the report has no line for (see `write_report`). Stops at the first message whose order id
    `oids` has no room for.
    """
    sent = int64(0)
    end = begin.end
    while sent < len(workload.messages) and end >= 0:
        stop = min(sent + begin.batch_messages, len(workload.messages))
        written = _write_commands(
            workload, sent, stop, begin.sequence + sent, arrays.commands.orders
        )
        if written == 0:
            break
        events = apply_batch(address, written)
        end = write_report(arrays.events, events, begin.first_sequence, report, end)
        sent += written
    return sent, end


@inlined
def _write_commands(
    workload: WorkloadArrays, start: int, stop: int, first_sequence: int, commands: np.ndarray
) -> Any:
    """Turn messages into commands; how many, up to the first that `oids` has no room for.

    The engine remembers a client id for ever and the workload may use an order id again, so each
    use is a client id of its own: the order id, and how often it has been used.
    """
    messages, oids = workload.messages, workload.oids
    for row in range(min(_AHEAD, stop - start)):
        prefetch(oids, int64(messages[start + row]["oid"]))
    for row in range(stop - start):
        message = messages[start + row]
        if start + row + _AHEAD < stop:
            prefetch(oids, int64(messages[start + row + _AHEAD]["oid"]))
        if message["oid"] >= len(oids):
            return int64(row)
        command = commands[row]
        oid = int64(oids[message["oid"]])
        # Kinds follow each other like the tosses of a coin, which no processor foresees: so all
        # take the same way, with sums instead of branches.
        is_new = int64(message["type"] == _NEW)
        oid += is_new * (2 + int64(message["side"]) - (oid & 1))
        oids[message["oid"]] = oid
        command["sequence"] = first_sequence + row
        command["time_ns"] = first_sequence + row
        command["client_id_high"] = oid >> 1
        command["client_id_low"] = message["oid"]
        # An id that was never used belongs to nobody; either account is told so.
        command["account"] = BUYER + (oid & 1) * (SELLER - BUYER)
        command["kind"] = (_KINDS >> 8 * int64(message["type"])) & 0xFF
        command["price_ticks"] = message["px"]
        command["quantity_lots"] = message["qty"]
        command["side"] = message["side"]
        command["time_in_force"] = TimeInForce.GTC + int64(message["ioc"] != 0) * (
            TimeInForce.IOC - TimeInForce.GTC
        )
    return int64(stop - start)


def fill_in(commands: np.ndarray) -> None:
    """Write into ORDER_COMMAND records all that is the same for every message."""
    commands[:] = np.zeros(1, ORDER_COMMAND)
    commands["instrument"] = INSTRUMENT
    commands["order_type"] = OrderType.LIMIT
    commands["self_trade_prevention"] = SelfTradePrevention.CANCEL_NEWEST
    commands["purpose"] = Purpose.VOLUNTARY
    commands["target"] = Target.CLIENT_ORDER_ID


class Harness:
    """One run: an engine with an open market, and the report so far."""

    def __init__(self, batch_messages: int = BATCH_MESSAGES) -> None:
        self._batch_messages = batch_messages
        self._engine = Engine()
        self._engine.warm_up()
        self._first_sequence = open_market(self._engine) + 1
        self._oids = aligned_zeros(_FIRST_OIDS, OID)
        self._report = ReportArrays(
            text=aligned_zeros(_CHUNK_BYTES, np.uint8),
            oids=aligned_zeros(EngineLimits().orders, np.int64),
            numerals=numerals(),
        )
        # As the engine's own pools: memory that is sure to be needed is there before the start.
        commit(self._report.text)
        commit(self._report.oids[:WARM_ORDERS])
        commit(self._oids)
        self._end = 0
        self._full_chunks: list[np.ndarray] = []
        self._run_batches: Any = run_batches
        self._run_batches = direct_call(run_batches, *self._arguments(np.zeros(0, MESSAGE)))

    def run(self, messages: np.ndarray) -> None:
        """Send all messages. Raises WorkloadError."""
        for start in range(0, len(messages), _CALL_MESSAGES):
            self._run(messages[start : start + _CALL_MESSAGES])

    def _run(self, messages: np.ndarray) -> None:
        sent = 0
        while sent < len(messages):
            arguments = self._arguments(messages[sent:])
            more, end = self._run_batches(*arguments)
            sent += more
            if end < 0:
                raise WorkloadError(self._explain(self._engine.arrays.events.headers[-1 - end]))
            self._end = end
            if sent < len(messages):
                self._make_room_for(int(messages[sent]["oid"]))

    def _arguments(self, messages: np.ndarray) -> tuple[Any, ...]:
        """What to call `run_batches` with, and room for all that may come of it."""
        address = self._engine.lend(len(messages))
        arrays = self._engine.arrays
        fill_in(arrays.commands.orders[: self._batch_messages])
        # A trade closes the order that rested or is the last of the one that came; beside trades a
        # message has two lines. (The engine's own bound also counts icebergs and stops.)
        open_orders = int(arrays.book.pool[0]["open_orders"])
        most_bytes = (4 * len(messages) + open_orders) * LINE_BYTES
        if self._end + most_bytes > len(self._report.text):
            self._next_chunk(most_bytes)
        workload = WorkloadArrays(messages, self._oids)
        sequence = self._engine.sequence + 1
        begin = Begin(self._batch_messages, sequence, self._first_sequence, self._end)
        return address, arrays, workload, self._report, begin

    def _make_room_for(self, oid: int) -> None:
        """Let the table of order ids hold one that is too high for it."""
        # Memory that nobody has written to costs nothing, so only what is known is copied.
        more = np.zeros(min(2 * oid, _MAX_OID) + 1, OID)
        more[: len(self._oids)] = self._oids
        self._oids = more

    def _next_chunk(self, needed_bytes: int) -> None:
        self._full_chunks.append(self._report.text[: self._end])
        size_bytes = max(_CHUNK_BYTES, needed_bytes)
        self._report = self._report._replace(text=np.empty(size_bytes, np.uint8))
        self._end = 0

    def _explain(self, refusal: Any) -> str:
        number = int(refusal["sequence"]) - self._first_sequence
        return f"message {number} was refused: {Code(int(refusal['code'])).name.lower()}"

    def report(self) -> bytes:
        """All lines so far, joined by newlines, without one at the end."""
        chunks = [*self._full_chunks, self._report.text[: self._end]]
        return b"".join(chunk.tobytes() for chunk in chunks)[:-1]


def run(messages: np.ndarray) -> Result:
    """Run a workload and measure it; all that is compiled is so when the harness is made."""
    harness = Harness()
    start = time.perf_counter()
    harness.run(messages)
    seconds = time.perf_counter() - start
    return Result(
        sha256=hashlib.sha256(harness.report()).hexdigest(),
        messages=len(messages),
        seconds=round(seconds, 6),
        messages_per_second=round(len(messages) / seconds) if len(messages) else 0,
    )


def main(arguments: list[str]) -> int:
    """Run the file named on the command line and print one JSON line."""
    if len(arguments) != 1:
        print("usage: python -m benchmarks.challenge FILE.npz", file=sys.stderr)
        return 2
    try:
        print(json.dumps(asdict(run(load(Path(arguments[0]))))))
    except (OSError, WorkloadError) as error:
        print(f"benchmarks.challenge: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
