"""Blocks of serial numbers: choosing, splitting, freezing and moving them, and checking them.

Every change of a block goes through this module, so that no serial number is made or lost and each
change leaves a Movement. All functions run inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, contains_eager

from settlement.tables.registry import Batch, Block, Movement, Project

_FETCHED_AT_ONCE = 64


class Status(StrEnum):
    """What a block is at the moment; a frozen one is in the hands of an unfinished operation."""

    HELD = "held"
    CUSTODY = "custody"
    PLEDGED = "pledged"
    FROZEN = "frozen"
    RETIRED = "retired"
    CANCELLED = "cancelled"
    EXPORTED = "exported"


GONE = (Status.RETIRED, Status.CANCELLED, Status.EXPORTED)


class Criteria(NamedTuple):
    """Which credits will do; an empty or absent field accepts any."""

    symbols: tuple[str, ...] = ()
    batch_id: str | None = None


# How many of the credits of a block are taken, of so many that are wanted.
Take = Callable[[Block, int], int]


def take_all(block: Block, wanted: int) -> int:
    """Whatever the block has."""
    return min(block.quantity, wanted)


def create(session: Session, batch: Batch, holder: int | None = None) -> Block:
    """The whole of a new batch as one block of `holder`'s, or else of the project's account."""
    block = Block(
        batch_number=batch.number,
        batch=batch,
        start_number=batch.first_number,
        end_number=batch.last_number,
        quantity=batch.quantity,
        holder_account=batch.project.account if holder is None else holder,
        status=Status.HELD,
    )
    session.add(block)
    session.flush()
    _record(session, block, (None, None), batch.batch_id, batch.issued_time_ns)
    return block


def gather(
    session: Session,
    account: int,
    status: Status,
    criteria: Criteria,
    quantity: int,
    *,
    take: Take = take_all,
) -> list[Block]:
    """Up to `quantity` credits of the account: oldest vintage first, then issue, then serial.

    A block is split if only a part of it is taken. The sum is smaller than `quantity` only if
    the account has no more that `take` takes.
    """
    if quantity == 0:
        return []
    statement = _matching(criteria).where(Block.holder_account == account, Block.status == status)
    chosen: list[tuple[Block, int]] = []
    missing = quantity
    with closing(session.scalars(statement.execution_options(yield_per=_FETCHED_AT_ONCE))) as rows:
        for block in rows:
            taken = take(block, missing)
            if taken > 0:
                chosen.append((block, taken))
                missing -= taken
            if missing == 0:
                break
    return [
        block if taken == block.quantity else split(session, block, taken)
        for block, taken in chosen
    ]


def split(session: Session, block: Block, quantity: int) -> Block:
    """Cut the first `quantity` serials off into a new block; the rest keeps its row."""
    assert 0 < quantity < block.quantity, "a split leaves something on both sides"
    start_number = block.start_number
    block.start_number += quantity
    block.quantity -= quantity
    # The row must have left its old start before another one may take it.
    session.flush()
    piece = Block(
        batch_number=block.batch_number,
        batch=block.batch,
        start_number=start_number,
        end_number=start_number + quantity - 1,
        quantity=quantity,
        holder_account=block.holder_account,
        status=block.status,
        parent_number=block.number,
        operation_id=block.operation_id,
        previous_status=block.previous_status,
    )
    session.add(piece)
    session.flush()
    return piece


def freeze(blocks: Iterable[Block], operation_id: str) -> None:
    """Keep the blocks from any other use until the operation completes or is refused."""
    for block in blocks:
        block.previous_status, block.status = block.status, Status.FROZEN
        block.operation_id = operation_id


def frozen(session: Session, operation_id: str) -> Sequence[Block]:
    """What the operation froze, in the order of `gather`."""
    statement = _matching(Criteria()).where(
        Block.operation_id == operation_id, Block.status == Status.FROZEN
    )
    return session.scalars(statement).all()


def thaw(blocks: Iterable[Block]) -> None:
    """Give frozen blocks back as they were, held or in custody."""
    for block in blocks:
        assert block.previous_status in (Status.HELD, Status.CUSTODY)
        block.status, block.previous_status = block.previous_status, None
        block.operation_id = None


def move(
    session: Session,
    block: Block,
    *,
    account: int,
    status: Status,
    reference: str,
    time_ns: int,
    certificate_id: str | None = None,
) -> None:
    """Give the block to `account` with `status`, and record it under `reference`."""
    came_from = (block.holder_account, block.previous_status or block.status)
    block.holder_account = account
    block.status = status
    block.previous_status = None
    block.certificate_id = certificate_id
    if status is not Status.PLEDGED:
        block.operation_id = None
    _record(session, block, came_from, reference, time_ns)


def partition_faults(session: Session) -> list[str]:
    """What is wrong with the rule that a batch's blocks partition its range; empty if nothing."""
    ends: dict[int, int] = {}
    faults = []
    batches = {batch.number: batch for batch in session.scalars(select(Batch))}
    ordered = select(Block).order_by(Block.batch_number, Block.start_number)
    for block in session.scalars(ordered):
        batch = batches[block.batch_number]
        expected = ends.get(block.batch_number, batch.first_number - 1) + 1
        if block.start_number != expected:
            faults.append(f"{batch.batch_id}: {block.start_number} follows {expected - 1}")
        if block.quantity != block.end_number - block.start_number + 1:
            faults.append(f"{batch.batch_id}: block {block.number} miscounts itself")
        ends[block.batch_number] = block.end_number
    faults += [
        f"{batch.batch_id}: the blocks end at {ends.get(number)}, the batch at {batch.last_number}"
        for number, batch in batches.items()
        if ends.get(number) != batch.last_number
    ]
    return faults


def _record(
    session: Session,
    block: Block,
    came_from: tuple[int | None, str | None],
    reference: str,
    time_ns: int,
) -> None:
    from_account, from_status = came_from
    session.add(
        Movement(
            reference=reference,
            block_number=block.number,
            batch_number=block.batch_number,
            start_number=block.start_number,
            end_number=block.end_number,
            from_account=from_account,
            from_status=from_status,
            to_account=block.holder_account,
            to_status=block.status,
            time_ns=time_ns,
        )
    )


def _matching(criteria: Criteria) -> Select[Block]:
    statement = (
        select(Block)
        .join(Block.batch)
        .join(Batch.project)
        .options(contains_eager(Block.batch).contains_eager(Batch.project))
        .order_by(Batch.vintage, Batch.number, Block.start_number)
    )
    if criteria.symbols:
        statement = statement.where(Project.symbol.in_(criteria.symbols))
    if criteria.batch_id is not None:
        statement = statement.where(Batch.batch_id == criteria.batch_id)
    return statement
