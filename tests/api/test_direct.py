"""Which routes are called past FastAPI's router: only those that lose nothing by it."""

from __future__ import annotations

import inspect

from api.app import create_app
from api.direct import direct_routes
from api.settings import Settings


def test_orders_are_direct() -> None:
    """What is hot is there, with its dependencies in the order of the endpoint's parameters."""
    found = direct_routes(create_app(Settings()))
    order = found["POST", "/v1/orders"]
    names = [name for name, _ in order.dependencies]
    assert names == list(inspect.signature(order.endpoint).parameters)
    assert {("PUT", "/v1/quotes"), ("POST", "/v1/orders/batch")} <= found.keys()


def test_others_stay_with_the_router() -> None:
    """Parameters, endpoints that belong into threads, and answers that are yet to be encoded."""
    found = direct_routes(create_app(Settings()))
    assert ("GET", "/v1/orders") not in found  # parameters of the query
    assert ("POST", "/v1/block-trades") not in found  # waits for the database
    assert ("POST", "/v1/cancel-after") not in found  # a dictionary
    assert all("{" not in path for _, path in found)
