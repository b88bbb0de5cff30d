"""Requests to move cash, on every database."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from settlement import cash_requests, identity
from settlement.database import Database
from settlement.errors import Refused


def test_cash_waits_for_a_second_person(database: Database) -> None:
    """A pending request is decided once, by somebody else; a key gives the same request again."""
    database.write(lambda session: identity.create_account(session, "firm", "A firm")).result()

    def ask(session: Session) -> tuple[str, bool]:
        request, replayed = cash_requests.ask(
            session,
            1,
            "deposit",
            500,
            requested_by="one",
            needs_approval=True,
            idempotency_key="k",
        )
        return request.request_id, replayed

    request_id, replayed = database.write(ask).result()
    assert not replayed
    assert database.write(ask).result() == (request_id, True)

    def decide(by: str) -> str:
        return database.write(
            lambda session: cash_requests.decide(session, request_id, by, approve=True).status
        ).result()

    with pytest.raises(Refused, match="forbidden"):
        decide("one")
    assert decide("two") == "approved"
    with pytest.raises(Refused, match="conflict"):
        decide("three")
    database.write(lambda session: cash_requests.close(session, request_id, None)).result()
    with database.read() as session:
        [found] = cash_requests.page(session, "completed", 2**62, 10)
        assert (found.request_id, found.account.code) == (request_id, "firm")
