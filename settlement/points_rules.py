"""The public rules of points, read from points_rules.toml: every version there ever was."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from engine.times import day_date, day_number, utc_moment
from settlement.errors import Refused

_ZONE = ZoneInfo("Asia/Shanghai")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Scene(_Strict):
    """What persons do, and what a unit of it reduces."""

    scene: str
    title: str
    title_zh: str
    unit: str
    grams_per_unit: int = Field(ge=1)
    source: str
    verified: bool

    def reduction_grams(self, amount_milli: int) -> int:
        """What so many thousandths of a unit reduce, rounded down."""
        return amount_milli * self.grams_per_unit // 1_000


class Reward(_Strict):
    """What points can be spent on."""

    reward: str
    title: str
    title_zh: str
    points: int = Field(ge=1)


class Version(_Strict):
    """The rules from their first day on, until the next version's."""

    version: str
    first_day: date
    grams_per_point: int = Field(ge=1)
    scenes: tuple[Scene, ...] = Field(strict=False)
    rewards: tuple[Reward, ...] = Field(strict=False)

    def scene(self, name: str) -> Scene:
        """A scene by its name. Raises Refused."""
        for each in self.scenes:
            if each.scene == name:
                return each
        raise Refused(
            "not_found", "There is no such scene.", detail_zh="没有该场景。", field="scene"
        )

    def reward(self, name: str) -> Reward:
        """A reward by its name. Raises Refused."""
        for each in self.rewards:
            if each.reward == name:
                return each
        raise Refused(
            "not_found", "There is no such reward.", detail_zh="没有该兑换项目。", field="reward"
        )


@cache
def versions() -> tuple[Version, ...]:
    """All versions, the newest first."""
    text = resources.files("settlement").joinpath("points_rules.toml").read_text("utf-8")
    found = [Version.model_validate(each) for each in tomllib.loads(text)["versions"]]
    return tuple(sorted(found, key=lambda each: each.first_day, reverse=True))


def day_of(time_ns: int) -> int:
    """The day of a moment where persons and organisations live."""
    return day_number(utc_moment(time_ns).astimezone(_ZONE).date())


def version_of(day: int) -> Version:
    """The rules of a day, as days since 1970. Raises Refused before the first ones."""
    for each in versions():
        if each.first_day <= day_date(day):
            return each
    raise Refused(
        "invalid_request",
        "There were no rules on this day.",
        detail_zh="该日尚无积分规则。",
        field="day",
    )
