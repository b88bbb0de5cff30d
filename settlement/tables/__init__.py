"""The tables, one module for each area; importing this package registers all of them."""

from settlement.tables import (
    clearing,
    compliance,
    identity,
    ledger,
    market_rules,
    registry,
    trading,
)
from settlement.tables.base import Base

__all__ = [
    "Base",
    "clearing",
    "compliance",
    "identity",
    "ledger",
    "market_rules",
    "registry",
    "trading",
]
