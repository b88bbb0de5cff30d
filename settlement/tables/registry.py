"""The registry: where credits come from, who holds which serials, and what became of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from settlement.tables.base import Base
from settlement.tables.trading import SYMBOL_LENGTH

CODE_LENGTH = 64
NAME_LENGTH = 300
TEXT_LENGTH = 2000
OPERATION_ID_LENGTH = 36
CERTIFICATE_ID_LENGTH = 32
REFERENCE_LENGTH = 100


class Methodology(Base):
    """How a kind of reduction is quantified; a pair that a registry names together is one."""

    __tablename__ = "methodologies"

    number: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(CODE_LENGTH), unique=True)
    title: Mapped[str] = mapped_column(String(NAME_LENGTH))
    version: Mapped[str] = mapped_column(String(CODE_LENGTH))
    status: Mapped[str] = mapped_column(String(16))
    created_time_ns: Mapped[int]


class Project(Base):
    """What reduces emissions by a methodology; its issues go to `account`."""

    __tablename__ = "projects"

    number: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(String(CODE_LENGTH), unique=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    methodology: Mapped[str] = mapped_column(ForeignKey("methodologies.code"), index=True)
    region: Mapped[str] = mapped_column(String(CODE_LENGTH))
    type: Mapped[str] = mapped_column(String(NAME_LENGTH))
    # Where its credits trade; none: they can be held and retired, but not deposited.
    symbol: Mapped[str | None] = mapped_column(String(SYMBOL_LENGTH), index=True)
    account: Mapped[int]
    # What the registrar confirms of it, in the words of settlement/credit_terms.toml.
    labels: Mapped[list[str]] = mapped_column(JSON, server_default="[]")
    # Its place in the pipeline: listed, validated, registered or closed; only the third issues.
    stage: Mapped[str] = mapped_column(String(16), server_default="registered")
    created_time_ns: Mapped[int]


class Batch(Base):
    """One issue: a contiguous range of serial numbers of one project and vintage."""

    __tablename__ = "batches"
    __table_args__ = (
        UniqueConstraint("number_space", "first_number"),
        UniqueConstraint("number_space", "last_number"),
        CheckConstraint("first_number >= 1", name="first_number"),
        CheckConstraint("last_number >= first_number", name="order"),
        CheckConstraint("quantity = last_number - first_number + 1", name="quantity"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(String(CODE_LENGTH), unique=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.project_id"), index=True)
    vintage: Mapped[int]
    # The first day on which its reductions were made; none: the first of the vintage's year.
    first_day: Mapped[int | None]
    quantity: Mapped[int]
    serial_prefix: Mapped[str] = mapped_column(String(CODE_LENGTH))
    # Within which numbers are unique: ranges of one space never meet.
    number_space: Mapped[str] = mapped_column(String(CODE_LENGTH))
    # A serial as text, with "{number}" where its number stands.
    serial_template: Mapped[str] = mapped_column(String(200))
    first_number: Mapped[int]
    last_number: Mapped[int]
    issued_time_ns: Mapped[int]
    # The registrar's idempotency key: a repeated request issues nothing twice.
    issue_key: Mapped[str | None] = mapped_column(String(200), unique=True)
    # The verified report that it was issued for, or the registry that it came from.
    report_id: Mapped[str | None] = mapped_column(String(CODE_LENGTH), index=True)
    origin: Mapped[str | None] = mapped_column(String(CODE_LENGTH))
    project: Mapped[Project] = relationship(lazy="joined", innerjoin=True)

    def serial(self, number: int) -> str:
        """One of the batch's serials as text."""
        return self.serial_template.replace("{number}", str(number))


class Block(Base):
    """A contiguous part of a batch with one holder and one status.

    Blocks of a batch partition its range at all times. A split cuts the first numbers off into a
    new block that names this one as its parent; nothing is ever merged or deleted.
    """

    __tablename__ = "blocks"
    __table_args__ = (
        # Two ranges that overlap without sharing an end are refused by a trigger.
        UniqueConstraint("batch_number", "start_number"),
        UniqueConstraint("batch_number", "end_number"),
        CheckConstraint("start_number >= 1", name="start_number"),
        CheckConstraint("end_number >= start_number", name="order"),
        CheckConstraint("quantity = end_number - start_number + 1", name="quantity"),
        CheckConstraint(
            "status in ('held', 'custody', 'pledged', 'frozen', 'retired', 'cancelled',"
            " 'exported')",
            name="status",
        ),
        CheckConstraint(
            "(status = 'frozen') = (previous_status is not null)", name="previous_status"
        ),
        CheckConstraint("(status = 'retired') = (certificate_id is not null)", name="certificate"),
        Index("ix_blocks_holder_account_status", "holder_account", "status"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    batch_number: Mapped[int] = mapped_column(ForeignKey("batches.number"))
    start_number: Mapped[int]
    end_number: Mapped[int]
    quantity: Mapped[int]
    holder_account: Mapped[int]
    status: Mapped[str] = mapped_column(String(16))
    parent_number: Mapped[int | None] = mapped_column(ForeignKey("blocks.number"))
    # The operation that keeps a frozen or pledged block from any other use: "pledged" is all that
    # is set aside, and the operation's kind says for what.
    operation_id: Mapped[str | None] = mapped_column(
        ForeignKey("operations.operation_id"), index=True
    )
    previous_status: Mapped[str | None] = mapped_column(String(16))
    certificate_id: Mapped[str | None] = mapped_column(
        ForeignKey("retirements.certificate_id"), index=True
    )
    batch: Mapped[Batch] = relationship(lazy="joined", innerjoin=True)


class Movement(Base):
    """One change of a block's holder or status: the whole history of every serial number."""

    __tablename__ = "movements"

    number: Mapped[int] = mapped_column(primary_key=True)
    # The operation, settlement run or batch that caused it.
    reference: Mapped[str] = mapped_column(String(REFERENCE_LENGTH), index=True)
    block_number: Mapped[int] = mapped_column(ForeignKey("blocks.number"), index=True)
    batch_number: Mapped[int] = mapped_column(ForeignKey("batches.number"))
    start_number: Mapped[int]
    end_number: Mapped[int]
    from_account: Mapped[int | None]
    from_status: Mapped[str | None] = mapped_column(String(16))
    to_account: Mapped[int]
    to_status: Mapped[str] = mapped_column(String(16))
    time_ns: Mapped[int]
    batch: Mapped[Batch] = relationship(lazy="joined", innerjoin=True)


class Operation(Base):
    """Something an account asked of the registry, from its acceptance to its one outcome."""

    __tablename__ = "operations"
    __table_args__ = (
        UniqueConstraint("account", "idempotency_key"),
        CheckConstraint(
            "status in ('pending', 'reverting', 'completed', 'refused')", name="status"
        ),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    operation_id: Mapped[str] = mapped_column(String(OPERATION_ID_LENGTH), unique=True)
    account: Mapped[int] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(String(16))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)  # the request, as it was made
    idempotency_key: Mapped[str | None] = mapped_column(String(128))
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16), index=True)
    symbol: Mapped[str | None] = mapped_column(String(SYMBOL_LENGTH))
    quantity: Mapped[int]
    # What becomes of the blocks that it froze.
    target_status: Mapped[str] = mapped_column(String(16))
    target_account: Mapped[int]
    # Who else is concerned, such as the receiver of a transfer that is to be accepted.
    counterparty: Mapped[int | None] = mapped_column(index=True)
    # How what was set aside came to its end; none: it is still set aside, or never was.
    outcome: Mapped[str | None] = mapped_column(String(16))
    # Commands for the engine, in order: [kind, quantity, instrument, scheme].
    steps: Mapped[list[list[int]]] = mapped_column(JSON)
    # When a step is refused: how many came before it, to be reverted, and the refusal.
    steps_done: Mapped[int] = mapped_column(default=0)
    refused_code: Mapped[int | None]
    # What the certificate shall say, where the blocks are retired.
    certificate: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_time_ns: Mapped[int]
    completed_time_ns: Mapped[int | None]


class Delivery(Base):
    """An end-of-day delivery that has been made; its key makes a second one do nothing."""

    __tablename__ = "deliveries"

    run_key: Mapped[str] = mapped_column(String(REFERENCE_LENGTH), primary_key=True)
    symbol: Mapped[str] = mapped_column(String(SYMBOL_LENGTH))
    quantity: Mapped[int]
    fingerprint: Mapped[str] = mapped_column(String(64))
    time_ns: Mapped[int]


class Retirement(Base):
    """Credits used for good, and the certificate that says so."""

    __tablename__ = "retirements"
    __table_args__ = (CheckConstraint("quantity >= 1", name="quantity"),)

    number: Mapped[int] = mapped_column(primary_key=True)
    certificate_id: Mapped[str] = mapped_column(String(CERTIFICATE_ID_LENGTH), unique=True)
    account: Mapped[int] = mapped_column(index=True)
    # The operation, or the imported record, that it came from.
    source: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(16))  # retirement, surrender or imported
    quantity: Mapped[int]
    beneficiary: Mapped[str] = mapped_column(String(TEXT_LENGTH))
    reason: Mapped[str] = mapped_column(String(TEXT_LENGTH))
    details: Mapped[str | None] = mapped_column(String(TEXT_LENGTH))
    event_id: Mapped[str | None] = mapped_column(String(CODE_LENGTH), index=True)
    scheme: Mapped[str | None] = mapped_column(String(CODE_LENGTH))
    year: Mapped[int | None]
    time_ns: Mapped[int]
