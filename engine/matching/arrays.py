"""Everything that a kernel works on, as one NamedTuple of arrays."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np

from engine.accounts import BalanceArrays, allocate_balances
from engine.orderbook.arrays import BookArrays, aligned_zeros, allocate_book
from engine.orderbook.client_ids import ClientIdArrays, allocate_client_ids
from engine.records import (
    ACCOUNT_LIMITS_EVENT,
    ADMIN_COMMAND,
    ADMIN_EVENT,
    AUCTION_EVENT,
    BLOCK_RULES_EVENT,
    COMMAND,
    EVENT,
    INSTRUMENT_COMMAND,
    INSTRUMENT_EVENT,
    MATCH_COMMAND,
    ORDER_COMMAND,
    ORDER_EVENT,
    QUOTE_COMMAND,
    RECORD_BYTES,
    TRADE_EVENT,
)
from engine.state import EngineLimits
from engine.state_records import COUNTERS_STATE, INSTRUMENT_STATE
from engine.units import MAX_SLICES, NEVER_NS

EVENT_WORDS = RECORD_BYTES // 8
# SET_QUOTE gives the most events that take no resting order out of the book: its reply, and for
# each side an acceptance, one trade that leaves the maker's rest, and the cancelled remainder. To
# that comes a volatility interruption, with the two events that end it.
EVENTS_PER_COMMAND = 10
# An auction that was there before: its phase and its result. Its trades close one order each.
EVENTS_PER_AUCTION = 2
# And it enters the most orders; each leaves the book at most once, with one event of its own and,
# when self-trade prevention makes an incoming order smaller by it, one of that order's.
ORDERS_PER_COMMAND = 2
EVENTS_PER_ORDER = 2
# A stop that was open before and triggers says so, and is then entered: one trade that leaves the
# maker's rest, the cancelled remainder, and an interruption with its end.
EVENTS_PER_STOP = 6
# A hidden slice follows on a trade that filled the one before it.
EVENTS_PER_SLICE = 2
# A power of two, more than the batch loop looks ahead.
NOTES = 128

# One row: how far the engine has come.
PROGRESS = np.dtype(
    [
        ("sequence", "<i8"),
        ("time_ns", "<i8"),
        ("instruments", "<i8"),  # the highest number that was defined
        ("events", "<i8"),  # written by this batch
        ("next_interruption_end_ns", "<i8"),  # no interruption ends before; NEVER_NS: none does
        # What volatility is measured from, once a command has asked for it.
        ("anchor_sequence", "<i8"),
        ("anchor_instrument", "<i8"),
        ("anchor_ticks", "<i8"),
    ],
    align=True,
)

# What the batch loop found out about a command ahead of it: see `identity`.
NOTE = np.dtype(
    [
        ("place", "<i8"),  # where the search for its client id is
        ("record", "<i8"),  # number of what may be known of that id; 0: nothing
        ("slot", "<i8"),  # of the order that it may be about
        ("reserved", "<i8"),
    ],
    align=True,
)


class CommandArrays(NamedTuple):
    """The batch, once for each layout: views of one buffer."""

    headers: np.ndarray
    orders: np.ndarray
    quotes: np.ndarray
    matches: np.ndarray
    instruments: np.ndarray
    admin: np.ndarray


class EventArrays(NamedTuple):
    """What the batch gives, once for each layout: views of one buffer."""

    words: np.ndarray  # int64, EVENT_WORDS for each event
    headers: np.ndarray
    orders: np.ndarray
    trades: np.ndarray
    instruments: np.ndarray
    admin: np.ndarray
    auctions: np.ndarray
    block_rules: np.ndarray
    account_limits: np.ndarray


class EngineArrays(NamedTuple):
    """The engine's state, and the buffers of the batch in hand."""

    book: BookArrays
    balances: BalanceArrays
    client_ids: ClientIdArrays
    instruments: np.ndarray  # INSTRUMENT_STATE, by number
    counters: np.ndarray  # COUNTERS_STATE, one row
    progress: np.ndarray  # PROGRESS, one row
    notes: np.ndarray  # NOTE, by row of the batch modulo NOTES
    commands: CommandArrays
    events: EventArrays


# Of the batch in hand: no part of the state.
_BUFFERS = ("notes", "commands", "events")


def state_arrays(arrays: EngineArrays) -> dict[str, np.ndarray]:
    """Every array that is the state, by name, however deep it lies."""
    state: dict[str, np.ndarray] = {}

    def collect(prefix: str, members: Any) -> None:
        for name, member in members._asdict().items():
            if name in _BUFFERS:
                continue
            if isinstance(member, np.ndarray):
                state[prefix + name] = member
            else:
                collect(f"{prefix}{name}.", member)

    collect("", arrays)
    return state


def with_state_arrays(arrays: EngineArrays, state: dict[str, np.ndarray]) -> EngineArrays:
    """`arrays` with those of `state` in their places."""

    def replaced(prefix: str, members: Any) -> Any:
        places = members._asdict()
        for name, member in places.items():
            if not isinstance(member, np.ndarray):
                places[name] = replaced(f"{prefix}{name}.", member)
            elif prefix + name in state:
                places[name] = state[prefix + name]
        return type(members)(**places)

    return cast(EngineArrays, replaced("", arrays))


def command_views(buffer: np.ndarray) -> CommandArrays:
    """All layouts of a buffer of COMMAND records."""
    return CommandArrays(
        headers=buffer.view(COMMAND),
        orders=buffer.view(ORDER_COMMAND),
        quotes=buffer.view(QUOTE_COMMAND),
        matches=buffer.view(MATCH_COMMAND),
        instruments=buffer.view(INSTRUMENT_COMMAND),
        admin=buffer.view(ADMIN_COMMAND),
    )


def event_views(buffer: np.ndarray) -> EventArrays:
    """All layouts of a buffer of EVENT records."""
    return EventArrays(
        words=buffer.view(np.int64),
        headers=buffer.view(EVENT),
        orders=buffer.view(ORDER_EVENT),
        trades=buffer.view(TRADE_EVENT),
        instruments=buffer.view(INSTRUMENT_EVENT),
        admin=buffer.view(ADMIN_EVENT),
        auctions=buffer.view(AUCTION_EVENT),
        block_rules=buffer.view(BLOCK_RULES_EVENT),
        account_limits=buffer.view(ACCOUNT_LIMITS_EVENT),
    )


def event_bound(commands: int, pool: np.void, instruments: int) -> int:
    """How many events a batch can give at most, whatever it asks for, and one for SET_QUOTE.

    `pool` is the row of POOL as it stands before the batch.
    """
    leaving = ORDERS_PER_COMMAND * commands + int(pool["open_orders"])
    slices = MAX_SLICES * commands + int(pool["hidden_slices"])
    return (
        EVENTS_PER_COMMAND * commands
        + EVENTS_PER_AUCTION * instruments
        + EVENTS_PER_ORDER * leaving
        + EVENTS_PER_STOP * int(pool["pending_stops"])
        + EVENTS_PER_SLICE * slices
        + 1
    )


def allocate_engine(limits: EngineLimits, seeds: np.ndarray) -> EngineArrays:
    """The state before the first command, with empty buffers."""
    arrays = EngineArrays(
        book=allocate_book(limits),
        balances=allocate_balances(limits),
        client_ids=allocate_client_ids(seeds),
        instruments=aligned_zeros(limits.instruments, INSTRUMENT_STATE),
        counters=aligned_zeros(1, COUNTERS_STATE),
        progress=aligned_zeros(1, PROGRESS),
        notes=aligned_zeros(NOTES, NOTE),
        commands=command_views(aligned_zeros(0, COMMAND)),
        events=event_views(aligned_zeros(0, EVENT)),
    )
    arrays.progress["next_interruption_end_ns"] = NEVER_NS
    arrays.counters["next_order_number"] = 1
    arrays.counters["next_trade_id"] = 1
    return arrays
