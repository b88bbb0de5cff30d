"""Commands read from their records, events written as theirs."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import numpy as np

from engine.codes import Code, CommandKind, EventKind, Reason
from engine.matching.reference.book import Order
from engine.records import (
    ACCOUNT_LIMITS_EVENT,
    ADMIN_COMMAND,
    ADMIN_EVENT,
    AUCTION_EVENT,
    BLOCK_RULES_EVENT,
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

# One command as plain integers, with the field names of its layout.
Command = SimpleNamespace

_ORDER_KINDS = (
    CommandKind.NEW_ORDER,
    CommandKind.CANCEL_ORDER,
    CommandKind.AMEND_ORDER,
    CommandKind.REPLACE_ORDER,
    CommandKind.CANCEL_ALL,
    CommandKind.TAKE_ORDER,
)
_LAYOUTS = {
    **dict.fromkeys(_ORDER_KINDS, ORDER_COMMAND),
    CommandKind.SET_QUOTE: QUOTE_COMMAND,
    CommandKind.MATCH_ORDERS: MATCH_COMMAND,
    CommandKind.DEFINE_INSTRUMENT: INSTRUMENT_COMMAND,
}

# struct's letters for the field types of engine.records.
_LETTERS = {"<i8": "q", "<i4": "i", "<u2": "H", "|u1": "B"}


def _packer(layout: np.dtype) -> struct.Struct:
    fields = "".join(_LETTERS[layout[name].str] for name in _names(layout))
    padding = RECORD_BYTES - struct.calcsize("<" + fields)
    return struct.Struct(f"<{fields}{padding}x")


def _names(layout: np.dtype) -> list[str]:
    return [name for name in layout.names or () if name != "padding"]


_PACKERS = {
    id(layout): _packer(layout)
    for layout in (
        *(ORDER_EVENT, TRADE_EVENT, ADMIN_EVENT, INSTRUMENT_EVENT),
        *(AUCTION_EVENT, BLOCK_RULES_EVENT, ACCOUNT_LIMITS_EVENT),
    )
}


def read_command(record: np.ndarray) -> Command:
    """The one command in `record` (shape (1,), dtype COMMAND)."""
    kind = int(record["kind"][0])
    layout = _LAYOUTS.get(kind, ADMIN_COMMAND)  # type: ignore[call-overload]
    row = record.view(layout)[0]
    return Command(**{name: int(row[name]) for name in _names(layout)})


class EventWriter:
    """Collects a batch's events; knows the command that they answer."""

    def __init__(self) -> None:
        self._events: list[tuple[np.dtype, dict[str, int]]] = []
        self._command = Command()
        self._is_reply = True

    def begin(self, command: Command) -> None:
        """Answer `command` from here on; the next event is its reply."""
        self._command = command
        self._is_reply = True

    def take(self) -> np.ndarray:
        """All events since the last call, shape (n,), dtype EVENT."""
        records = [
            _PACKERS[id(layout)].pack(*(fields.get(name, 0) for name in _names(layout)))
            for layout, fields in self._events
        ]
        self._events.clear()
        return np.frombuffer(b"".join(records), EVENT)

    def order(
        self, kind: EventKind, order: Order, reason: Reason = Reason.NONE, **more: int
    ) -> None:
        """ORDER_ACCEPTED, ORDER_CANCELLED or ORDER_AMENDED, as `order` stands now."""
        self._add(ORDER_EVENT, kind, {**vars(order), "reason": reason, **more})

    def trade(self, **fields: int) -> None:
        self._add(TRADE_EVENT, EventKind.TRADE, fields)

    def auction(self, kind: EventKind, **fields: int) -> None:
        """What happens to an instrument's phase, or how its auction ended."""
        self._add(AUCTION_EVENT, kind, {"instrument": self._command.instrument, **fields})

    def define_instrument(self, lower_limit_ticks: int, upper_limit_ticks: int) -> None:
        """The reply to DEFINE_INSTRUMENT: its payload and the limits that follow from it."""
        limits = {"lower_limit_ticks": lower_limit_ticks, "upper_limit_ticks": upper_limit_ticks}
        self._add(INSTRUMENT_EVENT, EventKind.INSTRUMENT_DEFINED, {**vars(self._command), **limits})

    def set_block_rules(self, **rules: int) -> None:
        """The reply to SET_BLOCK_RULES."""
        instrument = self._command.instrument
        fields = {"instrument": instrument, **rules}
        self._add(BLOCK_RULES_EVENT, EventKind.BLOCK_RULES_SET, fields)

    def set_account_limits(self, **limits: int) -> None:
        """The reply to SET_ACCOUNT_LIMITS."""
        self._add(ACCOUNT_LIMITS_EVENT, EventKind.ACCOUNT_LIMITS_SET, limits)

    def repeat(self, kind: EventKind, **more: int) -> None:
        """A reply that repeats the payload of its ADMIN_COMMAND."""
        self._add(ADMIN_EVENT, kind, {**vars(self._command), **more})

    def answer(self, kind: EventKind, **fields: int) -> dict[str, int]:
        """A reply of the layout ADMIN_EVENT with account, instrument, client id and `fields`.

        More fields may be put into what is returned until the command is done.
        """
        names = ("account", "instrument", "client_id_high", "client_id_low")
        command = {name: getattr(self._command, name) for name in names}
        return self._add(ADMIN_EVENT, kind, {**command, **fields})

    def _add(self, layout: np.dtype, kind: EventKind, fields: dict[str, int]) -> dict[str, int]:
        event = {
            "code": Code.OK,
            **fields,
            "sequence": self._command.sequence,
            "time_ns": self._command.time_ns,
            "request_id": self._command.request_id if self._is_reply else 0,
            "kind": kind,
            "gateway": self._command.gateway,
        }
        self._is_reply = False
        self._events.append((layout, event))
        return event
