"""Frames: cut from the byte stream whole, whatever the pieces it arrives in."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.link import HEADER, FrameKind, FrameReader, LinkError, frame

frames = st.lists(
    st.tuples(
        st.sampled_from(list(FrameKind)), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=50)
    ),
    max_size=8,
)


@given(frames, st.lists(st.integers(0, 40), max_size=30))
def test_frames_come_back_in_any_pieces(
    sent: list[tuple[FrameKind, int, bytes]], sizes: list[int]
) -> None:
    """The pieces' borders make no difference, and an incomplete rest is kept for later."""
    stream = b"".join(frame(kind, tag, payload) for kind, tag, payload in sent)
    reader = FrameReader()
    received = []
    for size in sizes:
        received.extend(reader.feed(stream[:size]))
        stream = stream[size:]
    received.extend(reader.feed(stream))
    assert received == sent


def test_a_header_is_sixteen_bytes() -> None:
    """Length, kind, reserved, tag."""
    assert HEADER.size == 16
    assert frame(FrameKind.QUERY, 7, b"abc") == struct.pack("<IHHq", 3, 6, 0, 7) + b"abc"


def test_a_memoryview_is_sent_as_its_bytes() -> None:
    """Arrays need not be copied before."""
    assert frame(FrameKind.EVENTS, 1, memoryview(b"abc")) == frame(FrameKind.EVENTS, 1, b"abc")


def test_too_long_a_frame_is_refused_before_it_is_stored() -> None:
    """The header alone is enough."""
    reader = FrameReader(max_payload_bytes=10)
    assert list(reader.feed(frame(FrameKind.COMMANDS, 0, b"x" * 10))) != []
    with pytest.raises(LinkError, match="11 bytes"):
        list(reader.feed(HEADER.pack(11, FrameKind.COMMANDS, 0, 0)))


@pytest.mark.parametrize("kind", [0, 99, 65_535])
def test_an_unknown_kind_is_refused(kind: int) -> None:
    """The other side speaks another protocol."""
    with pytest.raises(LinkError):
        list(FrameReader().feed(HEADER.pack(0, kind, 0, 0)))


def test_a_frame_longer_than_what_is_read_at_once() -> None:
    """It gets a buffer of its own, and those around it come as ever."""
    long = bytes(range(256)) * 2_000
    sent = [(FrameKind.GOODBYE, 1, b"a"), (FrameKind.ANSWER, 2, long), (FrameKind.SPACE, 3, b"")]
    stream = b"".join(frame(*one) for one in sent) * 2
    reader = FrameReader()
    received = []
    for start in range(0, len(stream), 300_000):
        received.extend(reader.feed(stream[start : start + 300_000]))
    assert received == sent * 2
    assert len(reader.room) == len(FrameReader().room)
