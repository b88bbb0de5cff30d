"""The registry: methodologies, projects, issues, transfers and pledges."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from engine.times import day_date
from engine.units import MAX_TOTAL_CREDITS_LOTS
from settlement import blocks, identity, monitoring
from settlement.blocks import Criteria, Status
from settlement.credit_terms import terms
from settlement.errors import Refused
from settlement.operations import Plan, Prepare, Request
from settlement.tables.registry import Batch, Block, Methodology, Operation, Project

# The pipeline of projects, in its order.
STAGES = ("listed", "validated", "registered", "closed")


class NewProject(NamedTuple):
    """A project to be registered; without `project_id` it gets a number of its own."""

    name: str
    methodology: str
    region: str
    type: str
    account: int
    symbol: str | None = None
    project_id: str | None = None
    labels: Sequence[str] = ()
    stage: str = "registered"


class NewBatch(NamedTuple):
    """An issue; imported ones bring their own id, serial numbers and time."""

    project_id: str
    vintage: int
    quantity: int
    serial_prefix: str
    batch_id: str | None = None
    number_space: str | None = None
    serial_template: str | None = None
    first_number: int | None = None
    issued_time_ns: int | None = None
    # As in Batch: days since 1970-01-01.
    first_day: int | None = None
    # A repeated request with the same key is the same issue.
    issue_key: str | None = None
    # The verified monitoring report that it is issued for.
    report_id: str | None = None
    # The registry that it came from, and its holder if that is not the project's account.
    origin: str | None = None
    holder: int | None = None


def add_methodology(
    session: Session, code: str, title: str, version: str, status: str = "published"
) -> Methodology:
    """Record a methodology. Raises Refused `conflict` if the code is taken."""
    if session.scalar(select(Methodology).where(Methodology.code == code)) is not None:
        raise Refused("conflict", "There is a methodology with this code.", field="code")
    methodology = Methodology(
        code=code, title=title, version=version, status=status, created_time_ns=time.time_ns()
    )
    session.add(methodology)
    session.flush()
    return methodology


def add_project(session: Session, new: NewProject) -> Project:
    """Register a project under a published methodology. Raises Refused."""
    methodology = session.scalar(select(Methodology).where(Methodology.code == new.methodology))
    if methodology is None:
        raise Refused("not_found", "There is no such methodology.", field="methodology")
    if methodology.status != "published":
        raise Refused("conflict", "The methodology is not in force.", field="methodology")
    project_id = new.project_id or f"P{_next_number(session, Project.number):06}"
    if session.scalar(select(Project).where(Project.project_id == project_id)) is not None:
        raise Refused("conflict", "There is a project with this id.", field="project_id")
    fields = new._asdict() | {"project_id": project_id, "labels": _known_labels(new.labels)}
    project = Project(**fields, created_time_ns=time.time_ns())
    session.add(project)
    session.flush()
    return project


def set_labels(session: Session, project_id: str, labels: Sequence[str]) -> Project:
    """What is confirmed of a project from now on. Raises Refused."""
    project = session.scalar(select(Project).where(Project.project_id == project_id))
    if project is None:
        raise Refused("not_found", "There is no such project.", detail_zh="没有该项目。")
    project.labels = _known_labels(labels)
    session.flush()
    return project


def set_stage(session: Session, project_id: str, stage: str) -> Project:
    """Move a project along the pipeline; nothing comes back from being closed. Raises Refused."""
    project = session.scalar(select(Project).where(Project.project_id == project_id))
    if project is None:
        raise Refused("not_found", "There is no such project.", detail_zh="没有该项目。")
    if STAGES.index(stage) < STAGES.index(project.stage):
        raise Refused(
            "conflict",
            f"The project is {project.stage} already.",
            detail_zh="项目阶段不可倒退。",
            field="stage",
        )
    project.stage = stage
    session.flush()
    return project


def issue(session: Session, new: NewBatch) -> Batch:
    """Issue a batch as one block to the project's account. Raises Refused.

    Serial numbers of one prefix and vintage go on where the issue before ended.
    """
    earlier = _issued_before(session, new)
    if earlier is not None:
        return earlier
    project = session.scalar(select(Project).where(Project.project_id == new.project_id))
    if project is None:
        raise Refused("not_found", "There is no such project.", field="project_id")
    if project.stage != "registered":
        raise Refused(
            "conflict",
            "Only a registered project issues.",
            detail_zh="仅已登记阶段的项目可以签发。",
            field="project_id",
        )
    space = new.number_space or f"{new.serial_prefix}-{new.vintage}"
    first_number = new.first_number or 1 + (
        session.scalar(select(func.max(Batch.last_number)).where(Batch.number_space == space)) or 0
    )
    last_number = first_number + new.quantity - 1
    if new.first_day is not None and day_date(new.first_day).year > new.vintage:
        raise Refused(
            "invalid_request",
            "The reductions begin after the vintage.",
            detail_zh="减排起始日晚于年份。",
            field="first_day",
        )
    if last_number > MAX_TOTAL_CREDITS_LOTS:
        raise Refused("quantity_too_large", "The serial numbers run out.", field="quantity")
    if new.first_number is not None:
        _refuse_overlap(session, space, first_number, last_number)
    first_day = new.first_day
    if new.report_id is not None:
        report = monitoring.take(session, new.report_id, new.project_id, new.quantity)
        first_day = report.first_day if first_day is None else first_day
    batch = Batch(
        batch_id=new.batch_id or f"B{_next_number(session, Batch.number):08}",
        project_id=project.project_id,
        project=project,
        vintage=new.vintage,
        first_day=first_day,
        quantity=new.quantity,
        serial_prefix=new.serial_prefix,
        number_space=space,
        serial_template=new.serial_template or f"{space}-{{number}}",
        first_number=first_number,
        last_number=last_number,
        issued_time_ns=new.issued_time_ns or time.time_ns(),
        issue_key=new.issue_key,
        report_id=new.report_id,
        origin=new.origin,
    )
    session.add(batch)
    session.flush()
    blocks.create(session, batch, new.holder)
    return batch


def require(chosen: Sequence[Block], quantity: int) -> list[Block]:
    """The blocks, if they are enough. Raises Refused `insufficient_credits`."""
    if sum(block.quantity for block in chosen) < quantity:
        raise Refused(
            "insufficient_credits",
            "The account has not so many of these credits.",
            field="quantity",
        )
    return list(chosen)


def transfer(to_account: str, quantity: int, batch_id: str) -> Prepare:
    """Credits held outside custody go to another account, as a gift or otherwise."""

    def prepare(session: Session, request: Request) -> Plan:
        receiver = identity.account_number(session, to_account, field="to_account")
        if receiver == request.account:
            raise Refused("invalid_request", "This is the sender's account.", field="to_account")
        chosen = _held(session, request.account, batch_id, quantity)
        return Plan(chosen, Status.HELD, receiver, chosen[0].batch.project.symbol)

    return prepare


def pledge(quantity: int, batch_id: str) -> Prepare:
    """Credits are set aside as a security: held, but not to be moved until they are released."""

    def prepare(session: Session, request: Request) -> Plan:
        chosen = _held(session, request.account, batch_id, quantity)
        symbol = chosen[0].batch.project.symbol
        return Plan(chosen, Status.PLEDGED, request.account, symbol)

    return prepare


def release(pledge_id: str) -> Prepare:
    """A pledge ends and its credits are free again."""

    def prepare(session: Session, request: Request) -> Plan:
        known = session.scalar(
            select(Operation).where(
                Operation.operation_id == pledge_id,
                Operation.account == request.account,
                Operation.kind == "pledge",
            )
        )
        if known is None:
            raise Refused("not_found", "There is no such pledge.")
        pledged = session.scalars(
            select(Block).where(Block.operation_id == pledge_id, Block.status == Status.PLEDGED)
        ).all()
        if not pledged:
            raise Refused("conflict", "The pledge is released already.")
        return Plan(list(pledged), Status.HELD, request.account, known.symbol)

    return prepare


def _held(session: Session, account: int, batch_id: str, quantity: int) -> list[Block]:
    criteria = Criteria(batch_id=batch_id)
    return require(blocks.gather(session, account, Status.HELD, criteria, quantity), quantity)


def _issued_before(session: Session, new: NewBatch) -> Batch | None:
    """What the issue key already stands for. Raises Refused `conflict` if that differs."""
    if new.issue_key is None:
        return None
    batch = session.scalar(select(Batch).where(Batch.issue_key == new.issue_key))
    if batch is None:
        return None
    same = ["project_id", "vintage", "quantity", "serial_prefix", "report_id", "origin"]
    if new.report_id is None:  # otherwise the report gives the day
        same.append("first_day")
    if new.first_number is not None:
        same += ["number_space", "first_number", "serial_template"]
    if any(getattr(batch, name) != getattr(new, name) for name in same):
        raise Refused(
            "conflict", "This idempotency key was used for another issue.", field="Idempotency-Key"
        )
    return batch


def _refuse_overlap(session: Session, space: str, first_number: int, last_number: int) -> None:
    overlapping = session.scalar(
        select(Batch.batch_id).where(
            Batch.number_space == space,
            Batch.first_number <= last_number,
            Batch.last_number >= first_number,
        )
    )
    if overlapping is not None:
        raise Refused("conflict", f"Batch {overlapping} has some of these serial numbers.")


def _known_labels(labels: Sequence[str]) -> list[str]:
    if not set(labels) <= set(terms().labels):
        known = ", ".join(sorted(terms().labels))
        raise Refused(
            "invalid_request",
            f"The labels are: {known}.",
            detail_zh=f"可用标签：{known}。",
            field="labels",
        )
    return sorted(set(labels))


def _next_number(session: Session, number: InstrumentedAttribute[int]) -> int:
    return (session.scalar(select(func.max(number))) or 0) + 1
