"""Takes the engine's events into the database: instruments, orders, trades, cash and credits.

A batch of events and the checkpoint behind it are written in one transaction, so a batch that comes
again (after a crash, or because two processes race) changes nothing, and none is ever left out.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from engine.records import EVENT, RAW
from engine.superseded import without_superseded
from settlement.database import Database
from settlement.intake_rows import EventRows, Row, touched_orders
from settlement.lease import Lease
from settlement.ledger import CHUNK, post
from settlement.ports import Records
from settlement.quoting import Quoting
from settlement.tables.trading import Instrument, IntakeCheckpoint, Order, Trade

# More than this and memory would fill while the database is away; the link then starts again
# from the checkpoint, which loses nothing.
MAX_PENDING_EVENTS = 1_000_000
_EVENTS_PER_TRANSACTION = 50_000
_GATHER_SECONDS = 0.01
# After a transaction, pause this many times as long as it took, but no longer than this.
_PAUSES, _LAST_SECONDS = 4, 0.2
_RETRY_SECONDS = 0.5
_INTAKE_TIMEOUT_SECONDS = 60
_LOGGER = structlog.get_logger()

_ORDERS: Table = Order.__table__  # type: ignore[assignment]
_TRADES: Table = Trade.__table__  # type: ignore[assignment]
_INSTRUMENTS: Table = Instrument.__table__  # type: ignore[assignment]
_ORDER_CHANGES = (
    *("price_ticks", "quantity_lots", "remaining_lots", "filled_lots", "filled_ticks"),
    *("status", "reason", "updated_time_ns", "sequence"),
)
_INSTRUMENT_CHANGES = (
    *("phase", "reference_price_ticks", "lower_limit_ticks", "upper_limit_ticks"),
    *("trading_day", "sequence"),
)


class IntakeError(Exception):
    """The events have a gap."""


class IntakeBehindError(IntakeError):
    """Too many events wait for the database; the same ones may be given again later."""


def intake_lease(data_dir: Path) -> Lease:
    """The lease of the one process that does the intake for a data folder."""
    return Lease(data_dir / "intake.lock")


def checkpoint(session: Session) -> int:
    """The last sequence whose events are in the tables; 0 at the very beginning."""
    return session.scalar(select(IntakeCheckpoint.sequence)) or 0


def wait_for_intake(database: Database, sequence: int) -> None:
    """Wait until the tables cover `sequence`, whichever process writes them. Raises IntakeError."""
    deadline = time.monotonic() + _INTAKE_TIMEOUT_SECONDS
    pause_seconds = 0.002
    while True:
        with database.read() as session:
            done = checkpoint(session)
        if done >= sequence:
            return
        if time.monotonic() > deadline:
            raise IntakeError(f"the intake stands at {done} and does not reach {sequence}")
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, 0.1)


class Intake:
    """A thread that writes events in order, as many at a time as have gathered."""

    def __init__(self, database: Database, *, max_pending_events: int = MAX_PENDING_EVENTS) -> None:
        self._database = database
        self._max_pending_events = max_pending_events
        self._changed = threading.Condition()
        self._pending: deque[tuple[Records, int]] = deque()
        self._pending_events = 0
        self._is_closing = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="intake")
        self._thread.start()

    def checkpoint(self) -> int:
        """The last sequence written; ask the core for events from the next one on."""
        with self._database.read() as session:
            return checkpoint(session)

    def consume(self, events: Records, last_sequence: int) -> None:
        """Take whole commands' events (dtype EVENT, copied here), the last being `last_sequence`.

        Returns at once. Raises IntakeBehindError when the database has fallen too far behind, and
        whatever made an earlier batch fail.
        """
        with self._changed:
            self._raise_failure()
            if self._pending_events + len(events) > self._max_pending_events:
                raise IntakeBehindError("the database is too far behind the engine")
            self._pending.append((events.view(RAW).copy().view(EVENT), last_sequence))
            self._pending_events += len(events)
            self._changed.notify_all()

    @property
    def pending_events(self) -> int:
        """How many wait for the database."""
        return self._pending_events

    def flush(self) -> None:
        """Wait until everything consumed is written. Raises what made a batch fail."""
        with self._changed:
            self._changed.wait_for(lambda: not self._pending or self._failure is not None)
            self._raise_failure()

    def close(self) -> None:
        """Write what was consumed, unless the database is away, and end the thread."""
        with self._changed:
            self._is_closing.set()
            self._changed.notify_all()
        self._thread.join()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        busy_seconds = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._is_closing.is_set())
                if not self._pending:
                    return
            # One transaction costs as much as a hundred rows: so let some more gather, and leave
            # the processors to trading, and the database to other writers, most of the time.
            self._is_closing.wait(max(_GATHER_SECONDS, min(_PAUSES * busy_seconds, _LAST_SECONDS)))
            with self._changed:
                batches = self._gather()
            start = time.monotonic()
            try:
                self._write(batches)
                busy_seconds = time.monotonic() - start
            except OperationalError as error:
                # The database is away. Matching goes on; the same events are tried again.
                _LOGGER.warning("database_unavailable", error=str(error.orig))
                if not self._is_closing.wait(_RETRY_SECONDS):
                    continue
                self._fail(error)
                return
            except Exception as error:
                self._fail(error)
                return
            with self._changed:
                for records, _ in batches:
                    self._pending.popleft()
                    self._pending_events -= len(records)
                self._changed.notify_all()

    def _gather(self) -> list[tuple[Records, int]]:
        """The oldest batches, as many as one transaction shall take."""
        batches, total = [], 0
        for records, last_sequence in self._pending:
            batches.append((records, last_sequence))
            total += len(records)
            if total >= _EVENTS_PER_TRANSACTION:
                break
        return batches

    def _write(self, batches: list[tuple[Records, int]]) -> None:
        # As whole pieces: field by field, records are copied many times slower.
        events = np.concatenate([records.view(RAW) for records, _ in batches]).view(EVENT)
        last_sequence = batches[-1][1]
        self._database.write(lambda session: apply_events(session, events, last_sequence)).result()

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()


def apply_events(session: Session, events: Records, last_sequence: int) -> None:
    """Write the events that are newer than the checkpoint, and the new checkpoint.

    Raises IntakeError if a command's events are missing in between.
    """
    done = checkpoint(session)
    if last_sequence <= done:
        return
    events = events[np.searchsorted(events["sequence"], done, side="right") :]
    sequences = events["sequence"]
    steps = np.diff(sequences, prepend=done)
    if len(events) == 0 or sequences[-1] != last_sequence or steps.min() < 0 or steps.max() > 1:
        raise IntakeError(f"events are missing between {done} and {last_sequence}")
    events = without_superseded(events)
    instruments = {row["number"]: dict(row) for row in _all(session, select(_INSTRUMENTS))}
    quoting = Quoting(session, np.unique(events["instrument"]).tolist())
    rows = EventRows(instruments, _load_orders(session, touched_orders(events)), quoting)
    rows.apply(events)
    _insert(session, _INSTRUMENTS, [instruments[number] for number in sorted(rows.new_instruments)])
    changed = rows.changed_instruments - rows.new_instruments
    _update(session, _INSTRUMENTS, "number", _INSTRUMENT_CHANGES, [instruments[n] for n in changed])
    orders = rows.orders
    _insert(session, _ORDERS, [orders[order_id] for order_id in sorted(rows.new_orders)])
    touched = orders.keys() - rows.new_orders
    _update(session, _ORDERS, "order_id", _ORDER_CHANGES, [orders[n] for n in sorted(touched)])
    _insert(session, _TRADES, rows.trades)
    quoting.save()
    post(session, rows.postings)
    session.merge(IntakeCheckpoint(number=1, sequence=last_sequence))


def _all(session: Session, query: Any) -> Any:
    return session.execute(query).mappings()


def _load_orders(session: Session, order_ids: list[int]) -> dict[int, Row]:
    orders: dict[int, Row] = {}
    for start in range(0, len(order_ids), CHUNK):
        query = select(_ORDERS).where(_ORDERS.c.order_id.in_(order_ids[start : start + CHUNK]))
        orders |= {row["order_id"]: dict(row) for row in _all(session, query)}
    return orders


def _insert(session: Session, table: Table, values: list[Row]) -> None:
    if values:
        session.connection().execute(insert(table), values)


def _update(
    session: Session, table: Table, key: str, columns: tuple[str, ...], values: list[Row]
) -> None:
    if not values:
        return
    statement = (
        update(table)
        .where(table.c[key] == bindparam("key"))
        .values({column: bindparam(f"new_{column}") for column in columns})
    )
    session.connection().execute(
        statement,
        [
            {"key": row[key]} | {f"new_{column}": row[column] for column in columns}
            for row in values
        ],
    )
