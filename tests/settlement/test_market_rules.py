"""Market rules: versions laid over what is shipped, and a second person's word."""

from __future__ import annotations

from typing import Any

import pytest

from settlement import market_rules
from settlement.database import Database
from settlement.errors import Refused
from settlement.identity import audit_records
from settlement.market_rules import EVERYWHERE, Template, shipped


def propose(
    database: Database, kind: Any, key: str, body: Any, *, needs_approval: bool = False
) -> int:
    return database.write(
        lambda session: (
            market_rules.propose(
                session, kind, key, body, actor="one", needs_approval=needs_approval
            ).version
        )
    ).result()


def decide(database: Database, version: int, actor: str, *, approve: bool) -> str:
    return database.write(
        lambda session: market_rules.decide(session, version, actor, approve=approve).status
    ).result()


def template_of(database: Database, symbol: str) -> str:
    with database.read() as session:
        return market_rules.templates(session)(symbol)[0]


def test_the_latest_version_counts(database: Database) -> None:
    """Of an instrument before of all, and none at all: as shipped."""
    assert template_of(database, "XM-CER") == "national"
    propose(database, "sessions", EVERYWHERE, {"template": "around_the_clock"})
    propose(database, "sessions", "XM-CER", {"template": "national"})
    assert (template_of(database, "XM-CER"), template_of(database, "GD-PHCER")) == (
        "national",
        "around_the_clock",
    )
    propose(database, "sessions", "XM-CER", {"template": "auctions"})
    assert template_of(database, "XM-CER") == "auctions"
    propose(database, "sessions", "XM-CER", None)
    assert template_of(database, "XM-CER") == "around_the_clock"
    with database.read() as session:
        rows = market_rules.page(session, "sessions", 2**62, 10)
        assert [row.version for row in rows] == [4, 3, 2, 1]
        records = audit_records(session, 2**62, 10)
    assert [record.action for record in records] == ["market_rule_changed"] * 4


def test_a_second_person_decides(database: Database) -> None:
    """A pending version changes nothing; its sender cannot approve it; nothing is decided twice."""
    rule = {"thin_market_quantity": 50, "source": "Notice 12"}
    version = propose(database, "closing_price", "XM-CER", rule, needs_approval=True)

    def quantity() -> int:
        with database.read() as session:
            return market_rules.closing_price_rules(session)("XM-CER").thin_market_quantity

    assert quantity() == 100
    with pytest.raises(Refused, match="second person"):
        decide(database, version, "one", approve=True)
    assert decide(database, version, "two", approve=True) == "in_force"
    assert quantity() == 50
    with pytest.raises(Refused, match="already"):
        decide(database, version, "two", approve=False)
    stale = propose(database, "closing_price", "XM-CER", rule, needs_approval=True)
    propose(database, "closing_price", "XM-CER", None)
    with pytest.raises(Refused, match="newer"):
        decide(database, stale, "two", approve=True)
    assert decide(database, stale, "two", approve=False) == "rejected"
    assert quantity() == 100


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("sessions", {"template": "moonlight"}),
        ("sessions", {}),
        ("day", {"is_trading": "yes", "note": ""}),
        ("closing_price", {"thin_market_quantity": -1, "source": ""}),
        ("closing_price", {"thin_market_quantity": 1.5, "source": ""}),
        ("quoting", {"minimum_share_ppm": 1_000_001, "minimum_quantity": 1, "source": ""}),
        ("quoting", {"minimum_share_ppm": 1, "minimum_quantity": 0, "source": ""}),
    ],
)
def test_what_is_no_rule_is_refused(database: Database, kind: Any, body: Any) -> None:
    """And leaves nothing behind."""
    with pytest.raises(Refused) as refused:
        propose(database, kind, "XM-CER", body)
    assert refused.value.code == "invalid_request"
    with database.read() as session:
        assert market_rules.page(session, None, 2**62, 10) == []


def test_a_template_is_a_whole_day() -> None:
    """Sessions follow each other without a gap and end after they start."""
    national = shipped().sessions["national"].model_dump()
    for change in ({"starts": "09:31:00"}, {"ends": "09:29:00"}):
        morning, *others = national["sessions"]
        with pytest.raises(ValueError, match="session"):
            Template.model_validate({**national, "sessions": [others[0], morning | change]})


def test_a_window_lies_within_the_sessions() -> None:
    """Blocks do not trade before the market opens, after it closes, or around the clock."""
    for code, hours in (("national", ("09:00", "10:00")), ("around_the_clock", ("10:00", "11:00"))):
        template = shipped().sessions[code].model_dump()
        window = dict(zip(("starts", "ends"), hours, strict=True))
        with pytest.raises(ValueError, match="window"):
            Template.model_validate(template | {"block_window": window})


def test_every_shipped_rule_names_its_source() -> None:
    """Also those that are this exchange's own choice."""
    rules = shipped()
    sources = [one.source for one in (*rules.sessions.values(), rules.closing_price, rules.quoting)]
    assert all(len(source) > 10 for source in sources)
    assert rules.default_sessions in rules.sessions
