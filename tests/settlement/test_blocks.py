"""Blocks of serial numbers: choosing, splitting, moving, and the rule that they partition."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from settlement import blocks
from settlement.blocks import Criteria, Status
from settlement.tables.registry import Batch, Block, Movement


def serials(chosen: list[Block]) -> list[str]:
    return [
        f"{block.batch.serial(block.start_number)}..{block.end_number}({block.quantity})"
        for block in chosen
    ]


@pytest.mark.parametrize(
    ("criteria", "quantity", "expected"),
    [
        (Criteria(), 50, ["GD-PH-2023-1..50(50)"]),
        (Criteria(), 100, ["GD-PH-2023-1..100(100)"]),
        (Criteria(), 130, ["GD-PH-2023-1..100(100)", "GD-PH-2024-1..30(30)"]),
        (Criteria(), 10_000, ["GD-PH-2023-1..100(100)", "GD-PH-2024-1..200(200)"]),
        (Criteria(batch_id="B00000001"), 5, ["GD-PH-2024-1..5(5)"]),
        (Criteria(symbols=("XM-CER",)), 5, []),
        (Criteria(), 0, []),
    ],
)
def test_gather_takes_the_oldest_vintage_then_the_lowest_serial(
    credit_registry, criteria, quantity, expected
):
    credit_registry.issue(2024, 200)
    credit_registry.issue(2023, 100)

    def work(session: Session) -> list[str]:
        return serials(blocks.gather(session, 1, Status.HELD, criteria, quantity))

    assert credit_registry.database.write(work).result() == expected
    credit_registry.check()


def test_a_split_keeps_the_lineage(credit_registry):
    credit_registry.issue(2024, 100)

    def work(session: Session) -> tuple[int, list[tuple[int, int, int | None]]]:
        block = session.scalars(select(Block)).one()
        first = blocks.split(session, block, 40)
        blocks.split(session, first, 1)
        rows = session.scalars(select(Block).order_by(Block.start_number))
        return block.number, [(row.start_number, row.end_number, row.parent_number) for row in rows]

    number, rows = credit_registry.database.write(work).result()
    assert rows == [(1, 1, number + 1), (2, 40, number), (41, 100, None)]
    credit_registry.check()


def test_every_move_is_recorded(credit_registry):
    batch_id = credit_registry.issue(2024, 100)

    def work(session: Session) -> list[tuple[object, ...]]:
        [block] = blocks.gather(session, 1, Status.HELD, Criteria(), 30)
        blocks.move(session, block, account=2, status=Status.HELD, reference="a gift", time_ns=7)
        rows = session.scalars(select(Movement).order_by(Movement.number))
        return [
            (row.reference, row.start_number, row.end_number, row.from_account, row.to_account)
            for row in rows
        ]

    assert credit_registry.database.write(work).result() == [
        (batch_id, 1, 100, None, 1),
        ("a gift", 1, 30, 1, 2),
    ]


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"quantity": 99}, "quantity"),
        ({"start_number": 0, "quantity": 101}, "start_number"),
        ({"end_number": 0, "quantity": 0}, "order"),
        ({"status": "lent"}, "status"),
        ({"status": "frozen"}, "previous_status"),
        ({"status": "retired"}, "certificate"),
    ],
)
def test_the_database_refuses_an_impossible_block(credit_registry, change, constraint):
    credit_registry.issue(2024, 100)
    with pytest.raises(IntegrityError, match=f"ck_blocks_{constraint}"):
        credit_registry.database.write(
            lambda session: session.execute(update(Block).values(change))
        ).result()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"start_number": 42, "quantity": 59}, "B00000001: 42 follows 40"),
        ({"end_number": 99, "quantity": 59}, "B00000001: the blocks end at 99, the batch at 100"),
    ],
)
def test_gaps_and_overlaps_are_found(credit_registry, change, fault):
    credit_registry.issue(2024, 100)

    def damage(session: Session) -> None:
        block = session.scalars(select(Block)).one()
        blocks.split(session, block, 40)
        session.execute(update(Block).where(Block.number == block.number).values(change))

    credit_registry.database.write(damage).result()
    with credit_registry.database.read() as session:
        assert blocks.partition_faults(session) == [fault]


@pytest.mark.parametrize("start_number", [1, 39, 40])
def test_the_database_refuses_blocks_that_overlap(credit_registry, start_number):
    """Whether they share an end or not, and whichever of them comes later."""
    credit_registry.issue(2024, 100)

    def overlap(session: Session) -> None:
        block = session.scalars(select(Block)).one()
        blocks.split(session, block, 20)
        block.start_number, block.quantity = 41, 60
        session.flush()
        session.add(
            Block(
                batch_number=block.batch_number,
                start_number=start_number,
                end_number=60,
                quantity=61 - start_number,
                holder_account=1,
                status=Status.HELD,
            )
        )

    with pytest.raises(IntegrityError, match=r"ck_blocks_overlap|UNIQUE|unique"):
        credit_registry.database.write(overlap).result()
    assert credit_registry.holdings(1) == [("GD-PH-2024-1..100", "held")]


def test_the_database_refuses_issues_that_overlap(credit_registry):
    batch_id = credit_registry.issue(2024, 100)

    def overlap(session: Session) -> None:
        batch = session.scalars(select(Batch).where(Batch.batch_id == batch_id)).one()
        fields = {
            column.name: getattr(batch, column.name)
            for column in Batch.__table__.columns
            if column.name != "number"
        }
        fields |= {"batch_id": "B9", "first_number": 20, "last_number": 30, "quantity": 11}
        session.add(Batch(**fields))

    with pytest.raises(IntegrityError, match="ck_batches_overlap"):
        credit_registry.database.write(overlap).result()
