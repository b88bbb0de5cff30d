"""The double-entry ledger: accounts, transactions, entries."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from settlement.tables.base import Base
from settlement.tables.trading import SYMBOL_LENGTH


class LedgerAccount(Base):
    """Who an entry belongs to; `owner` is a participant's account number and 0 for the rest."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (UniqueConstraint("kind", "owner"),)

    account_id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    owner: Mapped[int]


class LedgerTransaction(Base):
    """Entries that belong together; the posting key is what makes a repetition harmless."""

    __tablename__ = "ledger_transactions"
    __table_args__ = (Index("ix_ledger_transactions_run_id_symbol", "run_id", "symbol"),)

    transaction_id: Mapped[int] = mapped_column(primary_key=True)
    posting_key: Mapped[str] = mapped_column(String(80), unique=True)
    kind: Mapped[str] = mapped_column(String(24))
    time_ns: Mapped[int]
    sequence: Mapped[int] = mapped_column(index=True)  # of the command behind it; 0: a run's
    run_id: Mapped[str | None] = mapped_column(String(36))
    symbol: Mapped[str | None] = mapped_column(String(SYMBOL_LENGTH))


class LedgerEntry(Base):
    """An amount of one asset: fen of CNY, or lots of an instrument's credits."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount_not_zero"),
        Index("ix_ledger_entries_account_id_asset", "account_id", "asset"),
    )

    entry_id: Mapped[int] = mapped_column(primary_key=True)
    transaction_id: Mapped[int] = mapped_column(
        ForeignKey("ledger_transactions.transaction_id"), index=True
    )
    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_accounts.account_id"))
    asset: Mapped[str] = mapped_column(String(SYMBOL_LENGTH))
    amount: Mapped[int]
