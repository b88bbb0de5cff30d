"""The compiled passes against what docs/protocol.md says, read record by record in plain Python."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from api import record_kernels
from api.account_events import events_of
from api.auth import Caller
from api.binary_commands import check, stamp
from api.binary_records import StreamCode
from engine.codes import CommandKind, EventKind, OrderFlag, OrderType, Purpose, Reason
from engine.packed_texts import pack_client_id
from engine.records import (
    ADMIN_EVENT,
    COMMAND,
    EVENT,
    ORDER_COMMAND,
    ORDER_EVENT,
    QUOTE_COMMAND,
    TRADE_EVENT,
)

ME, OTHER = 7, 8
KINDS = (1, 2, 3, 4, 5, 6, 7, 16, 255)
TEXT = pack_client_id("a-client-id-of16")[:2]
IDS = [(0, 0), TEXT, (TEXT[0], 0), (0, TEXT[1]), (-1, -1), (TEXT[0] & ~0xFF00, TEXT[1])]


def _caller(*roles: str) -> Caller:
    return Caller(ME, "A7", "somebody", frozenset(roles), frozenset({"trade"}))


def _command(random: Random) -> np.ndarray:
    """A command that is well-formed more often than not, whatever its kind."""
    command = np.zeros(1, ORDER_COMMAND)
    kind = random.choice(KINDS)
    command["kind"] = kind
    command["request_id"] = random.getrandbits(62)
    command["account"] = random.choice((0, 0, ME, ME, OTHER))
    command["client_id_high"], command["client_id_low"] = random.choice(IDS)
    if kind == CommandKind.SET_QUOTE:
        quote = command.view(QUOTE_COMMAND)
        quote["bid_quantity_lots"] = random.choice((0, 0, 5))
        quote["ask_quantity_lots"] = random.choice((0, 0, 5))
        quote["flags"] = random.choice((0, OrderFlag.CANCEL_ON_DISCONNECT, OrderFlag.POST_ONLY))
        quote["padding"][0, random.randrange(39)] = random.choice((0, 0, 1))
        return command.view(COMMAND)
    command["flags"] = random.choice((0, 0, 1 << random.randrange(8)))
    command["order_type"] = random.choice((*OrderType, 1, 1, 1))
    command["purpose"] = random.choice(list(Purpose))
    for name in ("filter_gateway", "filter_session"):
        command[name] = random.choice((0, 0, 0, 0, 3))
    return command.view(COMMAND)


def _expected(command: np.ndarray, *, is_maker: bool) -> tuple[int, bool]:
    """The code of the page's table, and whether the command counts as an order."""
    order, quote = command.view(ORDER_COMMAND)[0], command.view(QUOTE_COMMAND)[0]
    kind, flags = int(order["kind"]), int(order["flags"])
    is_new, is_quote = kind == CommandKind.NEW_ORDER, kind == CommandKind.SET_QUOTE
    malformed = kind not in range(1, 7)
    if is_quote:
        malformed |= bool(quote["flags"] & ~np.uint8(OrderFlag.CANCEL_ON_DISCONNECT))
        malformed |= bool(quote["padding"].any())
    else:
        allowed = OrderFlag.NONE
        if is_new:
            allowed = (
                OrderFlag.POST_ONLY | OrderFlag.CANCEL_ON_DISCONNECT | OrderFlag.CLIENT_ID_IS_UUID
            )
            halves = (int(order["client_id_high"]), int(order["client_id_low"]))
            raw = b"".join((half % 2**64).to_bytes(8, "big") for half in halves)
            text = raw.rstrip(b"\0")
            is_text = all(0x20 < character < 0x7F for character in text)
            malformed |= not is_text and not flags & OrderFlag.CLIENT_ID_IS_UUID
            malformed |= order["order_type"] > OrderType.MARKET
        malformed |= bool(flags & ~int(allowed))
        malformed |= order["filter_gateway"] != 0 or order["filter_session"] != 0
    if malformed:
        return StreamCode.MALFORMED, False
    purpose = order["purpose"]
    forbidden = order["account"] not in (0, ME) or (is_quote and not is_maker)
    forbidden |= is_new and purpose == Purpose.COMPLIANCE
    forbidden |= is_new and purpose == Purpose.MARKET_MAKING and not is_maker
    if forbidden:
        return StreamCode.FORBIDDEN, False
    is_wanted = is_quote and (quote["bid_quantity_lots"] or quote["ask_quantity_lots"])
    return 0, kind in (1, 3, 4) or bool(is_wanted)


@pytest.mark.parametrize("is_maker", [False, True])
def test_commands_are_judged_as_the_page_says(is_maker: bool) -> None:
    """Each code, what counts against the rate, and whether there is anything to cancel."""
    random = Random(5)
    frame = np.concatenate([_command(random) for _ in range(2_000)])
    found = check(frame, _caller(*(["market_maker"] if is_maker else [])))
    expected = [_expected(frame[n : n + 1], is_maker=is_maker) for n in range(len(frame))]
    assert list(zip(found.codes.tolist(), found.is_counted.tolist(), strict=True)) == expected
    assert {code for code, _ in expected} == {0, StreamCode.MALFORMED, StreamCode.FORBIDDEN}
    cancel = frame[(frame["kind"] == CommandKind.CANCEL_ORDER) & (found.codes == 0)][:1]
    for part, has_cancels in ((cancel, True), (frame[found.codes != 0], False)):
        assert check(part, _caller()).has_cancels is has_cancels


def test_stamps_change_nothing_else() -> None:
    """Account and session are put in, the request ids are told apart and stay."""
    random = Random(6)
    frame = np.concatenate([_command(random) for _ in range(50)])
    before = frame.copy()
    request_ids, is_flagged = stamp(frame, ME, 99)
    assert request_ids.tolist() == before["request_id"].tolist()
    before["account"], before["session"] = ME, 99
    assert frame.tobytes() == before.tobytes()
    assert is_flagged
    assert stamp(np.zeros(3, COMMAND), ME, 99)[1] is False


def _event(random: Random) -> Any:
    kind = random.choice((*list(EventKind)[:9], EventKind.TRADE, EventKind.PHASE_CHANGED))
    event = np.frombuffer(bytearray(random.randbytes(128)), ORDER_EVENT)
    event["kind"] = kind
    event["request_id"] = random.choice((0, 5))
    event["flags"] = random.choice((0, OrderFlag.QUOTE))
    event["reason"] = random.choice((Reason.QUOTE_WITHDRAWN, Reason.NONE))
    event["account"] = random.choice((ME, OTHER))
    if kind == EventKind.TRADE:
        trade = event.view(TRADE_EVENT)
        trade["maker_account"], trade["taker_account"] = random.choices((ME, OTHER), k=2)
    elif kind >= EventKind.COMMAND_REFUSED:
        event.view(ADMIN_EVENT)["account"] = random.choice((ME, OTHER))
    return event.view(EVENT)


def _own(event: Any, *, with_own_quotes: bool) -> bytes | None:
    """What an account is to see of an event."""
    copy = event.copy()
    copy["request_id"] = copy["gateway"] = 0
    kind, order, trade = int(event["kind"][0]), event.view(ORDER_EVENT)[0], copy.view(TRADE_EVENT)
    if kind == EventKind.TRADE:
        for side in ("maker", "taker"):
            if trade[f"{side}_account"] != ME:
                for name in ("account", "order_id", "remaining_lots", "fee_fen", "purpose"):
                    trade[f"{side}_{name}"] = 0
        is_own = bool(trade["maker_account"] or trade["taker_account"])
    elif kind in (*range(1, 4), 5, 6):
        says_more = not order["flags"] & OrderFlag.QUOTE or order["request_id"] != 0
        says_more |= kind in (EventKind.ORDER_TRIGGERED, EventKind.ORDER_REFRESHED)
        says_more |= kind == EventKind.ORDER_CANCELLED and order["reason"] == Reason.NONE
        is_own = order["account"] == ME and (with_own_quotes or says_more)
    else:
        is_own = event.view(ADMIN_EVENT)["account"][0] == ME
        is_own &= kind in (EventKind.COMMAND_REFUSED, EventKind.ORDERS_CANCELLED, 10)
    return copy.tobytes() if is_own else None


@pytest.mark.parametrize("with_own_quotes", [False, True])
def test_an_account_is_shown_its_own(with_own_quotes: bool) -> None:
    """No byte of anybody else's, and with or without what replies to quotes have said."""
    random = Random(7)
    events = [_event(random) for _ in range(2_000)]
    found = events_of(np.concatenate(events), ME, with_own_quotes=with_own_quotes)
    expected = [_own(event, with_own_quotes=with_own_quotes) for event in events]
    assert found.tobytes() == b"".join(one for one in expected if one)
    assert len(events_of(np.zeros(0, EVENT), ME)) == 0


def test_replies_are_found_in_their_order() -> None:
    """Those of other gateways, and of earlier ones of this number, are passed over."""
    events = np.zeros(7, EVENT)
    events["sequence"] = [1, 2, 2, 3, 4, 5, 5]
    events["gateway"] = [1, 1, 1, 2, 1, 1, 1]
    events["request_id"] = [90, 10, 0, 10, 11, 12, 0]
    rows, sequences = np.zeros(7, np.int64), np.zeros(7, np.int64)

    def found(first_id: int) -> int:
        overlay = np.frombuffer(events, record_kernels.EVENTS)
        run = record_kernels.run
        return int(run(record_kernels.find_replies, overlay, 1, first_id, 20, rows, sequences))

    assert found(10) == 3
    assert (rows[:3].tolist(), sequences[:3].tolist()) == ([1, 4, 5], [2, 4, 5])
    assert found(9) == -1
    named = record_kernels.run(
        record_kernels.name_replies,
        np.frombuffer(events, record_kernels.EVENTS),
        sequences[:3],
        np.array([70, 71, 72]),
    )
    assert named == 3
    assert events["request_id"].tolist() == [90, 70, 0, 10, 71, 72, 0]
