"""What the registry answers on the way to an issue and about credits set aside, as types."""

from __future__ import annotations

from typing import Literal

from api.registry_answers import (
    Answer,
    Batch,
    Methodology,
    Operation,
    Project,
    SerialRange,
)


class Vote(Answer):
    expert: str
    choice: Literal["approve", "reject", "abstain"]
    reason: str | None


class MethodologyVersion(Answer):
    """A version from its draft to the committee's decision."""

    code: str
    version: str
    title: str
    summary: str
    status: Literal["draft", "review", "vote", "recorded", "rejected"]
    drafted_by: str
    review: str | None
    votes: list[Vote]
    created_at: str
    decided_at: str | None


class MethodologyInFull(Methodology):
    versions: list[MethodologyVersion]


class MonitoringReport(Answer):
    """What a project reduced from the first to the last day, what was verified and issued of it."""

    report_id: str
    project_id: str
    source: str
    first_day: str
    last_day: str
    claimed_quantity: str
    verified_quantity: str
    issued_quantity: str
    status: Literal["submitted", "verified", "rejected"]
    verifier: str | None
    created_at: str
    decided_at: str | None


class ProjectInFull(Project):
    reports: list[MonitoringReport]


class Stages(Answer):
    """How many projects there are of each stage."""

    listed: int
    validated: int
    registered: int
    closed: int


class Region(Answer):
    region: str
    projects: Stages
    issued_quantity: str


class Regions(Answer):
    items: list[Region]
    next_cursor: str | None


class SerialMovement(Answer):
    """A change of a range of serials; `kind` is the operation that made it."""

    kind: str
    block_id: str
    parent_block_id: str | None
    from_status: str | None
    to_status: str
    changes_holder: bool
    serials: SerialRange
    time: str


class Lineage(Answer):
    items: list[SerialMovement]
    next_cursor: str | None


class SetAside(Answer):
    """A transfer to be accepted, a freeze or an export; `status` is open until it is decided."""

    operation_id: str
    kind: Literal["transfer_request", "freeze", "export"]
    account: str
    to_account: str | None
    to_registry: str | None
    reason: str | None
    status: Literal[
        "pending",
        "open",
        "accepted",
        "rejected",
        "cancelled",
        "released",
        "exported",
        "returned",
        "reimported",
    ]
    symbol: str | None
    quantity: str
    serials: list[SerialRange]
    created_at: str


class AllSetAside(Answer):
    items: list[SetAside]
    next_cursor: str | None


_VERSION = "/v1/registry/methodologies/{code}/versions/{version}"

# By method and path, as in api.answers.
REGISTRY_WORK_ANSWERS: dict[tuple[str, str], type] = {
    ("GET", "/v1/methodologies/{code}"): MethodologyInFull,
    ("POST", "/v1/registry/methodologies/{code}/versions"): MethodologyVersion,
    ("POST", f"{_VERSION}/submit"): MethodologyVersion,
    ("POST", f"{_VERSION}/review"): MethodologyVersion,
    ("POST", f"{_VERSION}/votes"): MethodologyVersion,
    ("POST", f"{_VERSION}/decision"): MethodologyVersion,
    ("POST", "/v1/registry/methodologies/{code}/withdraw"): Methodology,
    ("GET", "/v1/projects/regions"): Regions,
    ("GET", "/v1/projects/{project_id}"): ProjectInFull,
    ("PUT", "/v1/registry/projects/{project_id}/stage"): Project,
    ("POST", "/v1/registry/projects/{project_id}/monitoring"): MonitoringReport,
    ("POST", "/v1/registry/monitoring/{report_id}/verification"): MonitoringReport,
    ("GET", "/v1/registry/batches/{batch_id}/lineage"): Lineage,
    ("GET", "/v1/registry/transfers"): AllSetAside,
    ("GET", "/v1/registry/freezes"): AllSetAside,
    ("GET", "/v1/registry/exports"): AllSetAside,
    ("POST", "/v1/registry/imports"): Batch,
    **{
        ("POST", f"/v1/registry/{path}"): Operation
        for path in (
            "transfers/{transfer_id}/accept",
            "transfers/{transfer_id}/reject",
            "transfers/{transfer_id}/cancel",
            "cancellations",
            "freezes",
            "freezes/{freeze_id}/release",
            "freezes/{freeze_id}/cancel",
            "exports",
            "exports/{export_id}/confirm",
            "exports/{export_id}/return",
            "exports/{export_id}/reimport",
        )
    },
}
