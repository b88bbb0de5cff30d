"""The one exception by which settlement refuses a request; the API turns it into a problem.

And what is asked of every request that may be repeated under an idempotency key.
"""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - it is an answer, not a failure
    """The request is understood and refused; nothing has been changed.

    `code` is one of the codes of the public contract, `detail` an English sentence, `detail_zh` the
    Chinese one (where the code's own says too little), `field` the request's field at fault, and
    `extra` further members of the problem (a run's id, a limit).
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        detail_zh: str | None = None,
        **extra: str | int,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.detail_zh = detail_zh
        self.field = field
        self.extra = extra


def require_same_request(earlier: str, fingerprint: str) -> None:
    """Raises Refused if an idempotency key comes again with another request's fingerprint."""
    if earlier != fingerprint:
        raise Refused(
            "conflict",
            "This idempotency key was used for another request.",
            field="Idempotency-Key",
        )
