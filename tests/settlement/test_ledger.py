"""The ledger: balanced postings, once each."""

from __future__ import annotations

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from settlement import ledger
from settlement.database import Database
from settlement.ledger import Holding, Kind, Leg, Posting, UnbalancedError
from settlement.tables.ledger import LedgerEntry, LedgerTransaction


def posting(key: str, *legs: Leg, sequence: int = 1) -> Posting:
    return Posting(key, "test", 1_000, legs, sequence=sequence)


def deposit(account: int, amount: int) -> tuple[Leg, Leg]:
    return Leg(Kind.PARTICIPANT, account, "CNY", amount), Leg(Kind.BANK, 0, "CNY", -amount)


def test_a_posting_is_posted_once(database: Database) -> None:
    """A key that is there already is passed over, within a call and between calls."""
    first = posting("a", *deposit(1, 100))
    second = posting("b", *deposit(1, 50), sequence=2)
    assert database.write(lambda session: ledger.post(session, [first, first])).result() == 1
    assert database.write(lambda session: ledger.post(session, [first, second])).result() == 1
    with database.read() as session:
        assert ledger.is_posted(session, "b")
        assert not ledger.is_posted(session, "c")
        assert ledger.balances(session) == {
            Holding("participant", 1, "CNY"): 150,
            Holding("bank", 0, "CNY"): -150,
        }
        only_first = ledger.balances(session, LedgerTransaction.sequence <= 1)
        assert only_first[Holding("participant", 1, "CNY")] == 100


@pytest.mark.parametrize(
    "legs",
    [
        [Leg(Kind.PARTICIPANT, 1, "CNY", 1)],
        [Leg(Kind.PARTICIPANT, 1, "CNY", 1), Leg(Kind.BANK, 0, "GD-PHCER", -1)],
        [*deposit(1, 100), Leg(Kind.FEE_INCOME, 0, "CNY", 1)],
    ],
)
def test_what_does_not_balance_is_refused_whole(database: Database, legs: list[Leg]) -> None:
    """Each asset must sum to zero by itself; nothing of the transaction stays."""

    good = posting("good", *deposit(1, 7))
    with pytest.raises(UnbalancedError, match="bad"):
        database.write(lambda session: ledger.post(session, [good, posting("bad", *legs)])).result()
    with database.read() as session:
        assert ledger.balances(session) == {}


def test_legs_that_cancel_out_leave_no_entry(database: Database) -> None:
    """A transaction of zeros is remembered by its key and moves nothing."""
    nothing = posting("nothing", *deposit(1, 5), *deposit(1, -5))
    assert database.write(lambda session: ledger.post(session, [nothing])).result() == 1
    with database.read() as session:
        assert ledger.is_posted(session, "nothing")
        assert ledger.balances(session) == {}
        assert ledger.imbalances(session) == []


def test_many_postings_at_once(database: Database) -> None:
    """More postings and accounts than fit one statement."""
    many = [posting(f"key {number}", *deposit(number, number)) for number in range(1, 1_300)]
    assert database.write(lambda session: ledger.post(session, many)).result() == 1_299
    with database.read() as session:
        balances = ledger.balances(session)
        assert balances.pop(Holding("bank", 0, "CNY")) == -sum(range(1_300))
        assert {key.owner: amount for key, amount in balances.items()} == {
            number: number for number in range(1, 1_300)
        }


def test_an_entry_put_in_by_hand_shows(database: Database) -> None:
    """The check query finds a transaction that somebody made unbalanced behind the code's back."""
    database.write(lambda session: ledger.post(session, [posting("a", *deposit(1, 100))])).result()

    def tamper(session: Session) -> None:
        session.execute(update(LedgerEntry).where(LedgerEntry.amount > 0).values(amount=101))

    database.write(tamper).result()
    with database.read() as session:
        assert ledger.imbalances(session) == [(1, "CNY", 1)]
