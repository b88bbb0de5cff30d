"""Generated requests, right and wrong, to every operation of the OpenAPI, on a real connection.

Nothing may answer 5xx or otherwise than it is described, what is wrong is refused, and without
credentials nothing is given away. `make fuzz` tries more, and every edge of every schema.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import hypothesis
import pytest
import schemathesis
from background_exchange import BackgroundExchange, background_exchange
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks

from api import openapi
from api.app import create_app
from api.openapi_examples import BODY_EXAMPLES
from api.rate_limits import Policy
from api.settings import Settings
from api.strict_json import decode

EXAMPLES = int(os.environ.get("PUHUI_FUZZ_EXAMPLES", "0"))
# Who may do what begins with this path, the first that fits.
USERS = {
    "/v1/operator/": "operator",
    "/v1/compliance/obligations": "operator",
    "/v1/compliance/": "compliance",
    "/v1/quotes": "maker",
    "/v1/registry/methodologies": "registry",
    "/v1/registry/projects": "registry",
    "/v1/registry/batches": "registry",
    "/v1/registry/monitoring": "registry",
    "/v1/registry/imports": "registry",
    "/v1/registry/freezes": "registry",
    "/v1/registry/exports/": "registry",
    "/v1/registry/scenes": "registry",
    "/v1/registry/aggregations": "registry",
    "/v1/events": "organiser",
    "/v1/sessions": "auditor",
    "/": "enterprise",
}
# Not whether right data are taken: a right order may well be refused.
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
    openapi_checks.ignored_auth,
    openapi_checks.unsupported_method,
    openapi_checks.allow_header_conformance,
]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

APP = create_app(Settings(data_dir=Path("never-made"), demo=True))
schema = schemathesis.openapi.from_dict(APP.openapi())
schema.config.phases.coverage.enabled = EXAMPLES > 0
schema.config.generation.update(with_security_parameters=False)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundExchange]:
    """An exchange that counts wrong credentials, but has patience with them."""
    with background_exchange(
        tmp_path_factory.mktemp("exchange"),
        requests_per_second=1_000_000,
        orders_per_second=1_000_000,
    ) as running:
        limits = running.exchange.gateway.rate_limits
        limits.policies |= {name: Policy(name, 1_000_000, 60) for name in ("failures", "logins")}
        yield running


@schema.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES or 2,
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
def test_every_operation_keeps_its_description(
    case: schemathesis.Case, exchange: BackgroundExchange
) -> None:
    """Status, headers and content are as described; wrong data and missing credentials refused."""
    username = next(user for path, user in USERS.items() if case.path.startswith(path))
    headers = {"Authorization": f"Bearer {exchange.token(username)}"}
    case.call_and_validate(base_url=exchange.url, headers=headers, checks=CHECKS)


def test_other_methods_are_named(exchange: BackgroundExchange) -> None:
    """What a path does not do is refused with 405 and the list of what it does."""
    wrong = []
    with httpx.Client(base_url=exchange.url, trust_env=False) as client:
        for path, described in schema.raw_schema["paths"].items():
            allowed = {method.upper() for method in described}
            for method in {*METHODS} - allowed:
                answer = client.request(method, path.replace("{", "").replace("}", ""))
                if answer.status_code in (400, 401):
                    continue  # another path with a variable in this place has the method
                found = set(answer.headers.get("Allow", "").split(", "))
                if answer.status_code != 405 or found != allowed:
                    wrong.append((method, path, answer.status_code, found))
    assert wrong == []


def test_every_body_has_an_example() -> None:
    """A reader sees what to send: an example that its route can read."""
    bodies = {openapi._body_type(route.dependant) for route in openapi._shown_routes(APP)} - {None}
    assert sorted({body.__name__ for body in bodies} - BODY_EXAMPLES.keys()) == []
    for body in bodies:
        decode(json.dumps(BODY_EXAMPLES[body.__name__]).encode(), body)
