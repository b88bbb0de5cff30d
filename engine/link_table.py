"""The gateways that are connected to the core, by their numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np

from engine.codes import CommandKind, OrderFlag, Side
from engine.link import MAX_GATEWAY, LinkError
from engine.records import ORDER_COMMAND
from engine.server_link import ServerLink

CLOSING_SECONDS = 5.0


class LinkTable:
    """Gives each connection its number; what is said to all of them at once."""

    def __init__(self) -> None:
        self._links: dict[int, ServerLink] = {}
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._links)

    def __iter__(self) -> Iterator[ServerLink]:
        """As they are now: they may go while the caller talks to them."""
        return iter(list(self._links.values()))

    def add(self, link: ServerLink) -> int:
        """The connection's number. Raises LinkError."""
        if len(self._links) >= MAX_GATEWAY:
            raise LinkError("no more gateways are taken")
        # A number is used again as late as possible: events of its last owner have left by then.
        number = self._last_number % MAX_GATEWAY + 1
        while number in self._links:
            number = number % MAX_GATEWAY + 1
        self._last_number = number
        self._links[number] = link
        return number

    def remove(self, link: ServerLink) -> None:
        del self._links[link.number]

    def pause_reading(self) -> None:
        for link in self:
            link.pause_reading()

    def resume_reading(self) -> None:
        for link in self:
            link.resume_reading()

    async def close(self) -> None:
        """Say goodbye to all; whoever does not listen is waited for a little."""
        goodbyes = [asyncio.ensure_future(link.say_goodbye()) for link in self]
        if goodbyes:
            _, late = await asyncio.wait(goodbyes, timeout=CLOSING_SECONDS)
            for goodbye in late:
                goodbye.cancel()

    def abort(self) -> None:
        for link in self:
            link.abort()


def cancel_of_gateway(gateway: int) -> np.ndarray:
    """The command that takes off what was to go with `gateway`'s connection (0: with any)."""
    command = np.zeros(1, ORDER_COMMAND)
    command["kind"] = CommandKind.CANCEL_ALL
    command["side"] = Side.ANY
    command["flags"] = OrderFlag.CANCEL_ON_DISCONNECT
    command["filter_gateway"] = gateway
    return command
