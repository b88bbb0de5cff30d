"""The queue of breaks: what a run finds is kept, given away, explained, or posted right by two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from settlement import breaks, clearing, identity, ledger
from settlement.errors import Refused
from settlement.ledger import CASH, Holding, Kind, Leg, Posting
from settlement.reconciliation import reconcile
from settlement.tables.clearing import ReconciliationBreak, Statement

DAY = 20_777


@pytest.fixture
def broken(market: Any, tmp_path: Path) -> Any:
    """An exchange that settled a day after somebody had booked 500 fen too much for account 3."""
    market.trade_a_day()

    def spoil(session: Session) -> None:
        legs = (Leg(Kind.PARTICIPANT, 3, CASH, 500), Leg(Kind.BANK, 0, CASH, -500))
        ledger.post(session, [Posting("by hand", "correction", 0, legs)])
        office = identity.create_account(session, "office", "Office")
        for username in ("first", "second"):
            identity.create_user(session, username, "a long secret", office, ["settlement"])
        identity.create_user(session, "trader", "a long secret", office, ["trader"])

    market.database.write(spoil).result()
    market.settle(tmp_path)
    return market


def queue(exchange: Any, status: str | None = None) -> list[ReconciliationBreak]:
    with exchange.database.read() as session:
        return breaks.page(session, status, 2**60, 100)


def change(exchange: Any, function: Any, *arguments: Any, **options: Any) -> ReconciliationBreak:
    work = lambda session: function(session, *arguments, **options)  # noqa: E731
    found: ReconciliationBreak = exchange.database.write(work).result()
    return found


def test_what_a_run_finds_is_open_until_somebody_resolves_it(broken: Any) -> None:
    """Assigned to who may work on it, then closed with a reason; every step is audited."""
    [found] = queue(broken, "open")
    assert (found.kind, found.account, found.asset) == ("engine_ledger", 3, CASH)
    assert breaks.missing_in_ledger(found) == -500
    for nobody in ("trader", "nobody"):
        with pytest.raises(Refused, match="no such operator"):
            change(broken, breaks.assign, found.break_id, nobody, "first")
    change(broken, breaks.assign, found.break_id, "second", "first")
    change(broken, breaks.resolve, found.break_id, "known, ticket 7", "second", adjust=False)
    [resolved] = queue(broken)
    assert (resolved.status, resolved.assigned_to) == ("resolved", "second")
    assert (resolved.reason, resolved.resolved_by) == ("known, ticket 7", "second")
    with pytest.raises(Refused, match="is resolved"):
        change(broken, breaks.resolve, found.break_id, "again", "first", adjust=True)
    with broken.database.read() as session:
        actions = [record.action for record in identity.audit_records(session, 2**60, 2)]
    assert actions == ["break_resolved", "break_assigned"]


def test_an_adjustment_takes_two_and_mends_the_ledger(broken: Any, tmp_path: Path) -> None:
    """The posting is the difference, stands in the next statement, and nothing differs any more."""
    [found] = queue(broken)
    change(broken, breaks.resolve, found.break_id, "booked twice", "first", adjust=True)
    with pytest.raises(Refused, match="second person"):
        breaks.approve(broken.database, broken, found.break_id, "first")
    assert reconcile(broken.database, broken).breaks != []
    breaks.approve(broken.database, broken, found.break_id, "second")
    assert reconcile(broken.database, broken).breaks == []
    with pytest.raises(Refused, match="is resolved"):
        breaks.approve(broken.database, broken, found.break_id, "second")
    [resolved] = queue(broken)
    assert (resolved.status, resolved.decided_by) == ("resolved", "second")
    with broken.database.read() as session:
        posted = ledger.balances(session, ledger.LedgerTransaction.kind == ledger.ADJUSTMENT)
        assert posted == {Holding("participant", 3, CASH): -500, Holding("bank", 0, CASH): 500}

    run_id = broken.settle(tmp_path, day=DAY + 1)
    with broken.database.read() as session:
        assert clearing.report(session, run_id).breaks == []
        first, second = (
            json.loads(session.get_one(Statement, (3, day)).body)["cash"][CASH]
            for day in (DAY, DAY + 1)
        )
    assert (second["opening"], second["adjusted"]) == (first["closing"], -500)
    assert second["closing"] == first["closing"] - 500


def test_a_difference_is_posted_once(broken: Any, tmp_path: Path) -> None:
    """Found again on the next day, it is mended with one posting and both breaks are closed."""
    broken.settle(tmp_path, day=DAY + 1)
    newer, older = queue(broken, "open")
    for found in (newer, older):
        change(broken, breaks.resolve, found.break_id, "booked twice", "first", adjust=True)
    breaks.approve(broken.database, broken, older.break_id, "second")
    assert {found.status for found in queue(broken)} == {"resolved"}
    with pytest.raises(Refused, match="is resolved"):
        breaks.approve(broken.database, broken, newer.break_id, "second")
    assert reconcile(broken.database, broken).breaks == []


def test_no_posting_for_a_difference_that_has_changed(broken: Any, tmp_path: Path) -> None:
    """What was asked for yesterday may be wrong today; a rejected one can be asked for again."""
    [found] = queue(broken)
    change(broken, breaks.resolve, found.break_id, "booked twice", "first", adjust=True)
    change(broken, breaks.reject, found.break_id, "second")
    assert queue(broken)[0].status == "open"
    change(broken, breaks.resolve, found.break_id, "booked twice", "first", adjust=True)

    def spoil_more(session: Session) -> None:
        legs = (Leg(Kind.PARTICIPANT, 3, CASH, 1), Leg(Kind.BANK, 0, CASH, -1))
        ledger.post(session, [Posting("by hand too", "correction", 0, legs)])

    broken.database.write(spoil_more).result()
    with pytest.raises(Refused, match="not the same"):
        breaks.approve(broken.database, broken, found.break_id, "second")
    assert queue(broken)[0].status == "pending"
