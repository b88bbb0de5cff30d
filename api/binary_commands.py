"""Which commands of a binary frame may go to the core: checked all at once.

What is checked here is what the engine cannot know: rights, and what would harm whoever reads the
journal. All else (prices, quantities, ids) is the engine's to check, as for every command.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from api import record_kernels
from api.auth import Caller
from api.binary_records import StreamCode
from engine.codes import CommandKind, EventKind, OrderFlag
from engine.records import ADMIN_EVENT, RAW

Records = np.ndarray[Any, np.dtype[Any]]

_RIGHTS = np.zeros(256, np.uint8)
_RIGHTS[[CommandKind.CANCEL_ORDER, CommandKind.CANCEL_ALL, CommandKind.SET_QUOTE]] = (
    record_kernels.ALLOWED
)
# What counts against the rate, as does a quote with a wanted side.
_RIGHTS[[CommandKind.NEW_ORDER, CommandKind.AMEND_ORDER, CommandKind.REPLACE_ORDER]] = (
    record_kernels.ALLOWED | record_kernels.COUNTED
)
# Which flags a client may set, by kind; elsewhere none.
_ALLOWED_FLAGS = np.zeros(256, np.uint8)
_ALLOWED_FLAGS[CommandKind.NEW_ORDER] = (
    OrderFlag.POST_ONLY | OrderFlag.CANCEL_ON_DISCONNECT | OrderFlag.CLIENT_ID_IS_UUID
)
_ALLOWED_FLAGS[CommandKind.SET_QUOTE] = OrderFlag.CANCEL_ON_DISCONNECT
_REFUSALS = np.array([StreamCode.MALFORMED, StreamCode.FORBIDDEN])


class Checked(NamedTuple):
    """What was found out about the commands of a frame."""

    codes: np.ndarray  # of each command 0, or the StreamCode for which it is refused
    is_counted: np.ndarray  # against the account's orders a second; what cancels never is
    has_cancels: bool  # CANCEL_ORDER is among those that are not refused


def check(commands: Records, caller: Caller) -> Checked:
    """Look at each command as far as it can be judged without the engine."""
    codes = np.empty(len(commands), np.uint16)
    is_counted = np.zeros(len(commands), np.bool_)
    cancels = record_kernels.run(
        record_kernels.check_commands,
        np.frombuffer(commands, record_kernels.COMMANDS),
        caller.account,
        "market_maker" in caller.roles,
        _RIGHTS,
        _ALLOWED_FLAGS,
        _REFUSALS,
        codes,
        is_counted,
    )
    return Checked(codes, is_counted, bool(cancels > 0))


def stamp(commands: Records, account: int, session: int) -> tuple[np.ndarray, bool]:
    """Make commands the account's and the connection's: the client's request ids, and whether any
    of them enters orders that go with the connection."""
    request_ids = np.empty(len(commands), np.int64)
    is_flagged = record_kernels.run(
        record_kernels.stamp_commands,
        np.frombuffer(commands, record_kernels.COMMANDS),
        account,
        session,
        request_ids,
    )
    return request_ids, bool(is_flagged)


def refusals(commands: Records, codes: Any, kind: EventKind | int) -> Records:
    """A reply for each command, as the engine would refuse it, with sequence 0."""
    replies = np.zeros(len(commands), ADMIN_EVENT)
    replies["kind"] = kind
    replies["code"] = codes
    replies["command_kind"] = commands["kind"]
    for name in ("request_id", "instrument", "account", "client_id_high", "client_id_low"):
        replies[name] = commands[name]
    return replies


def select(records: Records, chosen: np.ndarray) -> Records:
    """The chosen records; each is moved as one piece, whatever its fields."""
    chosen_records: Records = records.view(RAW)[chosen].view(records.dtype)
    return chosen_records
