"""The past of an account in binary: read from the core's event log over a link of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from api.account_events import Listener, events_of
from api.core_client import CoreClient

if TYPE_CHECKING:
    from api.gateway import Gateway

Records = np.ndarray[Any, np.dtype[Any]]

# One answer looks at no more commands (give or take what the log reads at once) and gives no more
# records (but a command's are never parted); the client asks again from where it ended.
MAX_SCANNED_COMMANDS = 262_144
MAX_REPLAYED_RECORDS = 8_192
_REPLAY_SECONDS = 30.0


class Page(NamedTuple):
    """The account's events from the wanted command on, as far as `through_sequence`."""

    parts: list[Records]
    through_sequence: int


async def read_page(gateway: Gateway, listener: Listener, first: int, last: int) -> Page:
    """What the listener is sent of the events from command `first`, at most through `last`.

    Raises CoreUnavailable, and TimeoutError.
    """
    parts: list[Records] = []
    through = first - 1
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(events: np.ndarray, last_sequence: int) -> None:
        nonlocal through
        if done.done():
            return
        start, end = np.searchsorted(events["sequence"], [first, last + 1])
        mine = events_of(
            events[start:end], listener.account, with_own_quotes=listener.with_own_quotes
        )
        room = MAX_REPLAYED_RECORDS - sum(map(len, parts))
        kept = _whole_commands(mine["sequence"], room, may_be_none=bool(parts))
        if kept:
            parts.append(mine[:kept])
        is_full = kept < len(mine)
        through = int(mine["sequence"][kept]) - 1 if is_full else min(last_sequence, last)
        if is_full or through == last or through - first >= MAX_SCANNED_COMMANDS:
            finish()

    def finish() -> None:
        if not done.done():
            done.set_result(None)

    async with gateway.account_events.replays, asyncio.timeout(_REPLAY_SECONDS):
        link = await CoreClient.connect(
            gateway.settings.socket_path,
            "replay",
            take,
            finish,
        )
        try:
            await link.subscribe(first)
            await done
        finally:
            await link.close()
    return Page(parts, through)


def _whole_commands(sequences: np.ndarray, room: int, *, may_be_none: bool) -> int:
    """How many records fit the room without parting those of a command."""
    if len(sequences) <= room:
        return len(sequences)
    kept = int(np.searchsorted(sequences, sequences[room], side="left"))
    if kept or may_be_none:
        return kept
    return int(np.searchsorted(sequences, sequences[room], side="right"))
