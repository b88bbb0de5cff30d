"""Routes that are reached past FastAPI's router, which costs more than what most of them do.

They are declared like all others, and OpenAPI shows them from there. Those whose path is fixed,
that answer with a finished response and depend on nothing but the request are found by their path
here, and their dependencies asked in the order in which FastAPI would.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response


class DirectRoute(NamedTuple):
    """A route, and what its parameters are: dependencies by name, and where the request goes."""

    route: APIRoute
    endpoint: Callable[..., Awaitable[Response]]
    dependencies: tuple[tuple[str, Callable[[Request], Awaitable[Any]]], ...]
    request_name: str | None

    async def call(self, request: Request) -> Response:
        """The answer. Raises what the dependencies and the endpoint raise."""
        values = {name: await dependency(request) for name, dependency in self.dependencies}
        if self.request_name is not None:
            values[self.request_name] = request
        return await self.endpoint(**values)


# By method and path.
DirectRoutes = dict[tuple[str, str], DirectRoute]


def direct_routes(app: FastAPI) -> DirectRoutes:
    """Those of the application's routes that can be called at once."""
    found: DirectRoutes = {}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if not isinstance(route, APIRoute) or not _is_direct(context.dependant, route):
            continue
        dependencies = tuple(
            (each.name, each.call) for each in context.dependant.dependencies if each.name
        )
        direct = DirectRoute(
            route, route.endpoint, dependencies, context.dependant.request_param_name
        )
        assert context.path_format is not None, "every route of an interface has a path"
        for method in context.methods or ():
            found[method, context.path_format] = direct
    return found


def _is_direct(dependant: Dependant, route: APIRoute) -> bool:
    return (
        _asks_for_nothing_else(dependant)
        and inspect.iscoroutinefunction(route.endpoint)  # others belong into threads
        and inspect.signature(route.endpoint, eval_str=True).return_annotation is Response
        and all(
            _asks_for_nothing_else(each)
            and not each.dependencies
            and each.name is not None
            and each.request_param_name is not None
            and inspect.iscoroutinefunction(each.call)
            for each in dependant.dependencies
        )
    )


def _asks_for_nothing_else(dependant: Dependant) -> bool:
    """Only for the request and for dependencies."""
    return not (
        dependant.path_params
        or dependant.query_params
        or dependant.header_params
        or dependant.cookie_params
        or dependant.body_params
        or dependant.websocket_param_name
        or dependant.http_connection_param_name
        or dependant.response_param_name
        or dependant.background_tasks_param_name
        or dependant.security_scopes_param_name
    )
