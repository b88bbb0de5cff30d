"""The blocks of many transfers within custody, chosen and cut all at once.

What `blocks.gather`, `split` and `move` do for one operation, for a delivery of any size: a select,
arithmetic on arrays, and three bulk statements.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from settlement import bulk
from settlement.blocks import Status
from settlement.netting import side_by_side
from settlement.tables.registry import Batch, Block, Movement, Project


class Shortage(NamedTuple):
    """A seller whose custody does not hold what it owes."""

    account: int
    owed_lots: int
    held_lots: int


class _Held(NamedTuple):
    """The blocks in custody that serve sellers, in the order in which they are used."""

    account: np.ndarray
    number: np.ndarray
    batch_number: np.ndarray
    start_number: np.ndarray
    end_number: np.ndarray
    quantity: np.ndarray


# What a seller's blocks are used in the order of, before the serial number.
_ORDERS = {
    "oldest_vintage": (Batch.vintage, Batch.number),
    "newest_vintage": (Batch.vintage.desc(), Batch.number),
    "oldest_issue": (Batch.number,),
}


def move(
    session: Session,
    symbol: str,
    transfers: np.ndarray,
    *,
    reference: str,
    time_ns: int,
    block_order: str = "oldest_vintage",
) -> Shortage | None:
    """Carry out the transfers (rows of seller, buyer, quantity_lots) in their order.

    Each moves credits out of the seller's custody as the transfers before it have left it. The
    first shortage ends it; the transaction is then to be dropped.
    """
    for wave in _waves(transfers):
        # Within a wave nobody sells what came in it, so the order of the sellers is free.
        ordered = wave[np.argsort(wave[:, 0], kind="stable")]
        sellers, first = np.unique(ordered[:, 0], return_index=True)
        owed = np.add.reduceat(ordered[:, 2], first)
        held = _held(session, symbol, sellers, block_order)
        taken, shortage = _take(held, sellers, owed)
        if shortage is not None:
            return shortage
        _write(session, held, taken, ordered, (reference, time_ns))
    return None


def _waves(transfers: np.ndarray) -> Iterator[np.ndarray]:
    """Cut the transfers before every one whose seller was a buyer since the last cut."""
    if not np.isin(transfers[:, 0], transfers[:, 1]).any():
        yield transfers
        return
    begin, buyers = 0, set[int]()
    for index, (seller, buyer) in enumerate(transfers[:, :2].tolist()):
        if seller in buyers:
            yield transfers[begin:index]
            begin, buyers = index, set()
        buyers.add(buyer)
    yield transfers[begin:]


def _held(session: Session, symbol: str, sellers: np.ndarray, block_order: str) -> _Held:
    """The sellers' blocks of the symbol in custody: by seller, each one's in `block_order`."""
    query = (
        select(Block.holder_account, Block.number, Block.batch_number)
        .add_columns(Block.start_number, Block.end_number, Block.quantity)
        .join(Batch, Block.batch_number == Batch.number)
        .join(Project, Batch.project_id == Project.project_id)
        .where(Project.symbol == symbol, Block.status == Status.CUSTODY)
        .where(Block.holder_account.between(int(sellers[0]), int(sellers[-1])))
        .order_by(Block.holder_account, *_ORDERS[block_order], Block.start_number)
    )
    found = bulk.read(session, query, len(_Held._fields))
    return _Held(*found[:, np.isin(found[0], sellers)])


def _take(held: _Held, sellers: np.ndarray, owed: np.ndarray) -> tuple[np.ndarray, Shortage | None]:
    """How much of each block is used."""
    place = np.searchsorted(sellers, held.account)
    used = np.cumsum(held.quantity)
    # What the same seller has in the blocks before.
    is_first = np.diff(place, prepend=-1) > 0
    before_seller = (used - held.quantity)[is_first][np.cumsum(is_first) - 1]
    before = used - held.quantity - before_seller
    taken = np.clip(owed[place] - before, 0, held.quantity)
    found = np.zeros(len(sellers), np.int64)
    np.add.at(found, place, taken)
    short = np.flatnonzero(found < owed)
    if not len(short):
        return taken, None
    return taken, Shortage(*(int(column[short[0]]) for column in (sellers, owed, found)))


def _write(
    session: Session,
    held: _Held,
    taken: np.ndarray,
    transfers: np.ndarray,
    record: tuple[str, int],
) -> None:
    """Cut the blocks where transfers meet and give the pieces to their buyers.

    As in `blocks.split`, the first numbers go into new blocks and the rest keeps its row; the last
    piece of a block that is used up is its row.
    """
    held = _Held(*(column[taken > 0] for column in held))
    taken = taken[taken > 0]
    block, transfer, quantity = side_by_side(taken, transfers[:, 2])
    buyer = transfers[transfer, 1]
    offset = np.cumsum(quantity) - quantity - (np.cumsum(taken) - taken)[block]
    start = held.start_number[block] + offset
    keeps_row = offset + quantity == held.quantity[block]

    row_start = held.start_number + taken
    row_holder = held.account.copy()
    row_start[block[keeps_row]] = start[keeps_row]
    row_holder[block[keeps_row]] = buyer[keeps_row]
    numbers = held.number[block]
    is_new = ~keeps_row
    first_number = bulk.reserve(session, Block.number, int(is_new.sum()))
    numbers[is_new] = first_number + np.arange(is_new.sum())
    # The rows must have left their old starts before others may take them.
    bulk.update(
        session,
        Block,
        "number",
        held.number,
        {
            "start_number": row_start,
            "quantity": held.end_number - row_start + 1,
            "holder_account": row_holder,
        },
    )
    pieces = {
        "batch_number": held.batch_number[block],
        "start_number": start,
        "end_number": start + quantity - 1,
    }
    bulk.insert(
        session,
        Block,
        {
            "number": numbers[is_new],
            **{name: column[is_new] for name, column in pieces.items()},
            "quantity": quantity[is_new],
            "holder_account": buyer[is_new],
            "status": str(Status.CUSTODY),
            "parent_number": held.number[block][is_new],
        },
    )
    reference, time_ns = record
    bulk.insert(
        session,
        Movement,
        {
            "reference": reference,
            "block_number": numbers,
            **pieces,
            "from_account": held.account[block],
            "from_status": str(Status.CUSTODY),
            "to_account": buyer,
            "to_status": str(Status.CUSTODY),
            "time_ns": time_ns,
        },
    )
