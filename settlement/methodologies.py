"""The way of a methodology's version: draft, review, vote of the expert committee, record.

A version that the committee approves becomes what the methodology is from then on; the ones before
it stay on record, with every vote.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from engine.times import format_time
from settlement.errors import Refused
from settlement.tables.registry import Methodology
from settlement.tables.registry_work import MethodologyVersion, MethodologyVote

# So many votes make a decision, abstentions counted, and two thirds of the others approve it.
QUORUM = 3
_OPEN = ("draft", "review", "vote")


class Draft(NamedTuple):
    """A new version of a methodology, of which there may have been none yet."""

    code: str
    version: str
    title: str
    summary: str


def draft(session: Session, new: Draft, drafted_by: str) -> MethodologyVersion:
    """Begin a version. Raises Refused `conflict` while another one is open, or the name taken."""
    now_ns = time.time_ns()
    known = session.scalar(select(Methodology).where(Methodology.code == new.code))
    if known is None:
        session.add(
            Methodology(
                code=new.code,
                title=new.title,
                version=new.version,
                status="draft",
                created_time_ns=now_ns,
            )
        )
        session.flush()
    elif known.status == "published" and known.version == new.version:
        raise _taken()
    for row in versions(session, new.code):
        if row.version == new.version:
            raise _taken()
        if row.status in _OPEN:
            raise Refused(
                "conflict",
                f"Version {row.version} is not decided yet.",
                detail_zh=f"版本 {row.version} 尚未有结论。",
            )
    row = MethodologyVersion(
        methodology=new.code,
        version=new.version,
        title=new.title,
        summary=new.summary,
        status="draft",
        drafted_by=drafted_by,
        created_time_ns=now_ns,
    )
    session.add(row)
    session.flush()
    return row


def submit(session: Session, code: str, version: str) -> MethodologyVersion:
    """Hand a draft in for review. Raises Refused."""
    row = find(session, code, version)
    _require(row, "draft")
    row.status = "review"
    return row


def review(
    session: Session, code: str, version: str, findings: str, reviewer: str
) -> MethodologyVersion:
    """End the review and open the vote; whoever drafted it does not review it. Raises Refused."""
    row = find(session, code, version)
    _require(row, "review")
    if row.drafted_by == reviewer:
        raise Refused(
            "forbidden",
            "Somebody else than its author reviews a version.",
            detail_zh="起草人不得评审自己起草的版本。",
        )
    row.review = findings
    row.status = "vote"
    return row


def vote(session: Session, code: str, version: str, ballot: MethodologyVote) -> MethodologyVersion:
    """Record one expert's vote; each has one. Raises Refused."""
    row = find(session, code, version)
    _require(row, "vote")
    if any(each.expert == ballot.expert for each in votes(session, row)):
        raise Refused(
            "conflict", "This expert has voted.", detail_zh="该专家已投票。", field="expert"
        )
    ballot.version_number = row.number
    ballot.time_ns = time.time_ns()
    session.add(ballot)
    session.flush()
    return row


def decide(session: Session, code: str, version: str) -> MethodologyVersion:
    """Close the vote: the version is recorded and in force, or rejected. Raises Refused."""
    row = find(session, code, version)
    _require(row, "vote")
    cast = [each.choice for each in votes(session, row)]
    if len(cast) < QUORUM:
        raise Refused(
            "conflict",
            f"{len(cast)} experts have voted; {QUORUM} are needed.",
            detail_zh=f"已有 {len(cast)} 名专家投票，至少需要 {QUORUM} 名。",
        )
    for_it, against_it = cast.count("approve"), cast.count("reject")
    row.decided_time_ns = time.time_ns()
    if for_it == 0 or for_it < 2 * against_it:
        row.status = "rejected"
        return row
    row.status = "recorded"
    known = session.scalars(select(Methodology).where(Methodology.code == code)).one()
    known.title, known.version, known.status = row.title, row.version, "published"
    session.flush()
    return row


def withdraw(session: Session, code: str) -> Methodology:
    """Take a methodology out of force: no new projects from now on. Raises Refused."""
    known = session.scalar(select(Methodology).where(Methodology.code == code))
    if known is None:
        raise _not_found()
    if known.status != "published":
        raise Refused("conflict", "It is not in force.", detail_zh="该方法学未生效。")
    known.status = "withdrawn"
    return known


def find(session: Session, code: str, version: str) -> MethodologyVersion:
    """One version. Raises Refused `not_found`."""
    row = session.scalar(
        select(MethodologyVersion).where(
            MethodologyVersion.methodology == code, MethodologyVersion.version == version
        )
    )
    if row is None:
        raise _not_found()
    return row


def versions(session: Session, code: str) -> Sequence[MethodologyVersion]:
    """All versions that went this way, the newest first."""
    return session.scalars(
        select(MethodologyVersion)
        .where(MethodologyVersion.methodology == code)
        .order_by(MethodologyVersion.number.desc())
    ).all()


def votes(session: Session, row: MethodologyVersion) -> Sequence[MethodologyVote]:
    """The votes on a version, in the order in which they were cast."""
    return session.scalars(
        select(MethodologyVote)
        .where(MethodologyVote.version_number == row.number)
        .order_by(MethodologyVote.number)
    ).all()


def show(session: Session, row: MethodologyVersion) -> dict[str, Any]:
    """A version as the public sees it, with its votes."""
    return {
        "code": row.methodology,
        "version": row.version,
        "title": row.title,
        "summary": row.summary,
        "status": row.status,
        "drafted_by": row.drafted_by,
        "review": row.review,
        "votes": [
            {"expert": each.expert, "choice": each.choice, "reason": each.reason}
            for each in votes(session, row)
        ],
        "created_at": format_time(row.created_time_ns),
        "decided_at": row.decided_time_ns and format_time(row.decided_time_ns),
    }


def _require(row: MethodologyVersion, status: str) -> None:
    if row.status != status:
        raise Refused(
            "conflict",
            f"The version's status is {row.status}; {status} is needed.",
            detail_zh=f"该版本当前状态为 {row.status}，须为 {status}。",
        )


def _taken() -> Refused:
    return Refused(
        "conflict", "There is this version already.", detail_zh="该版本已存在。", field="version"
    )


def _not_found() -> Refused:
    return Refused("not_found", "There is no such methodology.", detail_zh="没有该方法学或版本。")
