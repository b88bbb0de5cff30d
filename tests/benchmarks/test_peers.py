"""The peers' adapters: the same flow gives the same trades as the engine, or the peer is absent."""

from importlib.util import find_spec

import pytest

from benchmarks.peers import PEERS, Fill, PeerPackage, engine_fills
from benchmarks.workloads import LIMITS, Message, messages, opening, to_commands
from engine.codes import CommandKind, Side
from engine.matching.engine import Engine

NEW, CANCEL, REPLACE = (
    CommandKind.NEW_ORDER,
    CommandKind.CANCEL_ORDER,
    CommandKind.REPLACE_ORDER,
)
BY_HAND = [
    Message(NEW, Side.SELL, 1, 100_002, 5, False),
    Message(NEW, Side.SELL, 2, 100_001, 3, False),
    Message(NEW, Side.SELL, 3, 100_001, 4, False),
    Message(REPLACE, Side.SELL, 2, 100_001, 3, False),  # to the end of its queue
    Message(NEW, Side.BUY, 4, 100_001, 9, True),  # takes 4 and 3, its last 2 are cancelled
    Message(CANCEL, Side.BUY, 4, 0, 0, False),  # too late
    Message(REPLACE, Side.SELL, 3, 100_000, 1, False),  # too late
    Message(NEW, Side.BUY, 5, 100_002, 2, False),
    Message(CANCEL, Side.SELL, 1, 0, 0, False),
    Message(NEW, Side.BUY, 6, 100_005, 1, False),  # finds nothing
]
FILLS_BY_HAND = [Fill(3, 4, 100_001, 4), Fill(2, 4, 100_001, 3), Fill(1, 5, 100_002, 2)]


def _engine_fills(flow: list[Message]) -> list[Fill]:
    engine = Engine(LIMITS)
    engine.apply(opening())
    return engine_fills([engine.apply(to_commands(flow, len(opening()) + 1))])


def test_the_engines_trades_are_read_from_its_events() -> None:
    """Orders are named by client id, a replaced one by the id that it has always had."""
    assert _engine_fills(BY_HAND) == FILLS_BY_HAND


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.distribution)
def test_a_peer_trades_as_the_engine_does(peer: PeerPackage) -> None:
    """Trade for trade: makers, takers, prices and quantities, by hand and on a generated flow."""
    if find_spec(peer.module) is None:
        pytest.skip(f"{peer.distribution} is not installed")
    by_hand = peer.make()
    by_hand.apply(BY_HAND)
    assert by_hand.fills() == FILLS_BY_HAND
    flow = messages(5_000, seed=7)
    generated = peer.make()
    generated.apply(flow)
    assert generated.fills() == _engine_fills(flow)
    assert len(generated.fills()) > 500
