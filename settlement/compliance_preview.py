"""What a purchase or a surrender would leave of an obligation's limits, with nothing changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from settlement import compliance, operations
from settlement.blocks import Criteria
from settlement.compliance_views import Standing, standing_of
from settlement.database import Database
from settlement.errors import Refused
from settlement.ports import EnginePort

Wish = Literal["purchase", "surrender"]


class WhatIf(NamedTuple):
    """What a purchase or a surrender would leave, or why it would be refused."""

    year: int
    before: Standing
    after: Standing | None
    serials: Sequence[dict[str, str]]
    refused: Refused | None


def what_if(
    database: Database,
    port: EnginePort,
    account: int,
    scheme: str,
    year: int | None,
    *,
    wish: Wish,
    quantity: int,
    symbol: str | None = None,
) -> WhatIf:
    """Think a purchase or a surrender through, with nothing changed. Raises Refused without cap."""
    scheme_year, before = standing_of(database, port, account, scheme, year)
    serials: Sequence[dict[str, str]] = ()
    try:
        if wish == "purchase":
            _think_purchase(database, account, (scheme, scheme_year), symbol, quantity)
            if quantity > before.headroom:
                raise Refused(
                    "offset_cap_exceeded",
                    "The quantity is more than the headroom.",
                    detail_zh="超过剩余可抵销额度。",
                    field="quantity",
                    limit=str(before.headroom),
                )
        else:
            request = operations.Request(account, "surrender", {})
            criteria = None if symbol is None else Criteria((symbol,))
            prepare = compliance.surrender(scheme, scheme_year, quantity, criteria)
            serials = operations.rehearse(database, port, request, prepare)["serials"]
    except Refused as refused:
        return WhatIf(scheme_year, before, None, (), refused)
    after = before._replace(held=before.held + quantity)
    if wish == "surrender":
        after = before._replace(
            used=before.used + quantity,
            held=max(before.held - quantity, 0),
            quota_left=None if before.quota_left is None else before.quota_left - quantity,
        )
    return WhatIf(scheme_year, before, after, serials, None)


def _think_purchase(
    database: Database,
    account: int,
    scheme_year: tuple[str, int],
    symbol: str | None,
    quantity: int,
) -> None:
    if symbol is None:
        return
    with database.read() as session:
        number = compliance.scheme_number(session, *scheme_year, account=account)
        compliance.check_purchase(session, account, number, symbol, quantity)
