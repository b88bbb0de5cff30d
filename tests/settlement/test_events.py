"""Events in the registry: what stands when, what counts as retired, and retirement just once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from engine.codes import Side
from engine.times import parse_time
from settlement import event_offsets, event_views, events, operations
from settlement.blocks import Criteria
from settlement.errors import Refused
from settlement.event_rules import Activity
from settlement.retirement import retirement
from settlement.tables.events import Event
from settlement.tables.registry import Operation, Retirement

STARTS = parse_time("2026-12-01T01:00:00Z")
ENDS = parse_time("2026-12-01T09:00:00Z")
BEFORE, AFTER = STARTS - 1, ENDS + 1
DIESEL = Activity("fuel", "diesel", "10000", "kg")  # 30.96 t


def plan(**changes):
    terms = events.Plan("年会 2026", "conference", 1_200, STARTS, ENDS, [DIESEL])
    return terms._replace(**changes)


@pytest.fixture
def life(credit_registry):
    """Carries functions of `events` out on an event of account 1, each in a transaction."""

    class Life:
        database = credit_registry.database

        def __init__(self) -> None:
            self.event_id = self.write(
                lambda session: events.create(session, 1, plan(), None, BEFORE).event_id
            )

        def write(self, work):
            return self.database.write(work).result()

        def do(self, work, *arguments):
            def transaction(session):
                event = events.own(session, 1, self.event_id)
                work(session, event, *arguments)
                session.flush()
                return event_views.show(session, event)

            return self.write(transaction)

        def show(self):
            return self.do(lambda session, event: None)

        def retire(self) -> bool:
            return event_offsets.retire(self.database, credit_registry.exchange, self.event_id)

    return Life()


def certificates_of(life) -> list[int]:
    with life.database.read() as session:
        return list(session.scalars(select(Retirement.quantity).order_by(Retirement.number)))


def test_from_the_plan_to_neutrality(life, credit_registry):
    """The estimate is offset; the actual emissions are more, and so is the second retirement."""
    shown = life.show()
    assert (shown["status"], shown["required"], shown["size"]) == ("draft", "31", "large")
    assert shown["deadline"] == "2027-12-01T09:00:00.000000Z"
    revised = life.do(events.revise, plan(name="Forum", measures="Trains instead of flights"))
    assert (revised["name"], revised["measures"]) == ("Forum", "Trains instead of flights")
    assert life.do(events.publish, BEFORE)["status"] == "planned"
    credit_registry.issue(2024, 100)
    assert life.do(event_offsets.ask, "GD-PHCER", BEFORE)["status"] == "offsetting"
    assert life.retire()
    shown = life.show()
    assert (shown["status"], shown["retired"], shown["missing"]) == ("offset", "31", "0")

    more = [DIESEL._replace(amount="11000")]  # 34.06 t
    shown = life.do(events.account_for, more, AFTER)
    assert (shown["status"], shown["missing"], shown["symbol"]) == ("accounted", "4", None)
    assert event_offsets.retire_due(life.database, credit_registry.exchange) == 0
    life.do(event_offsets.ask, "GD-PHCER", AFTER)
    assert event_offsets.retire_due(life.database, credit_registry.exchange) == 1
    shown = life.show()
    assert (shown["status"], shown["retired"], shown["overdue"]) == ("neutral", "35", False)
    assert [(one["quantity"], one["event_id"]) for one in shown["certificates"]] == [
        ("31", life.event_id),
        ("4", life.event_id),
    ]
    credit_registry.check()


def test_what_stands_is_not_changed_any_more(life):
    life.do(events.publish, BEFORE)
    life.do(events.publish, BEFORE)
    with pytest.raises(Refused, match="conflict"):
        life.do(events.revise, plan())
    with pytest.raises(Refused, match="not over yet"):
        life.do(events.account_for, [DIESEL], ENDS - 1)
    life.do(events.account_for, [DIESEL], AFTER)
    corrected = life.do(events.account_for, [DIESEL._replace(amount="1")], AFTER)
    assert (corrected["status"], corrected["required"]) == ("accounted", "1")
    assert corrected["planned"]["quantity"] == "31"
    assert life.do(events.cancel, AFTER)["status"] == "cancelled"
    assert life.do(events.cancel, AFTER)["status"] == "cancelled"
    for work in (
        (events.account_for, [DIESEL], AFTER),
        (event_offsets.ask, "GD-PHCER", AFTER),
    ):
        with pytest.raises(Refused, match="conflict"):
            life.do(*work)


def test_an_event_that_credits_are_retired_for_is_not_cancelled(life, credit_registry):
    credit_registry.issue(2024, 31)
    life.do(event_offsets.ask, "GD-PHCER", BEFORE)
    life.retire()
    with pytest.raises(Refused, match="conflict"):
        life.do(events.cancel, BEFORE)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"category": "party"}, "category"),
        ({"ends_time_ns": STARTS}, "ends_at"),
        ({"ends_time_ns": 2**63 - 1}, "ends_at"),
        ({"sources": [DIESEL._replace(amount="0")]}, "sources"),
        ({"sources": [DIESEL._replace(unit="L")]}, "sources[0].unit"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(life, changes, field):
    with pytest.raises(Refused) as refused:
        life.do(events.revise, plan(**changes))
    assert (refused.value.code, refused.value.field) == ("invalid_request", field)
    assert life.show()["name"] == "年会 2026"


def test_an_event_that_is_over_comes_with_its_actual_data(life):
    event = life.write(lambda session: events.create(session, 1, plan(), None, AFTER))
    assert event.actual == event.planned
    with life.database.read() as session:
        assert event_views.show(session, event)["status"] == "draft"


def test_drafts_and_cancelled_drafts_are_their_organisers_alone(life):
    with life.database.read() as session:
        for account in (2, None):
            with pytest.raises(Refused, match="not_found"):
                events.visible(session, account, life.event_id)
        assert events.visible(session, 1, life.event_id).account == 1
        assert event_views.page(session, None, 2**62, 10) == ([], None)
        with pytest.raises(Refused, match="not_found"):
            events.own(session, 2, life.event_id)
    life.do(events.publish, BEFORE)
    with life.database.read() as session:
        assert events.visible(session, None, life.event_id).event_id == life.event_id
        assert len(event_views.page(session, None, 2**62, 10)[0]) == 1
        assert event_views.page(session, 2, 2**62, 10)[0] == []


def test_what_is_not_offset_by_its_deadline_is_overdue(life, credit_registry):
    """Until it is offset, or given up."""
    past = plan(
        starts_time_ns=parse_time("2020-01-01T00:00:00Z"),
        ends_time_ns=parse_time("2020-01-02T00:00:00Z"),
    )
    life.do(events.revise, past)

    def overdue() -> list[str]:
        with life.database.read() as session:
            found, _ = event_views.page(session, 1, 2**62, 10, only_overdue=True)
        assert all(event["overdue"] for event in found)
        return [event["event_id"] for event in found]

    life.write(lambda session: events.create(session, 1, plan(), None, BEFORE))
    other = life.write(lambda session: events.create(session, 1, past, None, BEFORE).event_id)
    assert overdue() == [other, life.event_id]
    life.write(lambda session: events.cancel(session, events.own(session, 1, other), AFTER))
    credit_registry.issue(2024, 31)
    life.do(event_offsets.ask, "GD-PHCER", AFTER)
    assert overdue() == [life.event_id]
    life.retire()
    assert overdue() == []
    assert life.show()["overdue"] is False


def test_pages_meet(life):
    made = [life.event_id] + [
        life.write(lambda session: events.create(session, 1, plan(), None, BEFORE).event_id)
        for _ in range(4)
    ]
    seen, before = [], 2**62
    with life.database.read() as session:
        while True:
            found, cursor = event_views.page(session, 1, before, 2)
            seen += [event["event_id"] for event in found]
            if cursor is None:
                break
            before = int(cursor)
    assert seen == made[::-1]


def test_an_idempotency_key_stands_for_one_event(life):
    def create(terms):
        return life.write(lambda session: events.create(session, 1, terms, "k", BEFORE).event_id)

    assert create(plan()) == create(plan())
    with pytest.raises(Refused, match="conflict"):
        create(plan(attendees=5))
    with life.database.read() as session:
        assert len(session.scalars(select(Event)).all()) == 2


def test_a_retirement_that_names_the_event_counts(life, credit_registry):
    """One's own does; another account's certificate may not even name it."""
    credit_registry.issue(2024, 31)
    terms = {"beneficiary": "Puhui", "reason": "年会", "event_id": life.event_id}
    prepare = retirement(30, Criteria(("GD-PHCER",)), **terms)
    credit_registry.perform(1, "retirement", prepare)
    assert life.show()["missing"] == "1"
    with life.database.read() as session:
        events.check_retirement(session, 1, life.event_id)
        events.check_retirement(session, 2, "another register's")
        with pytest.raises(Refused, match="not_found"):
            events.check_retirement(session, 2, life.event_id)
    life.do(event_offsets.ask, "GD-PHCER", BEFORE)
    assert life.retire()
    assert certificates_of(life) == [30, 1]


def test_nothing_is_retired_in_part(life, credit_registry):
    credit_registry.issue(2024, 30)
    life.do(event_offsets.ask, "GD-PHCER", BEFORE)
    assert not life.retire()
    assert certificates_of(life) == []
    credit_registry.issue(2025, 1)
    assert life.retire()
    assert certificates_of(life) == [31]


def test_what_the_engine_refuses_is_tried_again_after_the_next_day(life, credit_registry):
    """Credits that an open sell order holds are not there yet."""
    credit_registry.issue(2024, 31)
    credit_registry.deposit(1, 31)
    order_id = credit_registry.exchange.order(1, 1, Side.SELL, 5_000, 1)
    life.do(event_offsets.ask, "GD-PHCER", BEFORE)
    assert event_offsets.retire_due(life.database, credit_registry.exchange) == 0
    credit_registry.exchange.cancel(1, order_id)
    assert event_offsets.retire_due(life.database, credit_registry.exchange) == 1
    assert event_offsets.retire_due(life.database, credit_registry.exchange) == 0
    credit_registry.check()


def test_ten_at_once_retire_once(life, credit_registry):
    credit_registry.issue(2024, 310)
    credit_registry.deposit(1, 200)
    life.do(event_offsets.ask, "GD-PHCER", BEFORE)
    with ThreadPoolExecutor(10) as threads:
        done = list(threads.map(lambda _: life.retire(), range(10)))
    assert done.count(True) == 1
    assert certificates_of(life) == [31]
    credit_registry.check()


def test_a_retirement_that_was_cut_short_is_finished_and_not_repeated(life, credit_registry):
    class Cut:
        """Carries the command out and loses the answer."""

        def submit(self, commands):
            credit_registry.exchange.submit(commands)
            raise ConnectionResetError

    credit_registry.issue(2024, 100)
    credit_registry.deposit(1, 100)
    life.do(event_offsets.ask, "GD-PHCER", BEFORE)
    with pytest.raises(ConnectionResetError):
        event_offsets.retire(life.database, Cut(), life.event_id)
    assert life.show()["missing"] == "0"
    assert not life.retire()
    assert event_offsets.retire_due(life.database, credit_registry.exchange) == 0
    assert certificates_of(life) == [31]
    assert operations.resume_pending(life.database, credit_registry.exchange) == 0
    with life.database.read() as session:
        assert {row.status for row in session.scalars(select(Operation))} == {"completed"}
    credit_registry.check()


def test_an_orders_client_id_is_for_one_event(life):
    other = life.write(lambda session: events.create(session, 1, plan(), None, BEFORE).event_id)

    def link(account, event_id):
        return life.write(
            lambda session: event_offsets.link_order(session, account, (1, 2), event_id)
        )

    assert link(1, life.event_id)
    assert link(1, life.event_id)
    assert not link(1, other)
    with pytest.raises(Refused, match="not_found"):
        link(2, other)
