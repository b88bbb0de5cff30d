"""The tables, one module for each area; importing this package registers all of them."""

from settlement.tables import (
    carbon,
    clearing,
    compliance,
    events,
    identity,
    ledger,
    market_rules,
    negotiated,
    registry,
    registry_work,
    trading,
)
from settlement.tables.base import Base

__all__ = [
    "Base",
    "carbon",
    "clearing",
    "compliance",
    "events",
    "identity",
    "ledger",
    "market_rules",
    "negotiated",
    "registry",
    "registry_work",
    "trading",
]
