"""The one exception of this package: what the exchange refused, or what became unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Problem(Exception):  # noqa: N818 - named after RFC 9457
    """A request that was refused, could not be sent, or was not answered.

    `code` is one of the exchange's codes. Two of them may also come from here: after
    `service_unavailable` nothing was done; after `execution_unknown` it may have been.
    `members` has the whole answer.
    """

    def __init__(self, code: str, detail: str, status: int, **members: Any) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.status = status
        self.members = members

    @property
    def field(self) -> str | None:
        """The member of the body, or the parameter, that is meant."""
        found: str | None = self.members.get("field")
        return found

    @property
    def retry_after_ms(self) -> int | None:
        """How long to wait before asking again, if the exchange said so."""
        found: int | None = self.members.get("retry_after_ms")
        return found


def not_sent(why: object) -> Problem:
    """The request never left, or was not taken: nothing was done."""
    return Problem("service_unavailable", f"The exchange cannot be reached: {why!r}", 503)


def unanswered(why: object) -> Problem:
    """The request may have been carried out, or may still be."""
    return Problem("execution_unknown", f"There was no answer: {why!r}", 504)


def read_problem(members: Mapping[str, Any]) -> Problem:
    """A problem as the exchange wrote it."""
    known = {name: members[name] for name in ("code", "detail", "status")}
    return Problem(**known, **{name: members[name] for name in members if name not in known})


def problem_of_answer(status: int, content: bytes) -> Problem:
    """The problem of an answer with an error's status, whoever wrote it."""
    try:
        return read_problem(msgspec.json.decode(content, type=dict[str, Any]))
    except (msgspec.DecodeError, KeyError):
        # A proxy's page. What a server error of unknown origin did, nobody knows.
        detail = content[:200].decode(errors="replace")
        if status >= 500:
            return unanswered(f"{status} {detail}")
        return Problem("invalid_request", detail, status)
