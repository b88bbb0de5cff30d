"""Credits that come from another registry, with the serials that they have there.

The other registry's name is their space of numbers, so the same serial comes in once; and what they
reduced is claimed, so that it is found out if it was issued here too.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from settlement import monitoring, registry
from settlement.errors import Refused
from settlement.tables.registry import Batch, Movement


class Incoming(NamedTuple):
    """One serial block of another registry; `transfer_id` is that registry's own."""

    registry: str
    transfer_id: str
    project_id: str
    account: int
    vintage: int
    first_number: int
    last_number: int
    serial_template: str
    source: str
    first_day: int
    last_day: int


def take_in(session: Session, new: Incoming) -> Batch:
    """Record the block as a batch of `account`'s; the same transfer again is the same batch.

    Raises Refused `conflict` for serials or a reduction that are here already.
    """
    if new.last_number < new.first_number:
        raise Refused(
            "invalid_request",
            "The last number is before the first.",
            detail_zh="末号小于首号。",
            field="last_number",
        )
    batch = registry.issue(
        session,
        registry.NewBatch(
            project_id=new.project_id,
            vintage=new.vintage,
            quantity=new.last_number - new.first_number + 1,
            serial_prefix=new.registry,
            number_space=new.registry,
            serial_template=new.serial_template,
            first_number=new.first_number,
            first_day=new.first_day,
            issue_key=f"{new.registry}/{new.transfer_id}",
            origin=new.registry,
            holder=new.account,
        ),
    )
    claim = (new.source, new.first_day, new.last_day)
    earlier = monitoring.claim_of(session, batch.batch_id)
    if earlier is None:
        monitoring.claim(session, *claim, batch.batch_id)
    elif (earlier, _first_holder(session, batch)) != (claim, new.account):
        raise Refused(
            "conflict",
            "This transfer came before, for another account or reduction.",
            detail_zh="该转入此前已登记，但账户或减排来源不同。",
            field="transfer_id",
        )
    return batch


def _first_holder(session: Session, batch: Batch) -> int | None:
    return session.scalar(
        select(Movement.to_account).where(
            Movement.batch_number == batch.number, Movement.from_status.is_(None)
        )
    )
