"""What should not wait in compliance, and what is missing: alerts and the sums of shortfalls.

Both are made of obligations as compliance_views shows them; nothing of it is stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from engine.times import format_time
from settlement.compliance_views import Answer
from settlement.scheme_rules import rule

_DAY_NS = 86_400 * 10**9
# From how many days before a deadline on it is called what.
_LEVELS = ((7, "urgent"), (30, "warning"), (60, "notice"))


def alerts(items: Iterable[Answer], time_ns: int) -> list[Answer]:
    """What should not wait, of obligations as they are shown; the most pressing first."""
    found = [alert for item in items for alert in _alerts_of(item, time_ns)]
    return sorted(found, key=lambda alert: (alert["days_left"], alert["account"]))


def shortfall_totals(items: Iterable[Answer]) -> list[Answer]:
    """The sums of every scheme and year over obligations as they are shown, newest year first."""
    grouped: dict[tuple[int, str], list[Answer]] = defaultdict(list)
    for item in items:
        grouped[-item["year"], item["scheme"]].append(item)
    sums = ("obligation_quantity", "allowances_surrendered", "used", "shortfall")
    return [
        {
            "scheme": scheme,
            "year": -negative_year,
            "obligations": len(group),
            "in_default": sum(item["status"] == "in_default" for item in group),
            "penalised": sum(item["penalised"] for item in group),
            **{name: str(sum(int(item[name]) for item in group)) for name in sums},
        }
        for (negative_year, scheme), group in sorted(grouped.items())
    ]


def _alerts_of(item: Answer, time_ns: int) -> list[Answer]:
    found = rule(item["scheme"], item["year"])
    deadline_ns = found.deadline_ns(item["year"])
    application_ns = found.application_deadline_ns(item["year"])
    is_short = item["status"] != "met"
    could_use = is_short and int(item["headroom"]) + int(item["held"]) > 0
    alerts_found = []
    if is_short and time_ns >= deadline_ns:
        text = (
            f"The deadline has passed with {item['shortfall']} t not surrendered.",
            f"截止日期已过，仍有 {item['shortfall']} 吨未清缴。",
        )
        alerts_found.append(_alert(item, "overdue", deadline_ns, time_ns, text))
    elif is_short:
        text = (
            f"{item['shortfall']} t are still to be surrendered before the deadline.",
            f"截止日期前仍需清缴 {item['shortfall']} 吨。",
        )
        alerts_found.append(_alert(item, "deadline", deadline_ns, time_ns, text))
    if could_use and application_ns is not None and time_ns < application_ns:
        text = (
            "Credits can be surrendered until the application deadline only.",
            "抵销申请截止后不得再提交减排量。",
        )
        alerts_found.append(_alert(item, "application_deadline", application_ns, time_ns, text))
    quota_left = item["scheme_quota_left"]
    usable = int(item["cap"]) - int(item["used"])
    if quota_left is not None:
        usable = min(usable, int(quota_left))
    if int(item["held"]) > max(usable, 0) and time_ns < found.closes_ns(item["year"]):
        text = (
            f"Of {item['held']} t bought, only {max(usable, 0)} t can still be surrendered.",
            f"已购入 {item['held']} 吨，其中仅 {max(usable, 0)} 吨仍可用于清缴。",
        )
        alerts_found.append(_alert(item, "held_above_limit", deadline_ns, time_ns, text))
    return [alert for alert in alerts_found if alert["level"] is not None]


def _alert(item: Answer, kind: str, until_ns: int, time_ns: int, text: tuple[str, str]) -> Answer:
    """One alert; its level is None while there is time enough."""
    days_left = (until_ns - time_ns) // _DAY_NS
    level = next((level for days, level in _LEVELS if days_left < days), None)
    if kind == "held_above_limit":
        level = level or "warning"
    names = ("obligation_id", "account", "scheme", "name", "name_zh", "year", "shortfall")
    return {
        "kind": kind,
        "level": level,
        **{name: item[name] for name in names},
        "until": format_time(until_ns),
        "days_left": days_left,
        "detail": text[0],
        "detail_zh": text[1],
    }
