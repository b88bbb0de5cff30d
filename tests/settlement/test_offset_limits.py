"""What limits leave: no sequence of surrenders, and no two at once, get beyond them."""

from __future__ import annotations

import random
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scheme_firms import NUMBERS, Firms
from scheme_scenarios import ALPHA, BETA, CREDITS, OK
from sqlalchemy import func, select

from engine.times import day_number
from settlement import offset_limits, operations, scheme_rules
from settlement.database import Database
from settlement.offset_limits import Room, Usage
from settlement.tables.registry import Block, Retirement

YEARS = (
    ("guangdong", 2021),
    ("beijing", 2014),
    ("fujian", 2016),
    ("california", 2021),
    ("korea", 2020),
)
BASE = 1_000


def block(name: str, quantity: int) -> SimpleNamespace:
    """A block as far as rules look at it."""
    credit = CREDITS[name]
    first_day = None if credit.first_day is None else day_number(credit.first_day)
    project = SimpleNamespace(
        symbol=credit.symbol,
        type=credit.type,
        region=credit.region,
        methodology="M",
        labels=list(credit.labels),
    )
    batch = SimpleNamespace(vintage=credit.vintage, first_day=first_day, project=project)
    return SimpleNamespace(quantity=quantity, batch=batch)


def is_within(rule, used: Counter[str]) -> bool:
    """The rule's limits over what was surrendered, counted anew and written differently."""
    for part in rule.parts:
        spent = sum(lots for name, lots in used.items() if part.take(block(name, 1).batch))
        whole = {"base": BASE, "cap": rule.cap(BASE), "surrendered": used.total()}[part.of]
        if spent * 1_000_000 > part.maximum_ppm * whole:
            return False
    return True


def usage(rule, used: Counter[str]) -> Usage:
    parts = (
        sum(lots for name, lots in used.items() if part.take(block(name, 1).batch))
        for part in rule.parts
    )
    return Usage(used.total(), tuple(parts))


offers = st.lists(
    st.tuples(st.sampled_from(sorted(CREDITS)), st.integers(1, 60)), min_size=1, max_size=5
)


@given(
    year=st.sampled_from(YEARS),
    surrenders=st.lists(st.tuples(st.integers(1, 80), offers), max_size=12),
)
def test_no_sequence_of_choices_exceeds_a_part(year, surrenders):
    """Whatever is offered in whatever order: each surrender that finds enough keeps every part."""
    rule = scheme_rules.rule(*year)
    used: Counter[str] = Counter()
    for quantity, offered in surrenders:
        room = Room(rule, BASE, usage(rule, used), quantity)
        chosen: Counter[str] = Counter()
        for name, lots in offered:
            taken = room.take(block(name, lots), quantity - chosen.total())
            assert 0 <= taken <= min(lots, quantity - chosen.total())
            assert not taken or rule.admit(block(name, 1).batch)
            chosen[name] += taken
        if chosen.total() == quantity:
            used += chosen
        assert is_within(rule, used)


@given(
    year=st.sampled_from(YEARS),
    spent=st.lists(st.tuples(st.sampled_from(sorted(CREDITS)), st.integers(1, 99)), max_size=6),
)
def test_what_is_said_to_be_left_fits_and_a_tonne_more_does_not(year, spent):
    rule = scheme_rules.rule(*year)
    used = Counter(dict(spent))
    if not is_within(rule, used):
        return
    for index, part in enumerate(rule.parts):
        left = offset_limits.left_of_part(index, rule, BASE, usage(rule, used))
        for more, fits in ((left, True), (left + 1, False)):
            counted = usage(rule, used)
            after = counted.quantity + more
            most = offset_limits.maximum(part, rule, BASE, after)
            assert (counted.parts[index] + more <= most) == fits


def total(database: Database, *where) -> int:
    with database.read() as session:
        return int(
            session.scalar(select(func.coalesce(func.sum(Retirement.quantity), 0)).where(*where))
        )


def test_the_oldest_go_first_as_far_as_there_is_room(credit_registry, monkeypatch):
    """Without a batch being named, a full part is passed over and its block split."""
    firms = Firms(credit_registry, monkeypatch, "fujian", 2016)
    firms.set_time(scheme_rules.rule("fujian", 2016).closes_ns(2016) - 1)
    firms.oblige(ALPHA, BASE)
    firms.give(ALPHA, "wind of Gansu", 500)
    firms.give(ALPHA, "CCER of Fujian", 80)
    firms.give(ALPHA, "forest of Fujian", 80)
    assert firms.surrender(ALPHA, 100) == OK
    with credit_registry.database.read() as session:
        used = session.execute(
            select(Block.batch_number, func.sum(Block.quantity))
            .where(Block.status == "retired")
            .group_by(Block.batch_number)
            .order_by(Block.batch_number)
        ).all()
    assert [int(quantity) for _, quantity in used] == [50, 50]
    credit_registry.check()


@pytest.mark.parametrize("quota", [100, 199])
def test_two_surrenders_cannot_share_the_last_of_a_quota(credit_registry, monkeypatch, quota):
    """Two processes, each with its own connection, at the same moment: one wins."""
    rule = scheme_rules.rule("guangdong", 2021).model_copy(update={"scheme_quota": quota})
    monkeypatch.setattr("settlement.compliance.rule", lambda scheme, year: rule)
    firms = Firms(credit_registry, monkeypatch, "guangdong", 2021)
    firms.set_time(rule.closes_ns(2021) - 1)
    outcomes: dict[str, str] = {}
    together = threading.Barrier(2)
    url = credit_registry.database.url.render_as_string(hide_password=False)

    def surrender(firm: str) -> None:
        database = Database(url)
        together.wait()
        outcomes[firm] = firms.surrender(firm, 100, database=database)
        database.close()

    for firm in (ALPHA, BETA):
        firms.oblige(firm, 10_000)
        firms.give(firm, "solar of Guangdong", 100)
    threads = [threading.Thread(target=surrender, args=(firm,)) for firm in (ALPHA, BETA)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes.values()) == [OK, "offset_cap_exceeded"]
    assert total(credit_registry.database, Retirement.scheme == "guangdong") == 100
    credit_registry.check()


def test_what_is_under_way_counts(credit_registry, monkeypatch):
    """A surrender that the engine has not answered holds its part of quota and limits."""
    firms = Firms(credit_registry, monkeypatch, "fujian", 2016)
    firms.set_time(scheme_rules.rule("fujian", 2016).closes_ns(2016) - 1)
    firms.oblige(ALPHA, BASE)
    firms.give(ALPHA, "CCER of Fujian", 200)

    class Silent:
        def submit(self, commands):
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        firms.surrender(ALPHA, 40, "CCER of Fujian", port=Silent())
    assert firms.surrender(ALPHA, 11, "CCER of Fujian") == "offset_cap_exceeded"
    assert firms.surrender(ALPHA, 10, "CCER of Fujian") == OK
    assert operations.resume_pending(credit_registry.database, credit_registry.exchange) == 1
    assert total(credit_registry.database, Retirement.account == 1) == 50


def test_no_sequence_of_surrenders_exceeds_any_limit(credit_registry, monkeypatch):
    """Two firms, four kinds of credit, cap, share and quota: counted anew after every step."""
    quota = 150
    rule = scheme_rules.rule("guangdong", 2021).model_copy(update={"scheme_quota": quota})
    monkeypatch.setattr("settlement.compliance.rule", lambda scheme, year: rule)
    firms = Firms(credit_registry, monkeypatch, "guangdong", 2021)
    firms.set_time(rule.closes_ns(2021) - 1)
    names = ("solar of Guangdong", "wind of Gansu", "fossil of Guangdong", "solar of Guangzhou")
    for firm in (ALPHA, BETA):
        firms.oblige(firm, BASE)
        for name in names:
            firms.give(firm, name, 120)
    choose = random.Random(1)
    accepted = 0
    used: dict[str, Counter[str]] = {ALPHA: Counter(), BETA: Counter()}
    batches = {batch_id: name for (_, name), batch_id in firms.batches.items()}
    for _ in range(30):
        firm = choose.choice((ALPHA, BETA))
        name = choose.choice((None, *names))
        accepted += firms.surrender(firm, choose.randint(1, 25), name) == OK
        with credit_registry.database.read() as session:
            retired = session.scalars(select(Block).where(Block.status == "retired")).all()
            for known in (ALPHA, BETA):
                used[known] = Counter()
                for one in retired:
                    if one.holder_account == NUMBERS[known]:
                        used[known][batches[one.batch.batch_id]] += one.quantity
        assert all(is_within(rule, used[known]) for known in used)
        assert all(used[known].total() <= rule.cap(BASE) for known in used)
        assert used[ALPHA].total() + used[BETA].total() <= quota
        assert not any(used[known]["fossil of Guangdong"] for known in used)
    assert accepted > 5
    # The steps came to where the quota binds.
    assert used[ALPHA].total() + used[BETA].total() > quota - 25
    credit_registry.check()
