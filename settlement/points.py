"""Personal carbon accounts: what persons do, the points that they earn, and batches made of it.

An act is reported once, by its id within its scene, whichever platforms know of it. Persons' acts
become credits only with their consent, all of a year together; what is no whole tonne is carried to
the next batch of the same project and year.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from engine.times import day_date, day_number, format_time
from settlement import points_rules, registry
from settlement.errors import Refused
from settlement.tables.carbon import (
    Aggregation,
    PersonalAccount,
    PointsEntry,
    SceneOperator,
    SceneReport,
)
from settlement.tables.registry import Batch

GRAMS_PER_TONNE = 1_000_000


class Act(NamedTuple):
    """What somebody did on a day; the amount is in thousandths of the scene's unit."""

    act_id: str
    account: int
    day: int
    amount_milli: int


def set_consent(session: Session, account: int, *, consents: bool) -> PersonalAccount:
    """Open the account's personal carbon account, or change its consent for what is to come."""
    person = session.get(PersonalAccount, account)
    if person is None:
        person = PersonalAccount(account=account)
        session.add(person)
    person.consents = consents
    person.changed_time_ns = time.time_ns()
    session.flush()
    return person


def allow(session: Session, scene: str, account: int, *, allowed: bool) -> None:
    """Let an account report a scene's acts, or no longer. Raises Refused."""
    points_rules.versions()[0].scene(scene)
    known = session.get(SceneOperator, (scene, account))
    if allowed and known is None:
        session.add(SceneOperator(scene=scene, account=account))
    elif known is not None and not allowed:
        session.delete(known)
    session.flush()


def report(
    session: Session, operator_account: int, scene: str, acts: Sequence[Act]
) -> list[SceneReport]:
    """Take acts in, all or none; the same report again is the same. Raises Refused."""
    if session.get(SceneOperator, (scene, operator_account)) is None:
        raise Refused(
            "forbidden",
            "The account does not report this scene.",
            detail_zh="该账户未获准上报该场景。",
            field="scene",
        )
    return [_report(session, operator_account, scene, act) for act in acts]


def balance(session: Session, account: int) -> int:
    """The points that the account has."""
    found = select(func.sum(PointsEntry.points)).where(PointsEntry.account == account)
    return int(session.scalar(found) or 0)


def reduction_grams(session: Session, account: int) -> int:
    """What the account's person has reduced so far."""
    found = select(func.sum(SceneReport.reduction_grams)).where(SceneReport.account == account)
    return int(session.scalar(found) or 0)


def redeem(session: Session, account: int, reward: str, key: str) -> PointsEntry:
    """Spend points on a reward; the same key again is the same redemption. Raises Refused."""
    reference = f"redemption/{key}"
    known = session.scalar(
        select(PointsEntry).where(
            PointsEntry.account == account, PointsEntry.reference == reference
        )
    )
    if known is not None:
        if known.reward != reward:
            raise Refused(
                "conflict",
                "This idempotency key was used for another request.",
                field="Idempotency-Key",
            )
        return known
    price = points_rules.version_of(points_rules.day_of(time.time_ns())).reward(reward).points
    has = balance(session, account)
    if has < price:
        raise Refused(
            "conflict",
            f"{price} points are needed; the account has {has}.",
            detail_zh=f"需要 {price} 积分，账户现有 {has} 积分。",
            field="reward",
        )
    entry = PointsEntry(
        account=account,
        kind="redeemed",
        points=-price,
        reference=reference,
        reward=reward,
        time_ns=time.time_ns(),
    )
    session.add(entry)
    session.flush()
    return entry


class Wanted(NamedTuple):
    """Which acts become a batch of which project."""

    project_id: str
    year: int
    scenes: tuple[str, ...]
    serial_prefix: str
    issue_key: str | None = None


def aggregate(session: Session, wanted: Wanted) -> Aggregation:
    """Make a batch of what consenting persons did in the year. Raises Refused."""
    if wanted.issue_key is not None:
        earlier = session.scalar(
            select(Aggregation)
            .join(Batch, Batch.batch_id == Aggregation.batch_id)
            .where(Batch.issue_key == wanted.issue_key)
        )
        if earlier is not None:
            if (earlier.project_id, earlier.year) != (wanted.project_id, wanted.year):
                raise Refused(
                    "conflict",
                    "This idempotency key was used for another request.",
                    field="Idempotency-Key",
                )
            return earlier
    chosen = (
        SceneReport.aggregation_number.is_(None),
        SceneReport.scene.in_(wanted.scenes),
        SceneReport.day >= day_number(date(wanted.year, 1, 1)),
        SceneReport.day < day_number(date(wanted.year + 1, 1, 1)),
        SceneReport.account.in_(select(PersonalAccount.account).where(PersonalAccount.consents)),
    )
    grams, reports, persons = session.execute(
        select(
            func.coalesce(func.sum(SceneReport.reduction_grams), 0),
            func.count(),
            func.count(SceneReport.account.distinct()),
        ).where(*chosen)
    ).one()
    brought = session.scalar(
        select(Aggregation.carried_grams)
        .where(Aggregation.project_id == wanted.project_id, Aggregation.year == wanted.year)
        .order_by(Aggregation.number.desc())
        .limit(1)
    )
    tonnes, carried = divmod(int(grams) + (brought or 0), GRAMS_PER_TONNE)
    if tonnes == 0:
        raise Refused(
            "conflict",
            "There is less than a tonne to be issued.",
            detail_zh="可签发的减排量不足一吨。",
        )
    issue = registry.NewBatch(
        wanted.project_id, wanted.year, tonnes, wanted.serial_prefix, issue_key=wanted.issue_key
    )
    made = Aggregation(
        project_id=wanted.project_id,
        year=wanted.year,
        batch_id=registry.issue(session, issue).batch_id,
        persons=persons,
        reports=reports,
        reduction_grams=int(grams),
        brought_grams=brought or 0,
        carried_grams=carried,
        time_ns=time.time_ns(),
    )
    session.add(made)
    session.flush()
    session.execute(
        update(SceneReport).where(*chosen).values(aggregation_number=made.number),
        execution_options={"synchronize_session": False},
    )
    return made


def show_report(row: SceneReport) -> dict[str, Any]:
    """An act as its operator and its person see it."""
    return {
        "scene": row.scene,
        "act_id": row.act_id,
        "day": day_date(row.day).isoformat(),
        "amount": format_milli(row.amount_milli),
        "reduction_kg": format_milli(row.reduction_grams),
        "points": row.points,
        "rules_version": row.rules_version,
        "in_batch": row.aggregation_number is not None,
    }


def show_entry(row: PointsEntry) -> dict[str, Any]:
    """Points earned or spent."""
    return {
        "entry_id": str(row.number),
        "kind": row.kind,
        "points": row.points,
        "reward": row.reward,
        "time": format_time(row.time_ns),
    }


def format_milli(value: int) -> str:
    """Thousandths as a decimal with three places."""
    sign = "-" if value < 0 else ""
    return f"{sign}{abs(value) // 1_000}.{abs(value) % 1_000:03}"


def _report(session: Session, operator_account: int, scene: str, act: Act) -> SceneReport:
    known = session.scalar(
        select(SceneReport).where(SceneReport.scene == scene, SceneReport.act_id == act.act_id)
    )
    if known is not None:
        same = (known.operator_account, known.account, known.day, known.amount_milli)
        if same != (operator_account, act.account, act.day, act.amount_milli):
            raise Refused(
                "conflict",
                f"The act {act.act_id} was reported before, by another platform or otherwise.",
                detail_zh=f"行为 {act.act_id} 已被上报，且来源或内容不同。",
                field="act_id",
            )
        return known
    if act.day > points_rules.day_of(time.time_ns()):
        raise Refused(
            "invalid_request", "This day is to come.", detail_zh="日期尚未到来。", field="day"
        )
    if session.get(PersonalAccount, act.account) is None:
        raise Refused(
            "not_eligible",
            "The account has no personal carbon account.",
            detail_zh="该账户未开立个人碳账户。",
            field="account",
        )
    rules = points_rules.version_of(act.day)
    grams = rules.scene(scene).reduction_grams(act.amount_milli)
    row = SceneReport(
        scene=scene,
        act_id=act.act_id,
        operator_account=operator_account,
        account=act.account,
        day=act.day,
        amount_milli=act.amount_milli,
        reduction_grams=grams,
        points=grams // rules.grams_per_point,
        rules_version=rules.version,
        time_ns=time.time_ns(),
    )
    session.add(row)
    session.flush()
    if row.points:
        session.add(
            PointsEntry(
                account=act.account,
                kind="earned",
                points=row.points,
                reference=f"report/{row.number}",
                time_ns=row.time_ns,
            )
        )
        session.flush()
    return row
