"""Monitoring reports and their verification, and the claims by which a reduction counts once.

A claim is to all that a source (a meter, a plot, a line of buses) reduced from one day to another.
Claims of one source never overlap, whoever makes them: a project's report here, or a batch that
comes from another registry.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from engine.times import day_date, format_time
from settlement.errors import Refused
from settlement.tables.registry import Project
from settlement.tables.registry_work import MonitoringReport, ReductionClaim


class NewReport(NamedTuple):
    """What a project says that it reduced; the days are included."""

    project_id: str
    source: str
    first_day: int
    last_day: int
    quantity: int


def claim(session: Session, source: str, first_day: int, last_day: int, reference: str) -> None:
    """Claim what a source reduced. Raises Refused `conflict` naming who claimed some of it."""
    if last_day < first_day:
        raise Refused(
            "invalid_request",
            "The last day is before the first.",
            detail_zh="截止日早于起始日。",
            field="last_day",
        )
    other = session.scalar(
        select(ReductionClaim).where(
            ReductionClaim.source == source,
            ReductionClaim.first_day <= last_day,
            ReductionClaim.last_day >= first_day,
        )
    )
    if other is not None:
        first, last = day_date(other.first_day), day_date(other.last_day)
        raise Refused(
            "conflict",
            f"{other.reference} has claimed this reduction from {first} to {last}.",
            detail_zh=f"{other.reference} 已申报 {first} 至 {last} 的同一减排量。",
            field="source",
        )
    session.add(
        ReductionClaim(source=source, first_day=first_day, last_day=last_day, reference=reference)
    )
    session.flush()


def claim_of(session: Session, reference: str) -> tuple[str, int, int] | None:
    """What has been claimed under this reference: source, first and last day."""
    made = session.scalar(select(ReductionClaim).where(ReductionClaim.reference == reference))
    return None if made is None else (made.source, made.first_day, made.last_day)


def submit(session: Session, new: NewReport) -> MonitoringReport:
    """Report what a registered project reduced. Raises Refused."""
    project = session.scalar(select(Project).where(Project.project_id == new.project_id))
    if project is None:
        raise Refused("not_found", "There is no such project.", detail_zh="没有该项目。")
    if project.stage != "registered":
        raise Refused(
            "conflict", "The project is not registered.", detail_zh="该项目不在已登记阶段。"
        )
    number = 1 + (session.scalar(select(func.max(MonitoringReport.number))) or 0)
    report = MonitoringReport(
        report_id=f"R{number:08}",
        project_id=new.project_id,
        source=new.source,
        first_day=new.first_day,
        last_day=new.last_day,
        claimed_quantity=new.quantity,
        verified_quantity=0,
        issued_quantity=0,
        status="submitted",
        created_time_ns=time.time_ns(),
    )
    claim(session, new.source, new.first_day, new.last_day, report.report_id)
    session.add(report)
    session.flush()
    return report


def verify(session: Session, report_id: str, verifier: str, quantity: int) -> MonitoringReport:
    """Write the verifier's finding down; 0 rejects the report and frees its claim.

    Raises Refused.
    """
    report = find(session, report_id)
    if report.status != "submitted":
        raise Refused(
            "conflict", f"The report is {report.status} already.", detail_zh="该报告已有核证结论。"
        )
    if quantity > report.claimed_quantity:
        raise Refused(
            "invalid_request",
            "More is verified than was reported.",
            detail_zh="核证量不得超过报告量。",
            field="quantity",
        )
    report.verifier = verifier
    report.verified_quantity = quantity
    report.status = "verified" if quantity else "rejected"
    report.decided_time_ns = time.time_ns()
    if not quantity:
        session.execute(delete(ReductionClaim).where(ReductionClaim.reference == report_id))
    session.flush()
    return report


def take(session: Session, report_id: str, project_id: str, quantity: int) -> MonitoringReport:
    """Issue so much of what a report's verification left. Raises Refused."""
    report = find(session, report_id, field="report_id")
    if report.project_id != project_id or report.status != "verified":
        raise Refused(
            "conflict",
            "This is no verified report of the project.",
            detail_zh="该报告不是本项目的已核证报告。",
            field="report_id",
        )
    left = report.verified_quantity - report.issued_quantity
    if quantity > left:
        raise Refused(
            "quantity_too_large",
            f"The report leaves {left} t to be issued.",
            detail_zh=f"该报告尚可签发 {left} 吨。",
            field="quantity",
            limit=str(left),
        )
    report.issued_quantity += quantity
    session.flush()
    return report


def find(session: Session, report_id: str, *, field: str | None = None) -> MonitoringReport:
    """The report. Raises Refused `not_found`."""
    report = session.scalar(select(MonitoringReport).where(MonitoringReport.report_id == report_id))
    if report is None:
        raise Refused(
            "not_found", "There is no such report.", detail_zh="没有该监测报告。", field=field
        )
    return report


def show(report: MonitoringReport) -> dict[str, Any]:
    """A report as the public sees it."""
    return {
        "report_id": report.report_id,
        "project_id": report.project_id,
        "source": report.source,
        "first_day": day_date(report.first_day).isoformat(),
        "last_day": day_date(report.last_day).isoformat(),
        "claimed_quantity": str(report.claimed_quantity),
        "verified_quantity": str(report.verified_quantity),
        "issued_quantity": str(report.issued_quantity),
        "status": report.status,
        "verifier": report.verifier,
        "created_at": format_time(report.created_time_ns),
        "decided_at": report.decided_time_ns and format_time(report.decided_time_ns),
    }
