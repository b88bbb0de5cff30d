"""The gateway's web application: routes, handlers, pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api import metrics, openapi, pages, streams
from api.direct import DirectRoutes, direct_routes
from api.edge import Edge
from api.errors import Problem, install_handlers
from api.gateway import Gateway, gateway
from api.routes import (
    accounts,
    auctions,
    block_trades,
    breaks,
    carbon,
    complaints,
    compliance,
    disclosure,
    events,
    fills,
    keys,
    limits,
    market,
    market_rules,
    operator,
    orders,
    public_registry,
    registry,
    registry_transfers,
    registry_work,
    sessions,
    settlements,
    surveillance,
)
from api.settings import Settings

# Orders come first: routes are tried in this order.
_ROUTES = (
    orders,
    streams,
    fills,
    market,
    block_trades,
    auctions,
    market_rules,
    sessions,
    keys,
    registry,
    registry_transfers,
    registry_work,
    public_registry,
    carbon,
    compliance,
    events,
    settlements,
    disclosure,
    complaints,
    surveillance,
    breaks,
    limits,
    accounts,
    operator,
)


def create_app(settings: Settings) -> FastAPI:
    """The application of one gateway process; it connects to the core when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        exchange = Gateway(settings)
        app.state.gateway = exchange
        try:
            await exchange.start()
            yield
        finally:
            await exchange.stop()

    app = FastAPI(
        title="Puhui 普惠",
        version="1",
        summary="An exchange for carbon-inclusion credits",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    direct: DirectRoutes = {}
    app.add_middleware(Edge, direct=direct)
    install_handlers(app)
    for module in _ROUTES:
        app.include_router(module.router, prefix="/v1")
    direct.update(direct_routes(app))
    _add_health(app)
    pages.install(app)
    app.add_route("/asyncapi.yaml", streams.document, include_in_schema=False)
    openapi.install(app)
    return app


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def health() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readiness(exchange: Annotated[Gateway, Depends(gateway)]) -> dict[str, str]:
        """The core is there and orders are taken."""
        if not (exchange.is_ready and exchange.core.connected):
            raise Problem("service_unavailable", retry_after_ms=1_000)
        return {"status": "ready"}

    @app.get("/metrics", include_in_schema=False)
    async def figures(exchange: Annotated[Gateway, Depends(gateway)]) -> Response:
        """For Prometheus."""
        return Response(await metrics.render(exchange), media_type=CONTENT_TYPE_LATEST)
