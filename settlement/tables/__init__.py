"""The tables, one module for each area; importing this package registers all of them."""

from settlement.tables import (
    clearing,
    compliance,
    events,
    identity,
    ledger,
    market_rules,
    negotiated,
    oversight,
    registry,
    trading,
)
from settlement.tables.base import Base

__all__ = [
    "Base",
    "clearing",
    "compliance",
    "events",
    "identity",
    "ledger",
    "market_rules",
    "negotiated",
    "oversight",
    "registry",
    "trading",
]
