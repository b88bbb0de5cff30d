"""What waits for a slow client is bounded: market data is conflated, private messages close."""

from __future__ import annotations

import asyncio

from api.stream_outbox import SLOW_CONSUMER, Channel, Closing, Outbox
from api.websocket_protocol import server_frame

BOOK = Channel("book", "GD-PHCER")
TAPE = Channel("trades", "GD-PHCER")


def make_outbox(public: int = 20, private: int = 20) -> Outbox:
    return Outbox(lambda channel: f"snapshot of {channel.name}", public, private)


async def drain(outbox: Outbox) -> list[str | Closing]:
    """Everything that can be sent now."""
    found: list[str | Closing] = []
    while True:
        getting = asyncio.ensure_future(outbox.get())
        await asyncio.sleep(0)
        if not getting.done():
            getting.cancel()
            return found
        found.append(getting.result())
        if isinstance(found[-1], Closing):
            return found


async def test_messages_keep_their_order() -> None:
    """Public and private messages leave in the order in which they came."""
    outbox = make_outbox()
    outbox.put("answer")
    outbox.put_public(BOOK, "delta")
    outbox.put("fill")
    assert await drain(outbox) == ["answer", "delta", "fill"]


async def test_a_sender_that_waits_is_woken() -> None:
    """What is put later reaches whoever waits already."""
    outbox = make_outbox()
    getting = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put("late")
    assert await getting == "late"


async def test_market_data_is_conflated() -> None:
    """Beyond the bound a channel's messages are dropped, and one snapshot follows at the end."""
    outbox = make_outbox(public=20)
    for number in range(10):
        outbox.put_public(BOOK, f"delta-{number}")
    outbox.put_public(TAPE, "a trade that does not fit")
    assert await drain(outbox) == [
        "delta-0",
        "delta-1",
        "snapshot of book",
        "snapshot of trades",
    ]
    outbox.put_public(BOOK, "delta-10")
    assert await drain(outbox) == ["delta-10"]


async def test_a_message_above_the_bound_is_sent_when_nothing_waits() -> None:
    """A snapshot larger than the whole bound does not starve."""
    outbox = make_outbox(public=4)
    outbox.put_public(BOOK, "a large snapshot")
    assert await drain(outbox) == ["a large snapshot"]


async def test_an_unwanted_channel_gets_no_snapshot() -> None:
    """Unsubscribing forgets that the channel fell behind."""
    outbox = make_outbox(public=6)
    outbox.put_public(BOOK, "delta")
    outbox.put_public(BOOK, "delta")
    outbox.drop_channel(BOOK)
    assert await drain(outbox) == ["delta"]


async def test_a_slow_private_client_is_closed() -> None:
    """Private messages are never dropped one by one: the connection ends, with a reason."""
    outbox = make_outbox(private=10)
    outbox.put("123456")
    outbox.put("78901")
    outbox.put("never sent")
    assert outbox.closing.is_set()
    assert await drain(outbox) == [SLOW_CONSUMER]


async def test_closing_sends_what_is_queued() -> None:
    """The first reason stands, after everything that was put before it."""
    outbox = make_outbox()
    outbox.put("goodbye")
    outbox.close(Closing(1012, "server_shutdown"))
    outbox.close(Closing(1000, "later"))
    outbox.put("too late")
    assert await drain(outbox) == ["goodbye", Closing(1012, "server_shutdown")]


async def test_what_can_be_written_at_once_is_not_queued() -> None:
    """Whoever waits for messages is not woken for one that the connection takes; others queue."""
    frames: list[bytes] = []
    takes = True

    def write(frame: bytes) -> bool:
        if takes:
            frames.append(frame)
        return takes

    outbox = Outbox(lambda _: "snapshot", write=write)
    outbox.put("before the sender")
    assert not frames
    assert await outbox.get() == "before the sender"
    outbox.put("it is still being sent")
    assert not frames, "nothing overtakes what the sender has in its hands"
    assert await outbox.get() == "it is still being sent"
    getting = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put("answer")
    outbox.put_public(BOOK, "delta", server_frame("delta"))
    assert frames == [b"\x81\x06answer", b"\x81\x05delta"]
    takes = False
    outbox.put("the connection is full")
    takes = True
    outbox.put("nor does this")
    assert frames == [b"\x81\x06answer", b"\x81\x05delta"]
    assert await getting == "the connection is full"
    assert await drain(outbox) == ["nor does this"]
