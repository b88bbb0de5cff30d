"""Commands for the core as records: every field that is not named is zero."""

from __future__ import annotations

import functools
import struct
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
    names, packed = packing(layout)
    fields["kind"] = kind
    unknown = fields.keys() - names.keys()
    assert not unknown, f"{unknown} are no fields of a {kind.name}"
    values = names | fields
    record = bytearray(records.RECORD_BYTES)
    packed.pack_into(record, 0, *values.values())
    return np.frombuffer(record, records.COMMAND)


@functools.cache
def packing(layout: np.dtype[Any]) -> tuple[dict[str, int], struct.Struct]:
    """A record as a struct format: its named fields in order of offset, the rest skipped.

    The fields' names come with zeros. Written through NumPy, each field costs as much as all here.
    """
    assert layout.fields is not None
    codes = {"i8": "q", "i4": "i", "u2": "H", "u1": "B"}
    form, position, names = "<", 0, {}
    for name, (kind, offset, *_) in sorted(layout.fields.items(), key=lambda item: item[1][1]):
        if kind.subdtype is not None:
            continue  # the padding at the end
        form += "x" * (offset - position) + codes[kind.str[1:]]
        position = offset + kind.itemsize
        names[name] = 0
    return names, struct.Struct(form)
