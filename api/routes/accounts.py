"""Accounts as operators and auditors look them up: who acts for them and what they hold."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import Session

from api import balances
from api.auth import require_role
from api.gateway import Gateway, gateway
from api.schemas import Page, page
from engine.times import format_time
from settlement import identity
from settlement.tables.identity import Account

router = APIRouter(
    prefix="/operator/accounts",
    tags=["operator"],
    dependencies=[Depends(require_role("operator", "auditor"))],
)


@router.get("")
async def list_accounts(
    exchange: Annotated[Gateway, Depends(gateway)],
    wanted: Annotated[Page, Depends(page)],
    search: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
) -> dict[str, Any]:
    """Accounts with their users, newest first; `search` finds a part of an account's code or name,
    or of a user's name."""

    def read() -> tuple[list[dict[str, Any]], str | None]:
        with exchange.database.read() as session:
            found = identity.accounts(session, search, wanted.before, wanted.limit + 1)
            items = found[: wanted.limit]
            cursor = str(items[-1].number) if len(found) > wanted.limit else None
            return _render(session, items), cursor

    items, cursor = await asyncio.to_thread(read)
    return {"items": items, "next_cursor": cursor}


@router.get("/{account}")
async def show_account(
    account: str, exchange: Annotated[Gateway, Depends(gateway)]
) -> dict[str, Any]:
    """An account with its users, its balances, and whether it is blocked."""

    def read() -> tuple[int, dict[str, Any]]:
        with exchange.database.read() as session:
            number = identity.account_number(session, account)
            return number, _render(session, [session.get_one(Account, number)])[0]

    number, found = await asyncio.to_thread(read)
    answer = await exchange.core.account(number)
    return found | {
        "blocked": bool(answer.account["is_blocked"]),
        "open_orders": int(answer.account["open_orders"]),
        "balances": balances.render(answer, exchange.instruments),
    }


def _render(session: Session, accounts: list[Account]) -> list[dict[str, Any]]:
    users = identity.users_of(session, [account.number for account in accounts])
    return [
        {
            "account": account.code,
            "name": account.name,
            "opened_at": format_time(account.created_time_ns),
            "users": [
                {"username": user.username, "roles": sorted(user.roles.split())}
                for user in users
                if user.account_number == account.number
            ],
        }
        for account in accounts
    ]
