"""What clients send to compliance, and which obligations they may ask for."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from fastapi import Query

from api.auth import Caller
from api.errors import Problem
from api.gateway import Gateway
from api.registry_requests import parse_year
from api.schemas import Body, parse_quantity
from settlement import identity
from settlement.compliance_views import Wanted

# Who oversees compliance sees every account's.
OVERSEERS = frozenset({"operator", "auditor"})
_COLUMNS = (
    *("account", "scheme", "year", "base", "base_quantity", "cap", "obligation_quantity"),
    *("allowances_surrendered", "used", "shortfall", "status", "penalised", "deadline"),
)


class ObligationBody(Body):
    """POST /v1/compliance/obligations: in tonnes, the base of the cap and what is to be
    surrendered; without the latter it is the same quantity."""

    account: str
    scheme: str
    year: int | str
    base_quantity: str
    obligation_quantity: str | None = None


class ReportBody(Body):
    """PATCH /v1/compliance/obligations/{obligation_id}: allowances surrendered elsewhere, in all,
    and whether a penalty has followed a shortfall."""

    reason: str
    allowances_surrendered: str | None = None
    penalised: bool | None = None


class SurrenderBody(Body):
    """POST /v1/compliance/surrenders: the oldest credits that fit; or of a symbol or a batch."""

    scheme: str
    year: int | str
    quantity: str
    symbol: str | None = None
    batch_id: str | None = None


class PreviewBody(Body):
    """POST /v1/compliance/preview; without a year, the oldest that is open."""

    scheme: str
    action: Literal["purchase", "surrender"]
    quantity: str
    year: int | str | None = None
    symbol: str | None = None


def wanted(
    exchange: Gateway,
    known: Caller,
    account: str | None,
    scheme: str | None,
    year: str | None,
) -> Wanted:
    """What the caller may see of what was asked for. Raises Problem and Refused."""
    if known.roles & OVERSEERS:
        number = None
        if account is not None:
            with exchange.database.read() as session:
                number = identity.account_number(session, account)
    elif account in (None, known.account_code):
        number = known.account
    else:
        raise Problem("not_found", field="account")
    return Wanted(number, scheme, None if year is None else parse_year(year, "year"))


def parse_tonnes(text: str, field: str) -> int:
    """A quantity that may be nothing. Raises Problem."""
    return 0 if text == "0" else parse_quantity(text, field)


def parse_number(text: str) -> int:
    """An obligation's id. Raises Problem `not_found`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Problem("not_found")
    return int(text)


def as_csv(items: Iterable[dict[str, Any]]) -> str:
    """Obligations as a table; spreadsheets know the Chinese by the mark at its beginning."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(items)
    return "\ufeff" + text.getvalue()


ForAccount = Annotated[
    str | None, Query(description="For operators and auditors: this account's alone.")
]
ForScheme = Annotated[str | None, Query(description="This scheme's alone.")]
ForYear = Annotated[str | None, Query(description="This compliance year's alone.")]
