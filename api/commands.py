"""Commands for the core as records: every field that is not named is zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import records
from engine.codes import CommandKind

Records = np.ndarray[Any, np.dtype[Any]]


def order_command(kind: CommandKind, **fields: int) -> Records:
    """One command of the layout ORDER_COMMAND."""
    return _command(records.ORDER_COMMAND, kind, fields)


def quote_command(**fields: int) -> Records:
    """SET_QUOTE."""
    return _command(records.QUOTE_COMMAND, CommandKind.SET_QUOTE, fields)


def admin_command(kind: CommandKind, **fields: int) -> Records:
    """One command of the layout ADMIN_COMMAND."""
    return _command(records.ADMIN_COMMAND, kind, fields)


def instrument_command(**fields: int) -> Records:
    """DEFINE_INSTRUMENT."""
    return _command(records.INSTRUMENT_COMMAND, CommandKind.DEFINE_INSTRUMENT, fields)


def _command(layout: np.dtype[Any], kind: CommandKind, fields: dict[str, int]) -> Records:
    command = np.zeros(1, layout)
    command["kind"] = kind
    for name, value in fields.items():
        command[name] = value
    return command.view(records.COMMAND)
