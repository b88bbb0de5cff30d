"""What a rule's limits still leave, counted over the very blocks that were surrendered.

Everything is counted inside the transaction that surrenders, in which nobody else writes, and what
an unfinished surrender has frozen counts as surrendered: two of them cannot share what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from engine.units import ONE_MILLION
from settlement.blocks import Status
from settlement.errors import Refused
from settlement.scheme_rules import Part, Rule
from settlement.tables.registry import Batch, Block, Operation, Retirement

_UNFINISHED = ("pending", "reverting")
# Whatever a rule asks of a block it asks of its batch.
_BY_BATCH = select(Block.batch_number, func.sum(Block.quantity)).group_by(Block.batch_number)
_Quantities = Sequence[tuple[Batch, int]]


class Usage(NamedTuple):
    """What an account has surrendered for a year: in all, and of each part of the rule.

    What is under way counts in the parts, which it fills, but not in the whole, of which they are
    shares: it may still be refused.
    """

    quantity: int
    parts: tuple[int, ...]


def usage(session: Session, found: Rule, account: int, year: int) -> Usage:
    """The account's use of the year's limits so far."""
    if not found.parts:
        return Usage(0, ())
    done = _surrendered(session, found.scheme, account, year)
    under_way = _frozen(session, found.scheme, account, year)
    parts = (
        sum(quantity for batch, quantity in (*done, *under_way) if part.take(batch))
        for part in found.parts
    )
    return Usage(sum(quantity for _, quantity in done), tuple(parts))


def scheme_quota_left(session: Session, found: Rule, year: int) -> int | None:
    """The scheme-wide quota less what anybody has surrendered, or is about to."""
    if found.scheme_quota is None:
        return None
    surrendered = session.scalar(
        select(func.coalesce(func.sum(Retirement.quantity), 0)).where(
            Retirement.scheme == found.scheme, Retirement.year == year
        )
    )
    planned = sum(one.quantity for one in _unfinished(session, found.scheme, year))
    return max(found.scheme_quota - int(surrendered or 0) - planned, 0)


def maximum(part: Part, found: Rule, base_quantity: int, surrendered: int) -> int:
    """How much of the part may be surrendered among `surrendered`, in whole tonnes."""
    whole = {"base": base_quantity, "cap": found.cap(base_quantity), "surrendered": surrendered}
    return part.maximum_ppm * whole[part.of] // ONE_MILLION


def left_of_part(index: int, found: Rule, base_quantity: int, used: Usage) -> int:
    """How much of the part could be surrendered now if nothing else were surrendered with it."""
    part, spent = found.parts[index], used.parts[index]
    if part.of != "surrendered":
        return max(maximum(part, found, base_quantity, 0) - spent, 0)
    # The most q for which spent + q is within the ratio of (quantity + q).
    share = part.maximum_ppm * used.quantity - ONE_MILLION * spent
    return max(share // (ONE_MILLION - part.maximum_ppm), 0)


class Room:
    """Room for a surrender of so much: which of the account's blocks fit, the oldest first.

    Parts that contain each other or have nothing in common are filled as far as they go; of parts
    that overlap otherwise a surrender may be refused that another choice would have allowed.
    """

    def __init__(self, found: Rule, base_quantity: int, used: Usage, quantity: int) -> None:
        self._rule = found
        after = used.quantity + quantity
        self._left = [
            max(maximum(part, found, base_quantity, after) - spent, 0)
            for part, spent in zip(found.parts, used.parts, strict=True)
        ]
        self._held_back: Part | None = None

    def take(self, block: Block, wanted: int) -> int:
        """How many of the block's credits may be surrendered; they count from now on."""
        if not self._rule.admit(block.batch):
            return 0
        inside = [index for index, part in enumerate(self._rule.parts) if part.take(block.batch)]
        fitting = min(block.quantity, wanted)
        for index in inside:
            if self._left[index] < fitting:
                fitting = self._left[index]
                self._held_back = self._rule.parts[index]
        for index in inside:
            self._left[index] -= fitting
        return fitting

    def shortage(self, possible: int) -> Refused:
        """Why only `possible` credits could be taken."""
        if self._held_back is None:
            return Refused(
                "insufficient_credits",
                f"The account has {possible} credits that the scheme admits.",
                detail_zh=f"该账户符合该体系要求的减排量为 {possible} 吨。",
                field="quantity",
            )
        part = self._held_back
        return Refused(
            "offset_cap_exceeded",
            f"The limit of this part of the offset is reached: {part.name}.",
            detail_zh=f"已达到该部分的抵销上限：{part.name_zh}。",
            field="quantity",
            limit=str(possible),
        )


def _surrendered(session: Session, scheme: str, account: int, year: int) -> _Quantities:
    retired = Block.certificate_id == Retirement.certificate_id
    statement = _BY_BATCH.join(Retirement, retired).where(
        Retirement.account == account, Retirement.scheme == scheme, Retirement.year == year
    )
    return _quantities(session, statement)


def _frozen(session: Session, scheme: str, account: int, year: int) -> _Quantities:
    operations = [
        one.operation_id for one in _unfinished(session, scheme, year) if one.account == account
    ]
    statement = _BY_BATCH.where(Block.operation_id.in_(operations), Block.status == Status.FROZEN)
    return _quantities(session, statement)


def _quantities(session: Session, statement: Select[int, int]) -> _Quantities:
    totals = {number: int(quantity) for number, quantity in session.execute(statement)}
    batches = session.scalars(select(Batch).where(Batch.number.in_(totals)))
    return [(batch, totals[batch.number]) for batch in batches]


def _unfinished(session: Session, scheme: str, year: int) -> list[Operation]:
    """Surrenders that are written down and neither completed nor refused yet."""
    found = session.scalars(
        select(Operation).where(Operation.kind == "surrender", Operation.status.in_(_UNFINISHED))
    )
    return [
        one
        for one in found
        if one.certificate is not None
        and (one.certificate["scheme"], one.certificate["year"]) == (scheme, year)
    ]
