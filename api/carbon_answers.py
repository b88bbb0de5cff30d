"""What carbon accounts and points answer, as types: the part of api.answers that is its own."""

from __future__ import annotations

from typing import Literal

from api.registry_answers import Answer


class CarbonEntry(Answer):
    """What an organisation states; tonnes with three decimals."""

    entry_id: str
    year: int
    kind: Literal["emission", "reduction"]
    category: str
    quantity: str
    evidence: str
    replaces: str | None
    created_at: str


class CarbonEntries(Answer):
    items: list[CarbonEntry]
    next_cursor: str | None


class CarbonAccount(Answer):
    """An organisation's year in tonnes; `net` is emissions less what was retired for itself."""

    account: str
    name: str
    year: int
    emissions: str
    emissions_by_category: dict[str, str]
    reductions: str
    reductions_by_category: dict[str, str]
    retired: str
    retired_for_others: str
    certificates: list[str]
    net: str


class HeldCredit(Answer):
    project_id: str
    project: str
    methodology: str
    batch_id: str
    vintage: int
    status: str
    quantity: str


class CarbonStatement(CarbonAccount):
    kind: Literal["carbon_statement"]
    as_of: str
    holdings: list[HeldCredit]


class SignedStatement(Answer):
    """Signed as certificates are: Ed25519 over `certificate` as sorted, compact JSON."""

    certificate: CarbonStatement
    public_key: str
    signature: str


class PersonalCarbonAccount(Answer):
    account: str
    consents_to_aggregation: bool
    reduction_kg: str
    points: int


class PersonalAct(Answer):
    """An act as it was converted; `in_batch` once it is part of issued credits."""

    scene: str
    act_id: str
    day: str
    amount: str
    reduction_kg: str
    points: int
    rules_version: str
    in_batch: bool


class PersonalActs(Answer):
    items: list[PersonalAct]
    next_cursor: str | None


class PointsScene(Answer):
    scene: str
    title: str
    title_zh: str
    unit: str
    grams_per_unit: int
    source: str
    verified: bool


class PointsReward(Answer):
    reward: str
    title: str
    title_zh: str
    points: int


class PointsVersion(Answer):
    """The rules from `first_day` on, until the next version's."""

    version: str
    first_day: str
    grams_per_point: int
    scenes: list[PointsScene]
    rewards: list[PointsReward]


class PointsRules(Answer):
    items: list[PointsVersion]
    next_cursor: str | None


class PointsEntry(Answer):
    entry_id: str
    kind: Literal["earned", "redeemed"]
    points: int
    reward: str | None
    time: str


class PointsEntries(Answer):
    items: list[PointsEntry]
    next_cursor: str | None


class SceneOperator(Answer):
    scene: str
    account: str
    allowed: bool


class Aggregation(Answer):
    """Many persons' acts made one batch; what is no whole tonne is carried to the next one."""

    batch_id: str
    project_id: str
    year: int
    persons: int
    acts: int
    reduction_kg: str
    brought_kg: str
    carried_kg: str


# By method and path, as in api.answers.
CARBON_ANSWERS: dict[tuple[str, str], type] = {
    ("POST", "/v1/carbon/entries"): CarbonEntry,
    ("GET", "/v1/carbon/entries"): CarbonEntries,
    ("GET", "/v1/carbon/account"): CarbonAccount,
    ("GET", "/v1/carbon/statement"): SignedStatement,
    ("GET", "/v1/carbon/person"): PersonalCarbonAccount,
    ("PUT", "/v1/carbon/person"): PersonalCarbonAccount,
    ("GET", "/v1/carbon/acts"): PersonalActs,
    ("GET", "/v1/points/rules"): PointsRules,
    ("POST", "/v1/points/reports"): PersonalActs,
    ("GET", "/v1/points/entries"): PointsEntries,
    ("POST", "/v1/points/redemptions"): PointsEntry,
    ("PUT", "/v1/registry/scenes/{scene}/operators/{operator}"): SceneOperator,
    ("DELETE", "/v1/registry/scenes/{scene}/operators/{operator}"): SceneOperator,
    ("POST", "/v1/registry/aggregations"): Aggregation,
}
