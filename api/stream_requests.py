"""The parameters of what a websocket client can ask for, as they are read."""

from __future__ import annotations

from typing import Annotated

import msgspec

from api.errors import Problem
from api.schemas import Body, QuoteSide
from api.stream_hub import PRIVATE_CHANNELS

MAX_CHANNELS_PER_REQUEST = 100
MAX_QUOTES_PER_REQUEST = 100


class Nothing(Body):
    pass


class Login(Body):
    """Either a session's token, or a key's signature over "timestamp\\nGET\\n/v1/stream\\n"
    followed by the SHA-256 (hex) of nothing."""

    token: str | None = None
    api_key: str | None = None
    timestamp: str | None = None
    signature: str | None = None
    # On a binary connection: whether replies to quotes are followed by what became of their orders.
    quote_events: bool = True


class WantedChannel(Body):
    name: str
    symbol: str | None = None
    # Private channels: everything from this sequence on is sent first.
    replay_from: Annotated[int, msgspec.Meta(ge=0, le=2**62)] | None = None


class Channels(Body):
    channels: Annotated[
        list[WantedChannel], msgspec.Meta(min_length=1, max_length=MAX_CHANNELS_PER_REQUEST)
    ]


class Replay(Body):
    """The first sequence wanted."""

    from_sequence: Annotated[int, msgspec.Meta(ge=1, le=2**62)]


class Order(Body):
    """Names an order by one of its two ids."""

    order_id: str | None = None
    client_order_id: str | None = None


class Amendment(Order):
    price: str | None = None
    quantity: str | None = None


class CancelAll(Body):
    symbol: str | None = None


class Quotes(Body):
    """Many quotes, or the members of one as in PUT /v1/quotes."""

    quotes: (
        Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MAX_QUOTES_PER_REQUEST)]
        | None
    ) = None
    symbol: str | None = None
    bid: QuoteSide | None = None
    ask: QuoteSide | None = None


class CancelOnDisconnect(Body):
    enabled: bool


def is_private(wanted: WantedChannel) -> bool:
    return wanted.name in PRIVATE_CHANNELS


def named(wanted: WantedChannel) -> dict[str, str | None]:
    return {"name": wanted.name, "symbol": wanted.symbol}


def reference(wanted: Order) -> str:
    """The order that is meant, named as in the routes' paths. Raises Problem."""
    if (wanted.order_id is None) == (wanted.client_order_id is None):
        raise Problem(
            "invalid_request", "Either order_id or client_order_id is needed.", field="order_id"
        )
    return f"client:{wanted.client_order_id}" if wanted.order_id is None else wanted.order_id
