"""Binary frames of one connection: commands in, checked and forwarded as they are, replies out.

A binary connection is a JSON one (login and everything else are texts) whose binary frames hold
commands, and whose events come in binary. No step of a frame's way looks at single records in
Python (but for cancels: see `_keep_auction_bids`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np

from api.account_events import Listener
from api.binary_commands import Checked, check, refusals, select, stamp
from api.binary_records import StreamCode, StreamKind
from api.core_client import CoreUnavailable
from api.errors import Problem
from api.stream_operations import Operations
from api.stream_outbox import Closing, Outbox
from engine.codes import CommandKind, EventKind, OrderType, Target
from engine.link import MAX_COMMANDS_BYTES
from engine.records import COMMAND, ORDER_COMMAND, RECORD_BYTES

if TYPE_CHECKING:
    from api.auth import Caller
    from api.gateway import Gateway

_NAMES = ("target", "order_id", "client_id_high", "client_id_low")
Records = np.ndarray[Any, np.dtype[Any]]

MAX_FRAME_BYTES = MAX_COMMANDS_BYTES
# Commands of one connection that may be under way at once; further frames wait to be read.
MAX_UNANSWERED = 16_384
# A client that reads slower than this is closed: twice what it may have under way, with room.
PRIVATE_BYTES_KEPT = 16 << 20
NO_WHOLE_RECORDS = Closing(1003, "no_whole_records")
FRAME_TOO_BIG = Closing(1009, "message_too_big")
_PROBLEM_CODES = {
    "unauthenticated": StreamCode.UNAUTHENTICATED,
    "forbidden": StreamCode.FORBIDDEN,
    "too_many_requests": StreamCode.TOO_MANY_REQUESTS,
}


class BinaryCommands:
    """The commands of one connection, with its number in each of them."""

    def __init__(
        self, gateway: Gateway, operations: Operations, outbox: Outbox, session: int
    ) -> None:
        self._gateway = gateway
        self._operations = operations
        self._outbox = outbox
        self._session = session
        self._unanswered = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self.listener = Listener(outbox.put)

    async def take(self, frame: bytes) -> None:
        """Forward the frame's commands, or refuse them one by one; wait while too many wait."""
        if not frame or len(frame) % RECORD_BYTES:
            self._outbox.close(NO_WHOLE_RECORDS)
            return
        if len(frame) > MAX_FRAME_BYTES:
            self._outbox.close(FRAME_TOO_BIG)
            return
        commands: Records = np.frombuffer(bytearray(frame), COMMAND)
        try:
            caller = await self._operations.trader()
        except Problem as problem:
            self._refuse(commands, _PROBLEM_CODES.get(problem.code, StreamCode.FORBIDDEN))
            return
        checked = check(commands, caller)
        codes = checked.codes
        if checked.has_cancels:
            self._keep_auction_bids(commands, codes, caller.account)
        self._limit(checked, caller)
        if np.count_nonzero(codes):
            self._refuse(select(commands, codes != 0), codes[codes != 0])
            commands = select(commands, codes == 0)
        if len(commands):
            self._forward(commands, caller)
        await self._has_room.wait()

    def end(self) -> None:
        """The connection is gone: nobody waits for what is still to come."""
        self._gateway.account_events.disconnect(self.listener)
        self._has_room.set()

    def _keep_auction_bids(self, commands: Records, codes: np.ndarray, account: int) -> None:
        """Refuse to cancel what binds until its auction withdraws it: it can only be looked up."""
        rows = np.flatnonzero((commands["kind"] == CommandKind.CANCEL_ORDER) & (codes == 0))
        orders = commands.view(ORDER_COMMAND)[rows]
        live = self._gateway.live_orders
        columns = (orders[name].tolist() for name in _NAMES)
        for row, target, order_id, high, low in zip(rows.tolist(), *columns, strict=True):
            is_by_id = target == Target.ORDER_ID
            view = live.get(order_id) if is_by_id else live.get_by_client_id(account, high, low)
            if view is not None and view.account == account and view.order_type == OrderType.BID:
                codes[row] = StreamCode.FORBIDDEN

    def _limit(self, checked: Checked, caller: Caller) -> None:
        """Take the frame's orders from the account's rate, all or none."""
        number = int(np.count_nonzero(checked.is_counted))
        if number:
            try:
                self._gateway.rate_limits.take("orders", caller.account_code, number)
            except Problem:
                checked.codes[checked.is_counted] = StreamCode.TOO_MANY_REQUESTS

    def _forward(self, commands: Records, caller: Caller) -> None:
        request_ids, is_flagged = stamp(commands, caller.account, self._session)
        if is_flagged:
            self._operations.expect_orders_that_go_with_the_connection()
        answered = 0

        def replied(sequences: np.ndarray) -> None:
            nonlocal answered
            first, answered = answered, answered + len(sequences)
            self.listener.name_replies(sequences, request_ids[first:answered])
            self._count(-len(sequences))

        def failed(error: Exception) -> None:
            commands["request_id"] = request_ids
            late = commands[answered:]
            self._count(-len(late))
            if isinstance(error, CoreUnavailable):
                self._refuse(late, StreamCode.SERVICE_UNAVAILABLE)
            else:
                self.listener.add(
                    refusals(late, StreamCode.EXECUTION_UNKNOWN, StreamKind.COMMAND_UNKNOWN)
                )

        self._count(len(commands))
        self._gateway.core.send(commands, replied, failed)

    def _count(self, commands: int) -> None:
        self._unanswered += commands
        if self._unanswered < MAX_UNANSWERED:
            self._has_room.set()
        else:
            self._has_room.clear()

    def _refuse(self, commands: Records, codes: Any) -> None:
        self.listener.add(refusals(commands, codes, EventKind.COMMAND_REFUSED))
