"""Answers over the link are the exported state, byte for byte; nonsense is a LinkError."""

from typing import cast

import numpy as np
import pytest
from core_driver import BUYER, LIMITS, SELLER, order, set_up_commands, stamped
from engine_driver import make_command

from engine import queries
from engine.codes import CommandKind, Side
from engine.link import LinkError, QueryKind
from engine.matching.reference import ReferenceEngine
from engine.queries import QUESTION, AccountAnswer, BalancesAnswer, MarketAnswer, MatchingEngine
from engine.state import state_hash


@pytest.fixture(scope="module", params=["compiled", "reference"])
def engine(request: pytest.FixtureRequest) -> MatchingEngine:
    """An engine with two instruments, two traders, a cap, an open order and some trades."""
    if request.param == "reference":
        made: MatchingEngine = ReferenceEngine(LIMITS)
    else:
        from engine.matching.engine import Engine

        made = Engine(LIMITS)
    second = make_command(CommandKind.DEPOSIT_CREDITS, account=BUYER, instrument=1, quantity_lots=7)
    cap = make_command(CommandKind.SET_HEADROOM, account=BUYER, scheme=3, quantity_lots=100)
    commands = np.concatenate(
        [
            set_up_commands(),
            order(SELLER, Side.SELL, 10_000, 1, quantity_lots=5),
            order(BUYER, Side.BUY, 10_000, 2, quantity_lots=7),
            second,
            cap,
        ]
    )
    made.apply(stamped(commands, 1))
    return made


def _ask(engine: MatchingEngine, kind: QueryKind, argument: int = 0) -> queries.Answer:
    return queries.decode(
        kind, queries.answer(engine, *queries.question(QUESTION.pack(kind, argument)))
    )


def test_market(engine: MatchingEngine) -> None:
    """All instruments and all open orders, with the sequence."""
    answer, state = cast(MarketAnswer, _ask(engine, QueryKind.MARKET)), engine.export()
    assert answer.sequence == state.sequence == 10
    assert answer.instruments.tobytes() == state.instruments.tobytes()
    assert answer.orders.tobytes() == state.orders.tobytes()
    assert answer.orders["remaining_lots"].tolist() == [2]


def test_balances_and_hash(engine: MatchingEngine) -> None:
    """Everything that reconciliation needs, and the state's hash."""
    answer, state = cast(BalancesAnswer, _ask(engine, QueryKind.BALANCES)), engine.export()
    for name in ("accounts", "positions", "allowances"):
        assert getattr(answer, name).tobytes() == getattr(state, name).tobytes()
    assert _ask(engine, QueryKind.STATE_HASH) == (10, state_hash(state))


@pytest.mark.parametrize("number", [0, SELLER, BUYER, 3, LIMITS.accounts, -1, 2**31 - 1, -(2**31)])
def test_one_account(engine: MatchingEngine, number: int) -> None:
    """The account's own rows only; zeros for a number that is not in use or cannot be."""
    answer, state = cast(AccountAnswer, _ask(engine, QueryKind.ACCOUNT, number)), engine.export()
    if 0 <= number < len(state.accounts):
        assert answer.account.tobytes() == state.accounts[number].tobytes()
    else:
        assert not any(answer.account.tobytes())
    for name in ("positions", "allowances"):
        rows = getattr(state, name)
        assert getattr(answer, name).tobytes() == rows[rows["account"] == number].tobytes()


@pytest.mark.parametrize(
    "payload", [b"", b"\x01", b"\x01\0\0\0\0\0", b"\0\0\0\0\0", b"\x09\0\0\0\0"]
)
def test_questions_that_are_none(payload: bytes) -> None:
    """A question of another length or kind breaks the protocol."""
    with pytest.raises(LinkError):
        queries.question(payload)


def test_answers_that_are_cut_off(engine: MatchingEngine) -> None:
    """An answer that ends too early breaks the protocol, wherever it ends."""
    whole = queries.answer(engine, QueryKind.ACCOUNT, BUYER)
    for size in range(len(whole)):
        with pytest.raises(LinkError):
            queries.decode(QueryKind.ACCOUNT, whole[:size])
