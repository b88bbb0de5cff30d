"""Retirement: credits are used for good, for whoever is named, and a certificate says so."""

from __future__ import annotations

from sqlalchemy.orm import Session

from settlement import blocks, custody
from settlement.blocks import Criteria, Status, Take, take_all
from settlement.operations import Plan, Prepare, Request
from settlement.registry import require
from settlement.tables.registry import Block


def retirement(
    quantity: int,
    criteria: Criteria,
    *,
    beneficiary: str,
    reason: str,
    event_id: str | None = None,
) -> Prepare:
    """Retire credits of one symbol or one batch: those outside custody first, then those in it."""

    def prepare(session: Session, request: Request) -> Plan:
        chosen = require(usable(session, request.account, criteria, quantity), quantity)
        return Plan(
            chosen,
            Status.RETIRED,
            request.account,
            chosen[0].batch.project.symbol,
            custody.withdrawals(session, chosen),
            {"beneficiary": beneficiary, "reason": reason, "event_id": event_id},
        )

    return prepare


def usable(
    session: Session, account: int, criteria: Criteria, quantity: int, take: Take = take_all
) -> list[Block]:
    """Blocks that add up to the quantity or, if the account has too few, to less."""
    held = blocks.gather(session, account, Status.HELD, criteria, quantity, take=take)
    missing = quantity - sum(block.quantity for block in held)
    in_custody = blocks.gather(session, account, Status.CUSTODY, criteria, missing, take=take)
    return [*held, *in_custody]
