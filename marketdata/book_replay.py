"""The book of one instrument as it was, step by step, out of the recorded event log.

The book before the first step comes from the orders that were open then: a first pass over the log
finds out which they were, a second one follows only them. So it costs the reading of the log up to
there, and the work for few of its events. Archived segments are read as the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.archive import ARCHIVE_FOLDER
from engine.codes import EventKind, TradeType
from engine.event_log import SUFFIX, name_sequence, written_bytes
from engine.records import EVENT, ORDER_EVENT, RAW, TRADE_EVENT
from engine.storage import DISK, Storage
from marketdata.book import LevelView
from marketdata.instrument import Instrument
from marketdata.open_orders import ORDER_FIELDS, ORDER_KINDS, OpenOrders, rows

_TRADE = int(EventKind.TRADE)
_OFF_BOOK_TRADES = (int(TradeType.BLOCK), int(TradeType.ONE_WAY))
_TRADE_FIELDS = ("maker_order_id", "taker_order_id", "quantity_lots", "trade_type")


class EventsMissing(Exception):  # noqa: N818 - it is an answer, not a failure
    """The log has not all events that the replay needs; says which, in a sentence."""


class Step(NamedTuple):
    """One command's events (dtype EVENT) for the instrument, and the best levels after them."""

    sequence: int
    time_ns: int
    events: np.ndarray
    bids: list[LevelView]
    asks: list[LevelView]


class Window(NamedTuple):
    """Which steps are wanted: those within the times, behind a sequence, at most so many."""

    first_time_ns: int
    last_time_ns: int
    after_sequence: int
    limit: int


def replay(
    folder: Path,
    instrument: Instrument,
    window: Window,
    *,
    last_sequence: int,
    levels: int,
    storage: Storage = DISK,
) -> tuple[list[Step], bool]:
    """The window's steps, and whether more follow. `last_sequence` is known to be on disk.

    `instrument` is a fresh one, whose book is filled. Raises EventsMissing, OSError.
    """
    paths = _segments(folder, storage)
    number = instrument.number
    open_ids, first_sequence = _open_before(paths, number, window, last_sequence, storage)
    orders = OpenOrders({number: instrument})
    steps: list[Step] = []
    for events in _of_instrument(paths, number, last_sequence, storage):
        split = int(np.searchsorted(events["sequence"], first_sequence))
        _follow(orders, _of_orders(events[:split], open_ids), set(open_ids.tolist()))
        for command in _commands(events[split:]):
            time_ns = int(command["time_ns"][0])
            if time_ns > window.last_time_ns:
                return steps, False
            if len(steps) == window.limit:
                return steps, True
            _follow(orders, command, None)
            book = instrument.book
            bids, asks = book.bids.depth(levels), book.asks.depth(levels)
            steps.append(Step(int(command["sequence"][0]), time_ns, command, bids, asks))
    return steps, False


def _follow(orders: OpenOrders, events: np.ndarray, only: set[int] | None) -> None:
    """Apply events of orders and trades, of trades only what they took off the orders `only`."""
    kinds = events["kind"]
    of_orders = rows(events.view(ORDER_EVENT), ORDER_FIELDS, kinds != _TRADE)
    trades = rows(events.view(TRADE_EVENT), _TRADE_FIELDS, kinds == _TRADE)
    for kind in kinds.tolist():
        if kind != _TRADE:
            orders.follow(kind, next(of_orders))
            continue
        maker_order_id, taker_order_id, quantity_lots, trade_type = next(trades)
        if trade_type in _OFF_BOOK_TRADES:
            continue
        for order_id, is_maker in ((maker_order_id, True), (taker_order_id, False)):
            if only is None or order_id in only:
                orders.reduce(order_id, quantity_lots, is_maker=is_maker)


def _segments(folder: Path, storage: Storage) -> list[Path]:
    """All segments from the first command on, the archived ones before the others."""
    archive = folder / ARCHIVE_FOLDER
    archived = storage.list(archive, SUFFIX) if archive.is_dir() else []
    by_name = {path.name: path for path in [*archived, *storage.list(folder, SUFFIX)]}
    paths = [by_name[name] for name in sorted(by_name)]
    if not paths or name_sequence(paths[0]) > 1:
        first = name_sequence(paths[0]) if paths else 0
        raise EventsMissing(
            f"the event log begins with command {first}: put the older segments back into"
            f" {ARCHIVE_FOLDER}/ of the folder of events"
            if first
            else "there is no event log"
        )
    return paths


def _read(paths: list[Path], last_sequence: int, storage: Storage) -> Iterator[np.ndarray]:
    """Whole segments up to `last_sequence`, checked to follow each other without a gap."""
    expected = 1
    for path in paths:
        if name_sequence(path) > last_sequence:
            break
        if name_sequence(path) != expected:
            raise EventsMissing(
                f"the events of commands {expected} to {name_sequence(path) - 1} are missing"
            )
        data = storage.map(path)
        events = np.frombuffer(data[: written_bytes(data)], EVENT)
        end = int(np.searchsorted(events["sequence"], last_sequence, side="right"))
        if end:
            expected = int(events["sequence"][end - 1]) + 1
            yield events[:end]
    if expected <= last_sequence:
        raise EventsMissing(f"the event log ends before command {last_sequence}")


def _of_instrument(
    paths: list[Path], instrument: int, last_sequence: int, storage: Storage
) -> Iterator[np.ndarray]:
    """The instrument's events that a book follows; whole commands stay together."""
    for events in _read(paths, last_sequence, storage):
        is_wanted = (events["instrument"] == instrument) & np.isin(
            events["kind"], (*ORDER_KINDS, _TRADE)
        )
        yield _chosen(events, is_wanted)


def _open_before(
    paths: list[Path], instrument: int, window: Window, last_sequence: int, storage: Storage
) -> tuple[np.ndarray, int]:
    """The ids of orders that were open before the window's first step, and that step's sequence."""
    open_ids = np.zeros(0, np.int64)
    for events in _of_instrument(paths, instrument, last_sequence, storage):
        is_before = events["time_ns"] < window.first_time_ns
        is_before |= events["sequence"] <= window.after_sequence
        count = len(events) if is_before.all() else int(np.argmin(is_before))
        before, kinds = events[:count], events["kind"][:count]
        accepted = before.view(ORDER_EVENT)["order_id"][kinds == EventKind.ORDER_ACCEPTED]
        cancelled = before.view(ORDER_EVENT)["order_id"][kinds == EventKind.ORDER_CANCELLED]
        trades = before.view(TRADE_EVENT)
        filled = [
            trades[f"{side}_order_id"][(kinds == _TRADE) & (trades[f"{side}_remaining_lots"] == 0)]
            for side in ("maker", "taker")
        ]
        open_ids = np.setdiff1d(
            np.concatenate([open_ids, accepted]), np.concatenate([cancelled, *filled])
        )
        if count < len(events):
            return open_ids, int(events["sequence"][count])
    return open_ids, last_sequence + 1


def _of_orders(events: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The events of these orders, their trades among them."""
    trades, is_trade = events.view(TRADE_EVENT), events["kind"] == _TRADE
    is_theirs = np.isin(events.view(ORDER_EVENT)["order_id"], ids) & ~is_trade
    for side in ("maker", "taker"):
        is_theirs |= np.isin(trades[f"{side}_order_id"], ids) & is_trade
    return _chosen(events, is_theirs)


def _commands(events: np.ndarray) -> Iterator[np.ndarray]:
    """The events of each command."""
    begins = np.flatnonzero(np.diff(events["sequence"], prepend=-1))
    for start, end in pairwise([*begins.tolist(), len(events)]):
        yield events[start:end]


def _chosen(events: np.ndarray, where: np.ndarray) -> np.ndarray:
    chosen: np.ndarray = events.view(RAW)[where].view(EVENT)
    return chosen
