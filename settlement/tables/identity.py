"""Who may act: accounts, users, sessions, API keys; and what was done: audit, cash requests."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from settlement.tables.base import Base


class Account(Base):
    """A participant. `number` is the engine's account number, `code` the name clients see."""

    __tablename__ = "accounts"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    created_time_ns: Mapped[int]


class User(Base):
    """Someone who logs in; acts for one account, in roles separated by blanks."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(32), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    account_number: Mapped[int] = mapped_column(ForeignKey("accounts.number"), index=True)
    roles: Mapped[str] = mapped_column(String(200))
    created_time_ns: Mapped[int]

    account: Mapped[Account] = relationship()


class SessionToken(Base):
    """A login. Only the token's SHA-256 is kept, so a stolen database opens no session."""

    __tablename__ = "session_tokens"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_time_ns: Mapped[int]
    expires_time_ns: Mapped[int] = mapped_column(index=True)

    user: Mapped[User] = relationship()


class ApiKey(Base):
    """An Ed25519 public key (base64 of its 32 bytes) that signs requests within its scopes."""

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(String(32), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    public_key: Mapped[str] = mapped_column(String(44))
    scopes: Mapped[str] = mapped_column(String(64))
    created_time_ns: Mapped[int]
    revoked_time_ns: Mapped[int | None] = mapped_column(index=True)

    user: Mapped[User] = relationship()


class AuditRecord(Base):
    """One link of the chain: `hash` covers the record and the hash before it."""

    __tablename__ = "audit_records"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    time_ns: Mapped[int]
    actor: Mapped[str] = mapped_column(String(32))
    action: Mapped[str] = mapped_column(String(64), index=True)
    subject: Mapped[str] = mapped_column(Text)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class CashRequest(Base):
    """A deposit or withdrawal on its way into the engine.

    `request_id` (a UUID) is the engine command's client id, so that a repetition after a crash is
    refused there as a duplicate. Status: pending, approved, completed, rejected, refused.
    """

    __tablename__ = "cash_requests"

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(String(36), unique=True)
    idempotency_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    account_number: Mapped[int] = mapped_column(ForeignKey("accounts.number"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    amount_fen: Mapped[int]
    status: Mapped[str] = mapped_column(String(16), index=True)
    requested_by: Mapped[str] = mapped_column(String(32))
    requested_time_ns: Mapped[int]
    decided_by: Mapped[str | None] = mapped_column(String(32))
    decided_time_ns: Mapped[int | None]
    refused_code: Mapped[str | None] = mapped_column(String(64))

    account: Mapped[Account] = relationship()


class CancelAfter(Base):
    """A dead-man's switch that is armed: when it fires unless it is put off again."""

    __tablename__ = "cancel_after"

    account_number: Mapped[int] = mapped_column(
        ForeignKey("accounts.number"), primary_key=True, autoincrement=False
    )
    deadline_time_ns: Mapped[int]
