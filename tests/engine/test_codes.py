"""The enumerations: as the page shows them, and within the fields that carry them."""

from enum import IntEnum, IntFlag

import pytest
from engine_driver import command_layout, event_layout
from protocol_page import table

from engine import codes, records
from engine.codes import Code, CommandKind, EventKind

ENUMERATIONS = [
    member
    for member in vars(codes).values()
    if isinstance(member, type) and issubclass(member, IntEnum | IntFlag)
    and member.__module__ == codes.__name__
]  # fmt: skip


@pytest.mark.parametrize("enumeration", ENUMERATIONS)
def test_the_page_shows_every_value(enumeration: type[IntEnum]) -> None:
    """docs/protocol.md and engine/codes.py agree."""
    members = sorted(enumeration.__members__.items(), key=lambda item: item[1])
    shown = [row[:2] for row in table(enumeration.__name__)]
    assert shown == [[str(value.value), name] for name, value in members]


@pytest.mark.parametrize("enumeration", ENUMERATIONS)
def test_values_are_unique_and_fit_their_field(enumeration: type[IntEnum]) -> None:
    """All fit one byte, but codes, which have two."""
    values = [member.value for member in enumeration.__members__.values()]
    assert len(set(values)) == len(values)
    assert min(values) >= 0
    assert max(values) < (2**16 if enumeration is Code else 2**8)


def test_the_page_shows_the_layout_of_every_kind() -> None:
    """Which payload a kind of command or event carries."""
    for kind, (_, _, layout) in zip(sorted(CommandKind), table("CommandKind"), strict=True):
        assert command_layout(kind) is getattr(records, layout)
    for event, (_, _, layout) in zip(sorted(EventKind), table("EventKind"), strict=True):
        assert event_layout(event) is getattr(records, layout)
