"""The fixed-size records: their sizes and places, whole copies, and packed texts."""

import numpy as np
import pytest
from protocol_page import table

from engine import records, state_records
from engine.packed_texts import pack_client_id, pack_text, unpack_client_id, unpack_text
from engine.records import COMMAND, EVENT, ORDER_COMMAND, ORDER_EVENT, RECORD_BYTES

COMMANDS = (
    "ORDER_COMMAND",
    "QUOTE_COMMAND",
    "MATCH_COMMAND",
    "INSTRUMENT_COMMAND",
    "ADMIN_COMMAND",
)
EVENTS = (
    "ORDER_EVENT",
    "TRADE_EVENT",
    "INSTRUMENT_EVENT",
    "AUCTION_EVENT",
    "BLOCK_RULES_EVENT",
    "ADMIN_EVENT",
    "ACCOUNT_LIMITS_EVENT",
)
STATES = (
    "ORDER_STATE",
    "ACCOUNT_STATE",
    "POSITION_STATE",
    "ALLOWANCE_STATE",
    "INSTRUMENT_STATE",
    "COUNTERS_STATE",
)
UUID = "6d1f2e64-9f0e-4a57-8d4b-3f4c5b6a7980"


def _layout(name: str) -> np.dtype:
    layout = getattr(state_records if name in STATES else records, name)
    assert isinstance(layout, np.dtype)
    return layout


def _fields(layout: np.dtype) -> list[list[str]]:
    """Offset, size, type and name of each field that means something."""
    return [
        [str(layout.fields[name][1]), str(layout[name].itemsize), layout[name].name, name]
        for name in layout.names or ()
        if name != "padding" and layout.fields is not None
    ]


@pytest.mark.parametrize("name", ["COMMAND", "EVENT", *STATES])
def test_the_page_shows_the_layout(name: str) -> None:
    """docs/protocol.md and engine/records.py agree on every field of headers and state."""
    assert [row[:4] for row in table(name)] == _fields(_layout(name))


@pytest.mark.parametrize("name", [*COMMANDS, *EVENTS])
def test_the_page_shows_what_follows_the_header(name: str) -> None:
    """A command or event is its family's header, then what the page's table lists."""
    header = "COMMAND" if name in COMMANDS else "EVENT"
    shown = [row[:4] for row in [*table(header), *table(name)]]
    assert shown == _fields(_layout(name))


@pytest.mark.parametrize("name", ["COMMAND", "EVENT", *COMMANDS, *EVENTS])
def test_every_record_has_the_same_size(name: str) -> None:
    """128 bytes, every one of them in a field, so that a copy loses nothing."""
    layout = _layout(name)
    assert layout.itemsize == RECORD_BYTES
    assert sum(layout[field].itemsize for field in layout.names or ()) == RECORD_BYTES


@pytest.mark.parametrize("name", STATES)
def test_state_records_have_no_gaps(name: str) -> None:
    """Bytes between fields would be undefined, and the state hash with them."""
    layout = _layout(name)
    assert sum(layout[field].itemsize for field in layout.names or ()) == layout.itemsize


@pytest.mark.parametrize("name", ["COMMAND", "EVENT", *COMMANDS, *EVENTS, *STATES])
def test_fields_are_aligned_and_little_endian(name: str) -> None:
    """Each field lies at a multiple of its size, as compiled code expects."""
    layout = _layout(name)
    assert layout.fields is not None
    for field in layout.names or ():
        form, offset = layout.fields[field][:2]
        assert offset % form.base.itemsize == 0
        assert form.base.str[0] in "<|"


@pytest.mark.parametrize(("header", "layout"), [(COMMAND, ORDER_COMMAND), (EVENT, ORDER_EVENT)])
def test_copies_through_the_header_keep_the_payload(header: np.dtype, layout: np.dtype) -> None:
    """Copy, selection, assignment and concatenation move whole records."""
    payload = np.arange(4 * RECORD_BYTES, dtype=np.uint8).view(layout)
    whole = payload.view(header)
    assigned = np.zeros(4, header)
    assigned[:] = whole
    for copy in (whole.copy(), whole[[0, 1, 2, 3]], whole[whole["kind"] >= 0], assigned):
        assert copy.tobytes() == payload.tobytes()
    assert np.concatenate([whole[:1], whole[1:]]).tobytes() == payload.tobytes()


@pytest.mark.parametrize("text", ["A", "GDPHCER-2024", "0123456789abcdef", "~!"])
def test_texts_survive_packing(text: str) -> None:
    """Up to 16 ASCII characters go into two integers and come back."""
    assert unpack_text(*pack_text(text)) == text


@pytest.mark.parametrize("text", ["", "0123456789abcdefg", "普惠", "é"])
def test_other_texts_are_not_packed(text: str) -> None:
    """Empty, too long or not ASCII."""
    with pytest.raises(ValueError, match=r"ASCII|ascii"):
        pack_text(text)


@pytest.mark.parametrize(
    ("text", "is_uuid"),
    [("1", False), ("0123456789abcdef", False), (UUID, True), ("f" * 8 + UUID[8:], True)],
)
def test_client_ids_survive_packing(text: str, is_uuid: bool) -> None:
    """A short text or a UUID becomes 16 raw bytes, and the same text again."""
    high, low, packed_as_uuid = pack_client_id(text)
    assert packed_as_uuid == is_uuid
    assert unpack_client_id(high, low, is_uuid) == text


def test_a_uuid_comes_back_in_lower_case() -> None:
    """Upper and lower case are the same id."""
    assert pack_client_id(UUID.upper()) == pack_client_id(UUID)
    assert unpack_client_id(*pack_client_id(UUID.upper())) == UUID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "with space",
        "tab\t",
        "nul\0",
        "普惠",
        "0123456789abcdefg",
        "00000000-0000-0000-0000-000000000000",
        UUID.replace("-", ""),
        f"{{{UUID}}}",
        f"urn:uuid:{UUID}",
        f" {UUID}",
    ],
)
def test_other_client_ids_are_refused(text: str) -> None:
    """Nothing that could be confused with another id, or with none."""
    with pytest.raises(ValueError, match=r".+"):
        pack_client_id(text)


def test_no_client_id_is_no_text() -> None:
    """Two zeros mean that there is none."""
    assert unpack_client_id(0, 0, False) is None
    assert unpack_client_id(0, 0, True) is None
