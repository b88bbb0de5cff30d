"""What each offset scheme allows and refuses, as tables that a policy person can read.

A scenario is one compliance year of a scheme. Its steps are surrenders, one after the other; what
was accepted counts against the steps below it. Refusals are named by their codes: `ABOVE` for more
than a limit leaves, `NOT_THESE` for credits that the scheme does not admit.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

OK, ABOVE, NOT_THESE = "accepted", "offset_cap_exceeded", "insufficient_credits"
ALPHA, BETA = "alpha", "beta"


class Credit(NamedTuple):
    """What is known of some credits; `first_day` is that of the reductions, where it is known."""

    symbol: str
    type: str
    region: str
    vintage: int = 2014
    labels: tuple[str, ...] = ()
    first_day: date | None = None


class Scenario(NamedTuple):
    scheme: str
    year: int
    base: int  # of each firm, in tonnes
    cap: int  # that follows from it
    last_day: str  # on which credits may be surrendered
    steps: tuple[tuple[str, int, str, str], ...]  # firm, tonnes, credits, outcome


CREDITS = {
    "PHCER of Guangdong": Credit("GD-PHCER", "分布式光伏", "广东", 2024),
    "XM-CER": Credit("XM-CER", "transport", "Xiamen", 2024),
    "wind of Gansu": Credit("CCER", "wind", "甘肃"),
    "wind of Gansu, 2024": Credit("CCER", "wind", "Gansu", 2024),
    "solar of Guangdong": Credit("CCER", "solar", "Guangdong"),
    "solar of Guangzhou": Credit("CCER", "solar", "广州"),
    "large hydro of Guangdong": Credit("CCER", "大型水电", "广东"),
    "small hydro of Guangdong": Credit("CCER", "hydro_small", "广东"),
    "fossil of Guangdong": Credit("CCER", "fossil", "广东"),
    "unknown type of Guangdong": Credit("CCER", "miscellaneous", "广东"),
    "solar of an unknown place": Credit("CCER", "solar", "Atlantis"),
    "wind of Hubei": Credit("CCER", "wind", "Hubei"),
    "small hydro of Hubei": Credit("CCER", "small hydropower", "湖北"),
    "medium hydro of Hubei": Credit("CCER", "hydro_medium", "湖北"),
    "large hydro of Hubei": Credit("CCER", "hydro_large", "湖北"),
    "hydro of Hubei, size unknown": Credit("CCER", "hydropower", "湖北"),
    "buses of Shenzhen": Credit("CCER", "transport", "深圳"),
    "buses of Gansu": Credit("CCER", "transport", "甘肃"),
    "wind of Hebei": Credit("CCER", "wind", "河北"),
    "forest of Hebei": Credit("CCER", "forestry", "河北"),
    "hydro of Gansu": Credit("CCER", "hydro", "甘肃"),
    "wind of Beijing, 2012": Credit("CCER", "wind", "Beijing", 2012),
    "wind of Beijing, 2013": Credit("CCER", "wind", "Beijing", 2013),
    "forest of Beijing, from 2005-02-15": Credit(
        "CCER", "forestry", "北京", 2005, first_day=date(2005, 2, 15)
    ),
    "forest of Beijing, from 2005-02-16": Credit(
        "CCER", "林业碳汇", "北京", 2005, first_day=date(2005, 2, 16)
    ),
    "wind outside boundaries, 2012": Credit(
        "CCER", "wind", "甘肃", 2012, ("outside_covered_boundaries",)
    ),
    "wind outside boundaries, 2013": Credit(
        "CCER", "wind", "甘肃", 2013, ("outside_covered_boundaries",)
    ),
    "CO2 alone, 2012": Credit("CCER", "wind", "甘肃", 2012, ("co2_only",)),
    "CO2 alone, 2013": Credit("CCER", "wind", "甘肃", 2013, ("co2_only",)),
    "CO2 alone, hydro": Credit("CCER", "hydro_small", "甘肃", 2013, ("co2_only",)),
    "Wuhan's own": Credit("WH-CER", "transport", "武汉", 2021),
    "Wuhan's product from elsewhere": Credit("WH-CER", "transport", "湖北", 2021),
    "CCER of Fujian": Credit("CCER", "solar", "福建"),
    "forest of Fujian": Credit("FFCER", "forestry", "Fujian", 2015),
    "forest product of Jiangxi": Credit("FFCER", "forestry", "江西", 2015),
    "CQCER": Credit("CQCER", "methane", "重庆", 2020),
    "with benefit to the state": Credit(
        "ARBOC", "forestry", "California", 2019, ("direct_state_benefit",)
    ),
    "without benefit to the state": Credit("ARBOC", "methane", "United States", 2019),
    "domestic": Credit("KOC", "methane", "Republic of Korea", 2019),
    "international": Credit("KOC", "cookstoves", "Ghana", 2019),
    "on the list": Credit("ICC", "cookstoves", "Ghana", 2024, ("singapore_eligible",)),
    "on the list, 2021": Credit("ICC", "cookstoves", "Ghana", 2021, ("singapore_eligible",)),
    "on the list, 2020": Credit("ICC", "cookstoves", "Ghana", 2020, ("singapore_eligible",)),
    "on the list, 2030": Credit("ICC", "cookstoves", "Ghana", 2030, ("singapore_eligible",)),
    "on the list, 2031": Credit("ICC", "cookstoves", "Ghana", 2031, ("singapore_eligible",)),
    "not on the list": Credit("ICC", "cookstoves", "Ghana", 2024),
}


def _cap(credits: str, cap: int, firm: str = ALPHA) -> tuple[tuple[str, int, str, str], ...]:
    """Below, above and at the cap, and above it again, with credits that nothing else limits."""
    return (
        (firm, cap - 1, credits, OK),
        (firm, 2, credits, ABOVE),
        (firm, 1, credits, OK),
        (firm, 1, credits, ABOVE),
    )


def _refused(*names: str) -> tuple[tuple[str, int, str, str], ...]:
    """Credits of which not a tonne is admitted."""
    return tuple((ALPHA, 1, name, NOT_THESE) for name in names)


# Hydro and fossil power, other pilots, and what nobody can tell.
_NOT_IN_GUANGDONG = _refused(
    "large hydro of Guangdong",
    "small hydro of Guangdong",
    "fossil of Guangdong",
    "unknown type of Guangdong",
    "wind of Hubei",
    "buses of Shenzhen",
    "solar of an unknown place",
    "XM-CER",
)

SCENARIOS = (
    Scenario(
        *("demo", 2026, 1_000, 50, "2027-12-31"),
        (*_refused("wind of Gansu, 2024"), *_cap("PHCER of Guangdong", 50)),
    ),
    Scenario(
        *("national", 2021, 1_000, 50, "2023-12-31"),
        (*_refused("PHCER of Guangdong"), *_cap("wind of Gansu", 50)),
    ),
    Scenario(
        *("national", 2025, 999, 49, "2026-12-31"),
        (*_refused("PHCER of Guangdong"), *_cap("wind of Gansu, 2024", 49)),
    ),
    Scenario(
        *("guangdong", 2016, 1_000, 100, "2017-06-20"),
        (
            *_NOT_IN_GUANGDONG,
            (ALPHA, 1, "wind of Gansu", ABOVE),  # nothing local yet
            (ALPHA, 40, "solar of Guangdong", OK),
            (ALPHA, 30, "solar of Guangzhou", OK),
            (ALPHA, 31, "wind of Gansu", ABOVE),
            (ALPHA, 29, "wind of Gansu", OK),
            (ALPHA, 1, "wind of Gansu", OK),  # 30 of 100 tonnes
            (ALPHA, 1, "wind of Gansu", ABOVE),
            (ALPHA, 1, "PHCER of Guangdong", ABOVE),  # the cap
        ),
    ),
    Scenario(
        *("guangdong", 2017, 20_000_000, 2_000_000, "2018-06-20"),
        (
            (ALPHA, 1_499_999, "solar of Guangdong", OK),
            (BETA, 2, "solar of Guangdong", ABOVE),  # the scheme's quota: 1,500,000 t
            (BETA, 1, "solar of Guangdong", OK),
            (BETA, 1, "solar of Guangdong", ABOVE),
            (ALPHA, 1, "solar of Guangdong", ABOVE),
        ),
    ),
    Scenario(
        *("guangdong", 2021, 20_000_000, 2_000_000, "2022-06-10"),  # to apply, not 20 June
        (
            *_NOT_IN_GUANGDONG,
            (ALPHA, 999_999, "solar of Guangdong", OK),
            (BETA, 2, "solar of Guangdong", ABOVE),  # the scheme's quota: 1,000,000 t
            (BETA, 1, "solar of Guangdong", OK),
            (ALPHA, 1, "solar of Guangdong", ABOVE),
        ),
    ),
    Scenario(
        *("shenzhen", 2018, 1_000, 100, "2019-06-30"),
        (
            *_refused("hydro of Gansu", "wind of Hebei", "buses of Gansu", "wind of Hubei"),
            (ALPHA, 10, "wind of Gansu", OK),
            (ALPHA, 10, "buses of Shenzhen", OK),
            *_cap("forest of Hebei", 80),
        ),
    ),
    Scenario(
        *("beijing", 2014, 1_000, 50, "2015-06-15"),
        (
            *_refused("wind of Beijing, 2012", "forest of Beijing, from 2005-02-15"),
            (ALPHA, 1, "wind of Gansu", ABOVE),  # nothing of the city yet
            (ALPHA, 5, "wind of Beijing, 2013", OK),
            (ALPHA, 20, "forest of Beijing, from 2005-02-16", OK),
            (ALPHA, 26, "wind of Gansu", ABOVE),
            (ALPHA, 24, "wind of Gansu", OK),
            (ALPHA, 1, "wind of Gansu", OK),  # 25 of 50 tonnes
            (ALPHA, 1, "wind of Beijing, 2013", ABOVE),  # the cap
        ),
    ),
    Scenario(
        *("shanghai", 2015, 1_000, 50, "2016-06-30"),
        (
            *_refused("wind of Gansu", "wind outside boundaries, 2012"),
            *_cap("wind outside boundaries, 2013", 50),
        ),
    ),
    Scenario(
        *("tianjin", 2015, 1_000, 100, "2016-05-31"),
        (
            *_refused("wind of Gansu", "CO2 alone, 2012", "CO2 alone, hydro"),
            *_cap("CO2 alone, 2013", 100),
        ),
    ),
    Scenario(
        *("hubei", 2015, 1_000_000, 50_000, "2016-05-31"),  # 10 % would be 100,000 t
        (
            *_refused("large hydro of Hubei", "medium hydro of Hubei", "wind of Gansu"),
            *_refused("hydro of Hubei, size unknown"),
            (ALPHA, 10, "small hydro of Hubei", OK),
            *_cap("wind of Hubei", 49_990),
        ),
    ),
    Scenario(
        *("hubei", 2015, 499_999, 49_999, "2016-05-31"),  # below the firm's limit
        _cap("wind of Hubei", 49_999),
    ),
    Scenario(
        *("hubei-wuhan", 2022, 100, 100, "2023-05-31"),  # tonne for tonne
        (
            *_refused("Wuhan's product from elsewhere", "wind of Hubei"),
            *_cap("Wuhan's own", 100),
        ),
    ),
    Scenario(
        *("fujian", 2016, 1_000, 100, "2017-06-30"),
        (
            *_refused("wind of Gansu", "forest product of Jiangxi"),
            (ALPHA, 51, "CCER of Fujian", ABOVE),
            (ALPHA, 49, "CCER of Fujian", OK),
            (ALPHA, 1, "CCER of Fujian", OK),  # 5 %
            (ALPHA, 1, "CCER of Fujian", ABOVE),
            (ALPHA, 51, "forest of Fujian", ABOVE),
            (ALPHA, 50, "forest of Fujian", OK),  # together 10 %
            (ALPHA, 1, "forest of Fujian", ABOVE),
            (BETA, 99, "forest of Fujian", OK),
            (BETA, 2, "forest of Fujian", ABOVE),
            (BETA, 1, "forest of Fujian", OK),  # 10 % of forestry alone
            (BETA, 1, "CCER of Fujian", ABOVE),
        ),
    ),
    Scenario(
        *("chongqing", 2020, 1_000, 80, "2021-06-20"),
        (*_refused("PHCER of Guangdong"), *_cap("CQCER", 80)),
    ),
    Scenario(
        *("california", 2020, 1_000, 80, "2021-11-01"),
        (*_refused("domestic"), *_cap("without benefit to the state", 80)),
    ),
    Scenario(
        *("california", 2021, 1_000, 40, "2022-11-01"),
        (
            (ALPHA, 21, "without benefit to the state", ABOVE),
            (ALPHA, 19, "without benefit to the state", OK),
            (ALPHA, 1, "without benefit to the state", OK),  # half of the limit
            (ALPHA, 1, "without benefit to the state", ABOVE),
            *_cap("with benefit to the state", 20),
        ),
    ),
    Scenario(
        *("california", 2026, 1_000, 60, "2027-11-01"),
        (
            (ALPHA, 31, "without benefit to the state", ABOVE),
            (ALPHA, 30, "without benefit to the state", OK),
            *_cap("with benefit to the state", 30),
        ),
    ),
    Scenario(
        *("korea", 2020, 1_000, 100, "2021-06-30"),
        (
            *_refused("CQCER"),
            (ALPHA, 1, "international", ABOVE),  # nothing domestic yet
            (ALPHA, 50, "domestic", OK),
            (ALPHA, 51, "international", ABOVE),
            (ALPHA, 50, "international", OK),  # half of what is surrendered
            (ALPHA, 1, "domestic", ABOVE),  # the cap
        ),
    ),
    Scenario(
        *("singapore", 2025, 1_000, 50, "2026-09-30"),
        (
            *_refused("not on the list", "on the list, 2020", "on the list, 2031"),
            (ALPHA, 5, "on the list, 2021", OK),
            (ALPHA, 5, "on the list, 2030", OK),
            *_cap("on the list", 40),
        ),
    ),
)
