"""Asks other registries about pending exports, round after round: one gateway does so for all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import OperationalError

from api.core_client import CoreError
from settlement import outside_registry

if TYPE_CHECKING:
    from api.gateway import Gateway

ROUND_SECONDS = 5.0

logger = structlog.get_logger(__name__)


async def follow(exchange: Gateway) -> None:
    """Never ends. What a round does not settle waits for the next one, and for every start."""
    while exchange.outside_registries:
        if exchange.has_lease and exchange.core.connected:
            try:
                await asyncio.to_thread(
                    outside_registry.settle_exports,
                    exchange.database,
                    exchange.sync_core,
                    exchange.outside_registries,
                )
            except (CoreError, OperationalError) as error:
                logger.warning("exports_wait", why=str(error))
        await asyncio.sleep(ROUND_SECONDS)
