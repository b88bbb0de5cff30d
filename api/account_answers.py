"""What operators are told of accounts, as types."""

from __future__ import annotations

from typing import Literal

import msgspec


class Answer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of everything that is described here."""


class AccountUser(Answer):
    username: str
    roles: list[
        Literal[
            "auditor",
            "compliance",
            "event_organiser",
            "market_maker",
            "operator",
            "registry",
            "settlement",
            "trader",
        ]
    ]


class Account(Answer):
    account: str
    name: str
    opened_at: str
    users: list[AccountUser]


class Accounts(Answer):
    items: list[Account]
    next_cursor: str | None


class CashHeld(Answer):
    available: str
    held: str


class CreditsHeld(Answer):
    available: str
    held: str
    locked_today: str


class AccountBalances(Answer):
    """What the engine keeps for the account: cash by currency, credits by symbol."""

    cash: dict[str, CashHeld]
    credits: dict[str, CreditsHeld]


class AccountInFull(Account):
    blocked: bool
    open_orders: int
    balances: AccountBalances


ACCOUNT_ANSWERS: dict[tuple[str, str], type] = {
    ("GET", "/v1/operator/accounts"): Accounts,
    ("GET", "/v1/operator/accounts/{account}"): AccountInFull,
}
