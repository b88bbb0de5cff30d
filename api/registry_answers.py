"""What the registry answers, as types: the part of api.answers that is its own."""

from __future__ import annotations

from typing import Literal

import msgspec


class Answer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of everything that is described here."""


class Methodology(Answer):
    code: str
    title: str
    version: str
    status: Literal["draft", "published", "withdrawn"]
    created_at: str


class Methodologies(Answer):
    items: list[Methodology]
    next_cursor: str | None


class Project(Answer):
    """`symbol` is null where the credits are not traded here; `labels` are confirmed facts."""

    project_id: str
    name: str
    methodology: str
    region: str
    type: str
    symbol: str | None
    labels: list[str]
    stage: Literal["listed", "validated", "registered", "closed"]
    created_at: str


class Projects(Answer):
    items: list[Project]
    next_cursor: str | None


class SerialSpan(Answer):
    """The first and the last serial."""

    start: str
    end: str


class SerialRange(Answer):
    start: str
    end: str
    quantity: str
    batch_id: str


class Batch(Answer):
    """An issue of credits; the reductions were made from `first_day` on."""

    batch_id: str
    project_id: str
    project: str
    methodology: str
    region: str
    symbol: str | None
    vintage: int
    first_day: str
    quantity: str
    serial_prefix: str
    serials: SerialSpan
    report_id: str | None
    origin: str | None
    issued_at: str


class Batches(Answer):
    items: list[Batch]
    next_cursor: str | None


class Quantities(Answer):
    """How much of a batch has which status."""

    held: str
    custody: str
    pledged: str
    frozen: str
    retired: str
    cancelled: str
    exported: str
    offered: str
    blocked: str
    pending_export: str


class BatchInFull(Batch):
    quantities: Quantities


class Holding(Answer):
    """A block of the account; a frozen one is in the hands of an unfinished operation.

    `set_aside_id` is the pledge, transfer to be accepted, freeze or export that keeps it.
    """

    block_id: str
    batch_id: str
    symbol: str | None
    project_id: str
    project: str
    methodology: str
    region: str
    vintage: int
    quantity: str
    serials: SerialSpan
    status: Literal["held", "custody", "pledged", "frozen", "offered", "blocked", "pending_export"]
    parent_block_id: str | None
    pledge_id: str | None
    set_aside_id: str | None


class Holdings(Answer):
    items: list[Holding]
    next_cursor: str | None


class Operation(Answer):
    """What was asked of the registry; `code` says why, where it was refused."""

    operation_id: str | None
    kind: Literal[
        "deposit",
        "withdrawal",
        "transfer",
        "transfer_request",
        "transfer_accept",
        "transfer_reject",
        "transfer_cancel",
        "pledge",
        "release",
        "freeze",
        "unfreeze",
        "freeze_cancel",
        "cancellation",
        "export",
        "export_confirm",
        "export_return",
        "reimport",
        "retirement",
        "surrender",
    ]
    status: Literal["pending", "reverting", "completed", "refused"]
    symbol: str | None
    quantity: str
    serials: list[SerialRange]
    created_at: str
    code: str | msgspec.UnsetType = msgspec.UNSET
    pledge_id: str | msgspec.UnsetType | None = msgspec.UNSET
    transfer_id: str | msgspec.UnsetType | None = msgspec.UNSET
    freeze_id: str | msgspec.UnsetType | None = msgspec.UNSET
    export_id: str | msgspec.UnsetType | None = msgspec.UNSET
    dry_run: bool | msgspec.UnsetType = msgspec.UNSET


class Retired(Answer):
    """What a certificate says; `details` come from the registry that it was imported from."""

    certificate_id: str | None
    kind: Literal["retirement", "surrender", "imported"]
    quantity: str
    beneficiary: str
    reason: str
    details: str | None
    event_id: str | None
    scheme: str | None
    year: int | None
    retired_at: str
    verify_path: str | None


class RetirementOperation(Retired):
    """A retirement or surrender: the operation and its certificate."""

    operation_id: str | None
    status: Literal["pending", "reverting", "completed", "refused"]
    symbol: str | None
    serials: list[SerialRange]
    created_at: str
    dry_run: bool | msgspec.UnsetType = msgspec.UNSET


class Credit(Answer):
    """Where a part of the retired credits came from."""

    batch_id: str
    vintage: int
    symbol: str | None
    project_id: str
    project: str
    methodology: str
    region: str
    type: str


class Certificate(Retired):
    serials: list[SerialRange]
    credits: list[Credit]


class Verification(Certificate):
    """A certificate that is genuine; one that is not is not found."""

    valid: bool


class Retirements(Answer):
    items: list[Certificate]
    next_cursor: str | None


# By method and path, as in api.answers.
REGISTRY_ANSWERS: dict[tuple[str, str], type] = {
    ("GET", "/v1/methodologies"): Methodologies,
    ("GET", "/v1/projects"): Projects,
    ("GET", "/v1/verify/{certificate_id}"): Verification,
    ("GET", "/v1/registry/batches"): Batches,
    ("GET", "/v1/registry/batches/{batch_id}"): BatchInFull,
    ("GET", "/v1/registry/retirements"): Retirements,
    ("GET", "/v1/registry/certificates"): Retirements,
    ("GET", "/v1/registry/retirements/{certificate_id}"): Certificate,
    ("GET", "/v1/registry/holdings"): Holdings,
    ("POST", "/v1/registry/methodologies"): Methodology,
    ("POST", "/v1/registry/projects"): Project,
    ("PUT", "/v1/registry/projects/{project_id}/labels"): Project,
    ("POST", "/v1/registry/batches"): Batch,
    ("POST", "/v1/registry/deposits"): Operation,
    ("POST", "/v1/registry/withdrawals"): Operation,
    ("POST", "/v1/registry/transfers"): Operation,
    ("POST", "/v1/registry/pledges"): Operation,
    ("POST", "/v1/registry/pledges/{pledge_id}/release"): Operation,
    ("POST", "/v1/registry/retirements"): RetirementOperation,
}
