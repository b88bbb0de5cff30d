"""The tables, one module for each area; importing this package registers all of them."""

from importlib import import_module
from importlib.util import find_spec

from settlement.tables.base import Base

__all__ = ["Base"]

for _area in ("trading", "ledger", "clearing", "registry", "compliance", "identity"):
    # While the areas are being built, one that is not there yet is no obstacle to the others.
    if find_spec(f"{__name__}.{_area}"):
        import_module(f"{__name__}.{_area}")
