"""Surveillance of recorded days: alerts once each, their states, owners; complaints; disclosure."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from settlement_driver import TRADING_DAY, Exchange
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.demo_maker import HALF_SPREAD_TICKS, QUANTITY_LOTS, DemoMaker
from engine.codes import CommandKind, Phase, Side
from engine.records import QUOTE_COMMAND
from settlement import complaints, disclosure, linked_accounts, surveillance
from settlement.complaints import NewComplaint
from settlement.database import Database
from settlement.errors import Refused
from settlement.identity import first_broken_audit_record
from settlement.tables.identity import Account, AuditRecord
from settlement.tables.oversight import Alert

SECOND = 10**9


@pytest.fixture
def watched(market: Exchange) -> Exchange:
    """The market of two instruments, its accounts 1 to 4 known by their names."""

    def name(session: Session) -> None:
        for number in (1, 2, 3, 4):
            session.add(
                Account(number=number, code=f"a{number}", name=f"Firm {number}", created_time_ns=1)
            )

    market.database.write(name).result()
    return market


def own(exchange: Exchange, account: int, owner: str | None) -> None:
    exchange.database.write(
        lambda session: linked_accounts.set_owner(session, account, owner, "files", actor="op")
    ).result()


def alerts(database: Database) -> list[tuple[str, int, str, list[int]]]:
    """(kind, instrument, state, accounts) of each."""
    with database.read() as session:
        return [
            (row.kind, row.instrument, row.state, row.evidence["accounts"])
            for row in session.scalars(select(Alert).order_by(Alert.number))
        ]


def change(database: Database, number: int, state: str, reason: str | None) -> None:
    database.write(
        lambda session: surveillance.set_state(session, number, state, reason, actor="op")
    ).result()


def wash(exchange: Exchange, lots: int) -> None:
    exchange.order(1, 1, Side.SELL, 5_000, lots)
    exchange.order(3, 1, Side.BUY, 5_000, lots)
    exchange.intake.flush()


def layer(exchange: Exchange) -> None:
    """Account 4 shows bids of 600 lots, sells 20 of what it bought, and takes the bids back."""
    exchange.order(2, 2, Side.BUY, 5_000, 20)
    bids = [exchange.order(3, 2, Side.BUY, 4_990 - level, 300) for level in range(2)]
    exchange.time_ns += 5 * SECOND
    exchange.order(3, 2, Side.SELL, 5_000, 20)
    exchange.time_ns += 5 * SECOND
    for order_id in bids:
        exchange.cancel(3, order_id)
    exchange.intake.flush()


def test_an_alert_is_raised_once(watched: Exchange) -> None:
    """Linked accounts that trade with each other; searched again, nothing new; no link, nothing."""
    database = watched.database
    wash(watched, 150)
    assert surveillance.search(database, TRADING_DAY).findings == 0
    own(watched, 1, "Green Group")
    own(watched, 3, "Green Group")
    found = surveillance.search(database, TRADING_DAY)
    assert (found.is_final, found.trades, found.findings, found.raised) == (False, 1, 1, 1)
    assert surveillance.search(database, TRADING_DAY).raised == 0
    assert alerts(database) == [("wash_trades", 1, "open", [1, 3])]
    own(watched, 3, None)
    assert surveillance.search(database, TRADING_DAY).findings == 0
    with pytest.raises(Refused, match="Nothing is recorded"):
        surveillance.search(database, TRADING_DAY - 1)


def test_layering_is_found_in_recorded_orders(watched: Exchange) -> None:
    """The orders come out of the tables as the detector wants them."""
    watched.bring_credits(3, "XM-CER", 20)
    layer(watched)
    assert surveillance.search(watched.database, TRADING_DAY).raised == 1
    assert alerts(watched.database) == [("spoofing", 2, "open", [3])]
    with watched.database.read() as session:
        [alert] = session.scalars(select(Alert))
    assert alert.evidence["figures"]["cancelled_quantity"] == 600
    assert len(alert.evidence["order_ids"]) == 2
    assert alert.last_time_ns - alert.first_time_ns > 9 * SECOND
    assert alert.evidence["rule"]["spoofing"]["minimum_orders"] == 2


def test_states_and_growing_findings(watched: Exchange) -> None:
    """Closing needs a reason; a closed alert whose finding grows is open again; all is audited."""
    database = watched.database
    for account in (1, 3):
        own(watched, account, "Green Group")
    wash(watched, 150)
    surveillance.search(database, TRADING_DAY)
    for state, reason, code in (
        ("closed", None, "invalid_request"),
        ("in_review", "why", "invalid_request"),
        ("open", None, "conflict"),
    ):
        with pytest.raises(Refused, match=code):
            change(database, 1, state, reason)
    with pytest.raises(Refused, match="not_found"):
        change(database, 2, "in_review", None)
    change(database, 1, "in_review", None)
    change(database, 1, "closed", "A transfer within the group")
    surveillance.search(database, TRADING_DAY)
    assert [state for _, _, state, _ in alerts(database)] == ["closed"]
    wash(watched, 10)
    assert surveillance.search(database, TRADING_DAY).raised == 0
    assert [state for _, _, state, _ in alerts(database)] == ["open"]
    with database.read() as session:
        query = select(AuditRecord.actor).where(AuditRecord.action == "alert_changed")
        actors = list(session.scalars(query.order_by(AuditRecord.sequence)))
        assert first_broken_audit_record(session) is None
    assert actors == ["op", "op", "surveillance"]


def test_settled_days_are_searched_once(watched: Exchange, tmp_path: Path) -> None:
    """After a settlement the day is due, with a market's close; after the search it is not."""
    for account in (1, 3):
        own(watched, account, "Green Group")
    wash(watched, 150)
    watched.settle(tmp_path)
    [found] = surveillance.search_settled(watched.database)
    assert (found.trading_day, found.is_final, found.raised) == (TRADING_DAY, True, 1)
    assert surveillance.search_settled(watched.database) == []
    again = surveillance.search(watched.database, TRADING_DAY, actor="op")
    assert (again.is_final, again.findings, again.raised) == (True, 1, 0)


def test_the_demo_makers_flow_raises_nothing(market: Exchange, tmp_path: Path) -> None:
    """A settled day of the demo's quotes with takers against them: no alert of any kind."""
    maker, chance = DemoMaker("", ("GD-PHCER",), seed=3), random.Random(3)
    market.deposit_cash(1, 10**9)
    market.bring_credits(1, "GD-PHCER", 20_000)
    market.set_phase(1, Phase.CONTINUOUS)
    trades = 0
    for _ in range(300):
        maker._step()
        middle = maker._middles["GD-PHCER"]
        market.command(
            CommandKind.SET_QUOTE,
            QUOTE_COMMAND,
            **{"account": 1, "instrument": 1},
            **{"bid_price_ticks": middle - HALF_SPREAD_TICKS, "bid_quantity_lots": QUANTITY_LOTS},
            **{"ask_price_ticks": middle + HALF_SPREAD_TICKS, "ask_quantity_lots": QUANTITY_LOTS},
        )
        market.time_ns += 3 * SECOND
        if chance.random() < 0.4:
            trades += 1
            lots = chance.randint(1, 20)
            market.order(chance.choice((3, 4)), 1, Side.BUY, middle + HALF_SPREAD_TICKS, lots)
    market.intake.flush()
    market.settle(tmp_path)
    [found] = surveillance.search_settled(market.database)
    assert (found.trades, found.findings) == (trades, 0)
    assert trades > 80


# --- Complaints ---


def filed(exchange: Exchange, account: int = 3, key: str | None = None, **fields: Any) -> int:
    complaint = NewComplaint("Fill price", "It was not what I saw.")._replace(**fields)
    return exchange.database.write(
        lambda session: (
            complaints.file(session, account, complaint, key, actor=f"u{account}").number
        )
    ).result()


def test_complaints_and_what_they_refer_to(watched: Exchange) -> None:
    """Once for a key; about orders and trades of one's own; answered once, or withdrawn."""
    wash(watched, 10)
    trade = {"reference_kind": "trade", "reference_id": "1"}
    assert filed(watched, key="k") == filed(watched, key="k") == 1
    with pytest.raises(Refused, match="idempotency"):
        filed(watched, key="k", text="Something else.")
    assert filed(watched, **trade) == 2
    for account, fields in (
        (4, trade),
        (3, {"reference_kind": "order", "reference_id": "99"}),
        (3, {"reference_kind": "trade", "reference_id": "1 or 2"}),
        (3, {"reference_kind": "certificate", "reference_id": "RET-1"}),
    ):
        with pytest.raises(Refused, match="not_found"):
            filed(watched, account, **fields)
    write = watched.database.write
    write(lambda session: complaints.review(session, 1, actor="op")).result()
    done = write(lambda session: complaints.answer(session, 1, "Checked.", actor="op")).result()
    assert (done.state, done.answer, done.handled_by) == ("answered", "Checked.", "op")
    assert done.answer_until_ns - done.filed_time_ns == 15 * 86_400 * SECOND
    with pytest.raises(Refused, match="conflict"):
        write(lambda session: complaints.answer(session, 1, "Again.", actor="op")).result()
    with pytest.raises(Refused, match="not_found"):
        write(lambda session: complaints.withdraw(session, 4, 2, actor="u4")).result()
    gone = write(lambda session: complaints.withdraw(session, 3, 2, actor="u3")).result()
    assert (gone.state, gone.answer) == ("withdrawn", None)
    with watched.database.read() as session:
        query = select(func.count()).where(AuditRecord.action.startswith("complaint_"))
        assert session.scalar(query) == 5


# --- Disclosure ---


def test_what_is_disclosed(watched: Exchange, tmp_path: Path) -> None:
    """Holdings of linked accounts together, trades without parties, the day's figures, totals."""
    rule: dict[str, object] = {"holding_quantity": 1_000, "trade_quantity": 300, "source": "test"}
    watched.rule("disclosure", "*", rule)
    watched.trade_a_day()
    with watched.database.read() as session:
        assert disclosure.large_trades(session, TRADING_DAY) == []
    watched.settle(tmp_path)
    with watched.database.read() as session:
        assert disclosure.holdings(session) == []
        [trade] = disclosure.large_trades(session, TRADING_DAY)
        [first, second] = disclosure.statistics(session, TRADING_DAY, TRADING_DAY)
        totals = disclosure.totals(session)
        assert disclosure.last_settled_day(session) == TRADING_DAY
        assert disclosure.statistics(session, TRADING_DAY + 1, TRADING_DAY + 9) == []
    assert trade == {
        **{"trade_id": "1", "symbol": "GD-PHCER", "price": "50.00", "quantity": "300"},
        **{"amount": "15000.00", "type": "continuous", "time": trade["time"], "threshold": "300"},
    }
    assert (first["symbol"], first["trades"], first["quantity"]) == ("GD-PHCER", 4, "460")
    assert (second["symbol"], second["amount"]) == ("XM-CER", "3060.00")
    assert [
        (each["symbol"], each["issued"], each["outstanding"]) for each in totals["credits"]
    ] == [
        ("GD-PHCER", "1500", "1500"),
        ("XM-CER", "300", "300"),
    ]
    for account in (1, 2, 3):
        own(watched, account, "Green Group")
    with watched.database.read() as session:
        [holding] = disclosure.holdings(session)
        assert disclosure.holdings(session, "XM-CER") == []
    assert (holding["holder"], holding["accounts"]) == ("Green Group", 3)
    assert (holding["quantity"], holding["share"]) == ("1450", "0.966666")
