"""Linked accounts: whom an account belongs to in the end, as operators have found out.

Accounts of one owner count together in surveillance and in disclosure. An account of which nothing
is known belongs to itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from settlement.identity import audit
from settlement.tables.oversight import AccountOwner


def owners(session: Session) -> Callable[[int], str]:
    """A look-up of an account's owner, or of what stands for one that is not known."""
    query = select(AccountOwner.account, AccountOwner.owner)
    known = {account: f"owner:{owner}" for account, owner in session.execute(query)}
    return lambda account: known.get(account) or f"account:{account}"


def set_owner(
    session: Session, account: int, owner: str | None, reason: str, *, actor: str
) -> AccountOwner | None:
    """Say whom an account belongs to; None: to itself."""
    row = session.get(AccountOwner, account)
    before = None if row is None else row.owner
    if owner is None:
        if row is not None:
            session.delete(row)
            row = None
    else:
        if row is None:
            row = AccountOwner(account=account)
            session.add(row)
        row.owner, row.reason = owner, reason
        row.changed_by, row.changed_time_ns = actor, time.time_ns()
    subject = {"account": account, "from": before, "to": owner, "reason": reason}
    audit(session, actor, "account_owner_changed", subject)
    session.flush()
    return row


def all_owners(session: Session) -> list[AccountOwner]:
    """All that is known, owner by owner."""
    query = select(AccountOwner).order_by(AccountOwner.owner, AccountOwner.account)
    return list(session.scalars(query))
