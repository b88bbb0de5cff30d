"""Accounts, users, sessions, keys, switches and the audit chain, on every database."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from sqlalchemy.orm import Session

from settlement import identity
from settlement.database import Database
from settlement.errors import Refused

T = TypeVar("T")


def write(database: Database, work: Callable[[Session], T]) -> T:
    return database.write(work).result()


def make_user(session: Session) -> int:
    number = identity.create_account(session, "firm", "A firm (企业)")
    identity.create_user(session, "anna", "correct horse", number, ["trader", "compliance"])
    return number


def test_accounts_and_users_are_created_once(database: Database) -> None:
    """Numbers count up from 1; creating again finds what is there; others' names are refused."""
    assert write(database, make_user) == 1
    assert write(database, make_user) == 1
    assert write(database, lambda session: identity.create_account(session, "other", "B")) == 2
    with pytest.raises(Refused) as refused:
        write(database, lambda session: identity.create_user(session, "anna", "x", 2, ["trader"]))
    assert (refused.value.code, refused.value.field) == ("conflict", "username")
    with database.read() as session:
        assert identity.account_codes(session) == {1: "firm", 2: "other"}


def test_passwords_are_hashed_and_checked(database: Database) -> None:
    """The right password gives the user with his roles, anything else nothing."""
    write(database, make_user)
    with database.read() as session:
        found = identity.check_password(session, "anna", "correct horse")
        assert found is not None
        assert (found.account_code, found.roles) == ("firm", {"trader", "compliance"})
        for username, password in (("anna", ""), ("anna", "Correct horse"), ("bob", "x")):
            assert identity.check_password(session, username, password) is None


def test_sessions_begin_and_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is found by its hash; one that ended is found as ended for a while, for the other
    gateways to learn of it, and is cleared away then."""
    write(database, make_user)
    token, expires_time_ns = write(
        database, lambda session: identity.create_session(session, 1, 3_600)
    )
    assert expires_time_ns > time.time_ns()
    hashed = identity.hash_token(token)
    with database.read() as session:
        login = identity.find_session(session, hashed)
        assert login is not None
        assert login.identity.username == "anna"
        assert identity.find_session(session, token) is None
    write(database, lambda session: identity.end_session(session, hashed))
    with database.read() as session:
        login = identity.find_session(session, hashed)
        assert login is not None
        assert login.expires_time_ns <= time.time_ns()
    monkeypatch.setattr(identity, "ENDED_KEPT_NS", 0)
    stale, _ = write(database, lambda session: identity.create_session(session, 1, 0))
    write(database, lambda session: identity.create_session(session, 1, 3_600))
    with database.read() as session:
        assert identity.find_session(session, identity.hash_token(stale)) is None
        assert identity.find_session(session, hashed) is None


def test_keys_are_revoked_by_their_owner(database: Database) -> None:
    """A revoked key is not found, and nobody has more than the bound."""
    write(database, make_user)

    def create(session: Session) -> str:
        return identity.create_key(session, 1, "robot", b"k" * 32, {"read"}).key_id

    keys = [write(database, create) for _ in range(identity.MAX_KEYS_PER_USER)]
    with pytest.raises(Refused, match="conflict"):
        write(database, create)
    with pytest.raises(Refused, match="not_found"):
        write(database, lambda session: identity.revoke_key(session, 2, keys[0]))
    write(database, lambda session: identity.revoke_key(session, 1, keys[0]))
    with database.read() as session:
        assert identity.find_key(session, keys[0]) is None
        found = identity.find_key(session, keys[1])
        assert found is not None
        assert (found.scopes, found.identity.account) == ({"read"}, 1)
        assert [key.key_id for key in identity.keys_of(session, 1)] == keys[:0:-1]


def test_the_audit_chain_shows_what_was_changed(database: Database) -> None:
    """Each record continues the one before; changing, removing or reordering breaks the chain."""
    for number in range(5):
        subject = {"n": number, "text": "文本"}
        write(database, lambda session, s=subject: identity.audit(session, "op", "did", s))
    with database.read() as session:
        assert identity.first_broken_audit_record(session) is None
        newest = identity.audit_records(session, 2**62, 2)
        assert [record.sequence for record in newest] == [5, 4]
        assert newest[0].previous_hash == newest[1].hash

    def forge(session: Session) -> None:
        identity.audit_records(session, 4, 1)[0].subject = "{}"

    write(database, forge)
    with database.read() as session:
        assert identity.first_broken_audit_record(session) == 3


def test_switches_are_kept(database: Database) -> None:
    """A dead-man's switch is armed, put off and disarmed."""
    write(database, make_user)
    for deadline in (5, 7, None, None):
        write(database, lambda session, d=deadline: identity.set_cancel_after(session, 1, d))
        with database.read() as session:
            found = identity.cancel_after_deadlines(session)
        assert found == ({} if deadline is None else {1: deadline})
