"""The double-entry ledger: posting, once for each key, and balances.

Entries are written from the holders' side: a participant's balance is what the exchange owes it, so
the bank and the registry, where cash and credits come from, show negative sums. Every transaction
sums to zero for each asset; `post` refuses any other, and `imbalances` proves it afterwards.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, insert, select
from sqlalchemy.orm import Session

from engine.units import EXCHANGE_ACCOUNT
from settlement import bulk
from settlement.tables.ledger import LedgerAccount, LedgerEntry, LedgerTransaction

CASH = "CNY"
ADJUSTMENT = "adjustment"  # the kind of a posting that mends a break
# SQLite allows far more variables in one statement; this keeps every statement small.
CHUNK = 500


class Kind(StrEnum):
    BANK = "bank"  # the exchange's client money at the bank
    PARTICIPANT = "participant"
    FEE_INCOME = "fee_income"
    REGISTRY = "registry"  # credits outside exchange custody
    CLEARING_HOUSE = "clearing_house"  # between buyer and seller while a day is delivered


class Leg(NamedTuple):
    kind: Kind
    owner: int
    asset: str
    amount: int  # fen of CNY, lots of credits


class Posting(NamedTuple):
    key: str  # posted once, however often it is asked for
    kind: str
    time_ns: int
    legs: Sequence[Leg]
    sequence: int = 0  # of the command behind it; 0: a run's
    run_id: str | None = None
    symbol: str | None = None


class Holding(NamedTuple):
    kind: str
    owner: int
    asset: str


class UnbalancedError(Exception):
    """A posting whose entries do not sum to zero for each asset: a defect, never an input."""


def holder(account: int) -> tuple[Kind, int]:
    """The ledger account of an engine account; the exchange's own is its fee income."""
    if account == EXCHANGE_ACCOUNT:
        return Kind.FEE_INCOME, 0
    return Kind.PARTICIPANT, account


def post(session: Session, postings: Iterable[Posting]) -> int:
    """Post what is not posted yet; returns how many were new. Raises UnbalancedError."""
    wanted = {posting.key: posting for posting in postings}
    for key in _posted(session, list(wanted)):
        del wanted[key]
    if not wanted:
        return 0
    legs_of = {key: _netted(posting) for key, posting in wanted.items()}
    numbers = _account_numbers(
        session, {(leg.kind, leg.owner) for legs in legs_of.values() for leg in legs}
    )
    rows = [
        {
            "posting_key": posting.key,
            "kind": posting.kind,
            "time_ns": posting.time_ns,
            "sequence": posting.sequence,
            "run_id": posting.run_id,
            "symbol": posting.symbol,
        }
        for posting in wanted.values()
    ]
    statement = insert(LedgerTransaction).returning(
        LedgerTransaction.transaction_id, sort_by_parameter_order=True
    )
    transaction_ids = session.scalars(statement, rows).all()
    legs = list(itertools.chain.from_iterable(legs_of.values()))
    bulk.insert(
        session,
        LedgerEntry,
        {
            "transaction_id": [
                transaction_id
                for transaction_id, of_it in zip(transaction_ids, legs_of.values(), strict=True)
                for _ in of_it
            ],
            "account_id": [numbers[leg.kind, leg.owner] for leg in legs],
            "asset": [leg.asset for leg in legs],
            "amount": [leg.amount for leg in legs],
        },
    )
    return len(wanted)


def is_posted(session: Session, key: str) -> bool:
    """Whether a posting with this key is in the ledger."""
    return bool(_posted(session, [key]))


def balances(session: Session, *conditions: ColumnElement[bool]) -> dict[Holding, int]:
    """Sums of entries that are not zero, over the transactions that meet all `conditions`."""
    total = func.sum(LedgerEntry.amount)
    query = (
        select(LedgerAccount.kind, LedgerAccount.owner, LedgerEntry.asset, total)
        .join_from(LedgerEntry, LedgerAccount)
        .group_by(LedgerAccount.kind, LedgerAccount.owner, LedgerEntry.asset)
        .having(total != 0)
    )
    if conditions:
        query = query.join(LedgerTransaction).where(*conditions)
    return {
        Holding(kind, owner, asset): int(amount)
        for kind, owner, asset, amount in session.execute(query)
    }


def imbalances(session: Session) -> list[tuple[int, str, int]]:
    """Transactions (id, asset, sum) that do not sum to zero; there is never one."""
    total = func.sum(LedgerEntry.amount)
    query = (
        select(LedgerEntry.transaction_id, LedgerEntry.asset, total)
        .group_by(LedgerEntry.transaction_id, LedgerEntry.asset)
        .having(total != 0)
    )
    return [(number, asset, int(amount)) for number, asset, amount in session.execute(query)]


def _netted(posting: Posting) -> list[Leg]:
    """One leg for each account and asset, none of zero. Raises UnbalancedError."""
    amounts: defaultdict[tuple[Kind, int, str], int] = defaultdict(int)
    sums: defaultdict[str, int] = defaultdict(int)
    for kind, owner, asset, amount in posting.legs:
        amounts[kind, owner, asset] += amount
        sums[asset] += amount
    if any(sums.values()):
        raise UnbalancedError(f"{posting.key}: {dict(sums)}")
    return [Leg(*account, amount) for account, amount in amounts.items() if amount]


def _posted(session: Session, keys: Sequence[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        column = LedgerTransaction.posting_key
        found += session.scalars(select(column).where(column.in_(chunk)))
    return found


def _account_numbers(session: Session, wanted: set[tuple[Kind, int]]) -> dict[tuple[str, int], int]:
    """Numbers of the ledger accounts, which are opened on their first posting."""
    numbers: dict[tuple[str, int], int] = {}
    owners = sorted({owner for _, owner in wanted})
    for start in range(0, len(owners), CHUNK):
        columns = (LedgerAccount.kind, LedgerAccount.owner, LedgerAccount.account_id)
        query = select(*columns).where(LedgerAccount.owner.in_(owners[start : start + CHUNK]))
        numbers |= {(kind, owner): number for kind, owner, number in session.execute(query)}
    missing = [
        LedgerAccount(kind=kind, owner=owner) for kind, owner in sorted(wanted - set(numbers))
    ]
    session.add_all(missing)
    session.flush()
    return numbers | {(account.kind, account.owner): account.account_id for account in missing}
