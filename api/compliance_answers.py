"""What compliance answers, as types: the part of api.answers that is its own."""

from __future__ import annotations

from typing import Any, Literal

from api.registry_answers import Answer, Certificate, RetirementOperation, SerialRange

Base = Literal["surrender_obligation", "actual_emissions", "allocation", "taxable_emissions"]


class AdmittedCredits(Answer):
    """A choice of credits: those that meet every field; an empty one asks nothing.

    Types, regions and labels are codes of settlement/credit_terms.toml. The dates are the first and
    the last day on which the reductions may have been made.
    """

    symbols: list[str]
    types: list[str]
    excluded_types: list[str]
    regions: list[str]
    excluded_regions: list[str]
    methodologies: list[str]
    labels: list[str]
    reductions_from: str | None
    reductions_until: str | None


class LimitOfPart(Answer):
    """`maximum` is a ratio of the base, of the cap, or of what is surrendered in all.

    It binds `credits`, or all credits other than `other_than`.
    """

    name: str
    name_zh: str
    maximum: str
    of: Literal["base", "cap", "surrendered"]
    credits: AdmittedCredits | None
    other_than: AdmittedCredits | None


class SchemeLimits(Answer):
    """A credit is admitted that any of `admitted` takes; `firm_limit` is in tonnes a year."""

    admitted: list[AdmittedCredits]
    parts: list[LimitOfPart]
    firm_limit: str | None
    application_deadline: str | None


class Scheme(Answer):
    """A scheme's rule for one compliance year.

    `unverified` names the figures that no official text confirms; `verified` says that there are
    none.
    """

    scheme: str
    name: str
    name_zh: str
    year: int
    open: bool
    ratio: str
    base: Base
    limits: SchemeLimits
    scheme_quota: str | None
    deadline: str
    note: str | None
    source: str
    verified: bool
    unverified: list[str]


class Schemes(Answer):
    items: list[Scheme]
    next_cursor: str | None


class Headroom(Answer):
    """`headroom` is what the cap and the scheme's quota leave; the latter is null without one."""

    scheme: str
    year: int
    cap: str
    used: str
    held: str
    open_orders: str
    headroom: str
    scheme_quota_left: str | None


class PartOfOffset(Answer):
    """How much of a part was surrendered, and how much more could be, if it came alone."""

    name: str
    name_zh: str
    used: str
    left: str


class ComplianceObligation(Answer):
    """What an account owes for a year, and where it stands.

    `shortfall` is the obligation less allowances surrendered elsewhere and offsets `used` here;
    `status` is `met` without one, and `in_default` if there is one after the deadline.
    """

    obligation_id: str
    account: str
    scheme: str
    name: str
    name_zh: str
    year: int
    base: Base
    base_quantity: str
    ratio: str
    cap: str
    used: str
    held: str
    open_orders: str
    headroom: str
    scheme_quota_left: str | None
    parts: list[PartOfOffset]
    obligation_quantity: str
    allowances_surrendered: str
    shortfall: str
    status: Literal["met", "open", "in_default"]
    penalised: bool
    application_deadline: str | None
    deadline: str
    updated_at: str


class ComplianceObligations(Answer):
    items: list[ComplianceObligation]
    next_cursor: str | None


class Surrender(Certificate):
    """A certificate of surrender, and whose it is."""

    account: str | None


class Surrenders(Answer):
    items: list[Surrender]
    next_cursor: str | None


class ComplianceAlert(Answer):
    """Something that should not wait; `days_left` is negative after the deadline."""

    kind: Literal["deadline", "application_deadline", "overdue", "held_above_limit"]
    level: Literal["notice", "warning", "urgent"]
    obligation_id: str
    account: str
    scheme: str
    name: str
    name_zh: str
    year: int
    shortfall: str
    until: str
    days_left: int
    detail: str
    detail_zh: str


class ComplianceAlerts(Answer):
    items: list[ComplianceAlert]
    next_cursor: str | None


class ShortfallTotal(Answer):
    """A scheme's year over all obligations; quantities are in tonnes."""

    scheme: str
    year: int
    obligations: int
    in_default: int
    penalised: int
    obligation_quantity: str
    allowances_surrendered: str
    used: str
    shortfall: str


class ComplianceShortfalls(Answer):
    """`items` are the obligations with a shortfall, `totals` count those without one, too."""

    items: list[ComplianceObligation]
    totals: list[ShortfallTotal]
    next_cursor: str | None


class ComplianceStanding(Answer):
    """As in Headroom."""

    cap: str
    used: str
    held: str
    open_orders: str
    headroom: str
    scheme_quota_left: str | None


class CompliancePreview(Answer):
    """What would be left; `problem` says why not, as the refusal itself would, where `allowed` is
    false. `serials` are the credits that a surrender would take."""

    scheme: str
    year: int
    action: Literal["purchase", "surrender"]
    quantity: str
    symbol: str | None
    allowed: bool
    before: ComplianceStanding
    after: ComplianceStanding | None
    serials: list[SerialRange]
    problem: dict[str, Any] | None


# By method and path, as in api.answers.
COMPLIANCE_ANSWERS: dict[tuple[str, str], type] = {
    ("GET", "/v1/schemes"): Schemes,
    ("GET", "/v1/compliance/headroom"): Headroom,
    ("GET", "/v1/compliance/obligations"): ComplianceObligations,
    ("POST", "/v1/compliance/obligations"): ComplianceObligation,
    ("PATCH", "/v1/compliance/obligations/{obligation_id}"): ComplianceObligation,
    ("GET", "/v1/compliance/surrenders"): Surrenders,
    ("POST", "/v1/compliance/surrenders"): RetirementOperation,
    ("POST", "/v1/compliance/preview"): CompliancePreview,
    ("GET", "/v1/compliance/alerts"): ComplianceAlerts,
    ("GET", "/v1/compliance/shortfalls"): ComplianceShortfalls,
}
