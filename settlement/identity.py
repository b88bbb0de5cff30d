"""Accounts, users, sessions, keys, switches and the audit chain, as functions on a session.

Functions that change something are for `Database.write`. They raise `Refused`; those that open or
create are idempotent, so seeding and retries can simply call them again.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple, get_args

import argon2
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from engine.units import FIRST_ACCOUNT
from settlement.errors import Refused
from settlement.tables.identity import (
    Account,
    ApiKey,
    AuditRecord,
    CancelAfter,
    SessionToken,
    User,
)

Role = Literal[
    "trader",
    "market_maker",
    "compliance",
    "event_organiser",
    "registry",
    "settlement",
    "operator",
    "auditor",
]
ROLES: frozenset[str] = frozenset(get_args(Role))
MAX_KEYS_PER_USER = 20
# Gateways look for what has ended much more often.
ENDED_KEPT_NS = 60_000_000_000

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}", re.ASCII)
# OWASP's profile for argon2id: 19 MiB, two passes, one lane.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Verified when the user does not exist, so that the answer takes the same time.
_DUMMY_HASH = _HASHER.hash(secrets.token_hex(16))
_GENESIS_HASH = "0" * 64


class Identity(NamedTuple):
    """What a session or key proves; everything the order path needs, free of the database."""

    account: int
    account_code: str
    username: str
    user_id: int
    roles: frozenset[str]


class Login(NamedTuple):
    """A session as it is cached: whose it is, and until when."""

    identity: Identity
    expires_time_ns: int


class Key(NamedTuple):
    """An API key as it is cached."""

    identity: Identity
    key_id: str
    public_key: str
    scopes: frozenset[str]


# --- Accounts and users ---


def create_account(session: Session, code: str, name: str) -> int:
    """The number of the account named `code`; created if it is not there yet.

    The engine's account is opened separately (OPEN_ACCOUNT with this number).
    """
    if not _NAME.fullmatch(code):
        raise Refused(
            "invalid_request",
            "An account's code is 1 to 32 of a-z, 0-9, '_', '.', '-'.",
            field="account",
        )
    number = session.scalar(select(Account.number).where(Account.code == code))
    if number is not None:
        return number
    number = (session.scalar(select(func.max(Account.number))) or FIRST_ACCOUNT - 1) + 1
    session.add(Account(number=number, code=code, name=name, created_time_ns=time.time_ns()))
    session.flush()
    return number


def account_number(session: Session, code: str, *, field: str = "account") -> int:
    """The engine's number of the account named `code`. Raises Refused (not_found)."""
    number = session.scalar(select(Account.number).where(Account.code == code))
    if number is None:
        raise Refused("not_found", "There is no such account.", field=field)
    return number


def account_codes(session: Session) -> dict[int, str]:
    """The codes of all accounts by their numbers."""
    return {account.number: account.code for account in session.scalars(select(Account))}


def accounts(session: Session, search: str | None, before: int, limit: int) -> list[Account]:
    """Accounts with a number under `before`, newest first; `search` as a part of a name."""
    query = select(Account).where(Account.number < before)
    if search is not None:
        named = User.username.contains(search, autoescape=True)
        query = query.where(
            Account.code.contains(search, autoescape=True)
            | Account.name.contains(search, autoescape=True)
            | Account.number.in_(select(User.account_number).where(named))
        )
    return list(session.scalars(query.order_by(Account.number.desc()).limit(limit)))


def users_of(session: Session, accounts: Collection[int]) -> list[User]:
    """The users who act for these accounts, in order of their names."""
    query = select(User).where(User.account_number.in_(accounts))
    return list(session.scalars(query.order_by(User.username)))


def create_user(
    session: Session, username: str, password: str, account: int, roles: Iterable[str]
) -> None:
    """Create a user of `account`; one who is already there with the same account is left alone."""
    unknown = set(roles) - ROLES
    if unknown or not roles:
        raise Refused("invalid_request", "Unknown role, or none at all.", field="roles")
    if not _NAME.fullmatch(username):
        raise Refused(
            "invalid_request",
            "A user's name is 1 to 32 of a-z, 0-9, '_', '.', '-'.",
            field="username",
        )
    user = session.scalar(select(User).where(User.username == username))
    if user is not None:
        if user.account_number != account:
            raise Refused("conflict", "The name belongs to somebody else.", field="username")
        return
    session.add(
        User(
            username=username,
            password_hash=_HASHER.hash(password),
            account_number=account,
            roles=" ".join(sorted(set(roles))),
            created_time_ns=time.time_ns(),
        )
    )
    session.flush()


def check_password(session: Session, username: str, password: str) -> Identity | None:
    """Whose password it is, or None; an unknown name takes as long as a wrong password."""
    user = session.scalar(select(User).where(User.username == username))
    try:
        _HASHER.verify(user.password_hash if user else _DUMMY_HASH, password)
    except argon2.exceptions.VerifyMismatchError:
        return None
    return _identity(user) if user else None


def _identity(user: User) -> Identity:
    return Identity(
        account=user.account_number,
        account_code=user.account.code,
        username=user.username,
        user_id=user.id,
        roles=frozenset(user.roles.split()),
    )


# --- Sessions ---


def hash_token(token: str) -> str:
    """What is stored of a token. It is random, so a plain hash cannot be searched for it."""
    return hashlib.sha256(token.encode()).hexdigest()


def create_session(session: Session, user_id: int, lifetime_seconds: int) -> tuple[str, int]:
    """A new token and when it expires (ns). Sessions that ended a while ago are cleared away."""
    now_ns = time.time_ns()
    ended_ns = now_ns - ENDED_KEPT_NS
    session.execute(delete(SessionToken).where(SessionToken.expires_time_ns <= ended_ns))
    token = secrets.token_urlsafe(32)
    expires_time_ns = now_ns + lifetime_seconds * 1_000_000_000
    session.add(
        SessionToken(
            token_hash=hash_token(token),
            user_id=user_id,
            created_time_ns=now_ns,
            expires_time_ns=expires_time_ns,
        )
    )
    return token, expires_time_ns


def find_session(session: Session, token_hash: str) -> Login | None:
    """Whose session it is, or None; the caller compares the expiry with the time."""
    row = session.get(SessionToken, token_hash)
    return Login(_identity(row.user), row.expires_time_ns) if row else None


def end_session(session: Session, token_hash: str) -> None:
    """Log out; the session stays for a while, so that every gateway learns of it."""
    row = session.get(SessionToken, token_hash)
    if row is not None:
        row.expires_time_ns = min(row.expires_time_ns, time.time_ns())


def ended_since(session: Session, time_ns: int) -> tuple[list[str], list[str]]:
    """Hashes of tokens, and ids of keys, that are in force no more since then."""
    expires = SessionToken.expires_time_ns
    ended = select(SessionToken.token_hash).where(expires >= time_ns, expires <= time.time_ns())
    revoked = select(ApiKey.key_id).where(ApiKey.revoked_time_ns >= time_ns)
    return list(session.scalars(ended)), list(session.scalars(revoked))


# --- API keys ---


def create_key(
    session: Session, user_id: int, name: str, public_key: bytes, scopes: Iterable[str]
) -> ApiKey:
    """Register the 32 bytes of an Ed25519 public key."""
    live = select(func.count()).where(ApiKey.user_id == user_id, ApiKey.revoked_time_ns.is_(None))
    if (session.scalar(live) or 0) >= MAX_KEYS_PER_USER:
        raise Refused("conflict", f"A user has at most {MAX_KEYS_PER_USER} keys.")
    key = ApiKey(
        key_id=secrets.token_hex(8),
        user_id=user_id,
        name=name,
        public_key=b64encode(public_key).decode(),
        scopes=" ".join(sorted(scopes)),
        created_time_ns=time.time_ns(),
        revoked_time_ns=None,
    )
    session.add(key)
    session.flush()
    return key


def keys_of(session: Session, user_id: int) -> list[ApiKey]:
    """The user's keys that are in force, newest first."""
    wanted = ApiKey.user_id == user_id, ApiKey.revoked_time_ns.is_(None)
    return list(session.scalars(select(ApiKey).where(*wanted).order_by(ApiKey.id.desc())))


def find_key(session: Session, key_id: str) -> Key | None:
    """The key in force with this id, or None."""
    row = session.scalar(
        select(ApiKey).where(ApiKey.key_id == key_id, ApiKey.revoked_time_ns.is_(None))
    )
    if row is None:
        return None
    return Key(_identity(row.user), row.key_id, row.public_key, frozenset(row.scopes.split()))


def revoke_key(session: Session, user_id: int, key_id: str) -> None:
    """Take a key of this user out of force. Raises Refused (not_found)."""
    row = session.scalar(
        select(ApiKey).where(
            ApiKey.key_id == key_id, ApiKey.user_id == user_id, ApiKey.revoked_time_ns.is_(None)
        )
    )
    if row is None:
        raise Refused("not_found", "There is no such key.")
    row.revoked_time_ns = time.time_ns()


# --- Dead-man's switches ---


def set_cancel_after(session: Session, account: int, deadline_time_ns: int | None) -> None:
    """Arm or put off the account's switch; None disarms it."""
    row = session.get(CancelAfter, account)
    if deadline_time_ns is None:
        if row is not None:
            session.delete(row)
    elif row is None:
        session.add(CancelAfter(account_number=account, deadline_time_ns=deadline_time_ns))
    else:
        row.deadline_time_ns = deadline_time_ns


def disarm_cancel_after(session: Session, account: int, deadline_time_ns: int) -> None:
    """Take away a switch that has fired, unless it was put off meanwhile."""
    fired = CancelAfter.deadline_time_ns == deadline_time_ns
    session.execute(delete(CancelAfter).where(CancelAfter.account_number == account, fired))


def cancel_after_deadlines(session: Session) -> dict[int, int]:
    """All switches that are armed: account number to deadline (ns)."""
    rows = session.scalars(select(CancelAfter))
    return {row.account_number: row.deadline_time_ns for row in rows}


# --- Audit ---


def audit(session: Session, actor: str, action: str, subject: Mapping[str, object]) -> None:
    """Add a record to the chain. `subject` is plain JSON and holds no secret."""
    last = session.execute(
        select(AuditRecord.sequence, AuditRecord.hash)
        .order_by(AuditRecord.sequence.desc())
        .limit(1)
    ).first()
    sequence, previous_hash = (last[0] + 1, last[1]) if last else (1, _GENESIS_HASH)
    text = json.dumps(subject, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    time_ns = time.time_ns()
    session.add(
        AuditRecord(
            sequence=sequence,
            time_ns=time_ns,
            actor=actor,
            action=action,
            subject=text,
            previous_hash=previous_hash,
            hash=_link_hash(previous_hash, (sequence, time_ns, actor, action, text)),
        )
    )
    session.flush()


def audit_records(session: Session, before: int, limit: int) -> list[AuditRecord]:
    """Records with a sequence under `before`, newest first."""
    query = select(AuditRecord).where(AuditRecord.sequence < before)
    return list(session.scalars(query.order_by(AuditRecord.sequence.desc()).limit(limit)))


def first_broken_audit_record(session: Session) -> int | None:
    """The sequence of the first record that does not continue the chain; None: all do."""
    expected, previous_hash = 1, _GENESIS_HASH
    for row in session.scalars(select(AuditRecord).order_by(AuditRecord.sequence)):
        content = row.sequence, row.time_ns, row.actor, row.action, row.subject
        link = _link_hash(previous_hash, content)
        if (row.sequence, row.previous_hash, row.hash) != (expected, previous_hash, link):
            return row.sequence
        expected, previous_hash = expected + 1, row.hash
    return None


def _link_hash(previous_hash: str, content: tuple[int, int, str, str, str]) -> str:
    # A JSON array leaves no doubt where one part ends and the next begins.
    return hashlib.sha256(json.dumps([previous_hash, *content]).encode()).hexdigest()
