"""A generated year with all operations: after every day the books agree.

PUHUI_DAYS says how many days; `make year` asks for 250.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from engine.codes import CommandKind, Side
from engine.records import ADMIN_COMMAND
from settlement import (
    auction_bids,
    block_trades,
    compliance,
    custody,
    event_offsets,
    events,
    ledger,
    one_way_auctions,
    registry,
)
from settlement.auction_bids import Offer
from settlement.block_trades import Proposal
from settlement.blocks import Criteria
from settlement.clearing import current_trading_day
from settlement.errors import Refused
from settlement.event_rules import Activity
from settlement.one_way_auctions import Application
from settlement.reconciliation import reconcile
from settlement.retirement import retirement
from settlement.tables.registry import Block

DAYS = int(os.environ.get("PUHUI_DAYS", "4"))
OPERATIONS_A_DAY = 12
ORDERS_A_DAY = 20
SYMBOL = "GD-PHCER"
CODES = {1: "alpha", 2: "beta", 3: "gamma"}


class Year:
    """What three accounts do; most of it at random, and refused now and then."""

    def __init__(self, credit_registry: Any, seed: int) -> None:
        self.registry = credit_registry
        self.exchange = credit_registry.exchange
        self.database = credit_registry.database
        self.chance = random.Random(seed)
        self.done: Counter[str] = Counter()
        self._number = 0
        self.operations: dict[str, Callable[[int, int], object]] = {
            "issue": self._issue,
            "pay in": lambda account, lots: self.exchange.deposit_cash(account, lots * 5_000),
            "pay out": lambda account, lots: self.exchange.withdraw_cash(account, lots * 100),
            "deposit": lambda account, lots: self._perform(
                account, "deposit", custody.deposit(SYMBOL, 10 * lots)
            ),
            "withdrawal": lambda account, lots: self._perform(
                account, "withdrawal", custody.withdrawal(SYMBOL, lots)
            ),
            "transfer": lambda account, lots: self._perform(
                account, "transfer", registry.transfer(self._other(account), lots, self._batch())
            ),
            "pledge": lambda account, lots: self._perform(
                account, "pledge", registry.pledge(lots, self._batch())
            ),
            "release": self._release,
            "retirement": lambda account, lots: self._perform(
                account,
                "retirement",
                retirement(lots, Criteria((SYMBOL,)), beneficiary="公司", reason="自愿注销"),
            ),
            "surrender": self._surrender,
            "event": self._event,
            "block trade": self._block_trade,
            "auction": self._auction,
        }

    def begin(self) -> None:
        """Credits to start with, an obligation, and the block window open."""
        for _ in range(2):
            self._issue(1, 2_000)
        self._perform(1, "deposit", custody.deposit(SYMBOL, 2_000))
        compliance.set_obligation(
            self.database,
            self.exchange,
            **{"account": "alpha", "scheme": "demo", "year": 2026, "base_quantity": 100_000},
        )
        self.exchange.command(
            CommandKind.SET_BLOCK_RULES,
            ADMIN_COMMAND,
            **{"instrument": 1, "quantity_lots": 10, "block_limit_ppm": 300_000, "is_open": 1},
        )

    def live_a_day(self) -> None:
        """Orders and operations in any order."""
        for name in self.chance.choices(list(self.operations), k=OPERATIONS_A_DAY):
            self._trade(ORDERS_A_DAY // OPERATIONS_A_DAY + 1)
            # The driver asserts that the engine refuses nothing; here it may.
            with contextlib.suppress(Refused, AssertionError):
                self.operations[name](self.chance.randint(1, 3), self.chance.randint(1, 30))
                self.done[name] += 1
            self.exchange.intake.flush()

    def _trade(self, orders: int) -> None:
        for _ in range(orders):
            side = self.chance.choice((Side.BUY, Side.SELL))
            price_ticks = 5_000 + self.chance.randint(-5, 5)
            account, lots = self.chance.randint(1, 3), self.chance.randint(1, 20)
            self.exchange.attempt_order(account, 1, side, price_ticks, lots)

    def _perform(self, account: int, kind: str, prepare: Any) -> None:
        self.exchange.intake.flush()
        self.registry.perform(account, kind, prepare)

    def _name(self) -> str:
        self._number += 1
        return f"n{self._number}"

    def _other(self, account: int) -> str:
        return CODES[account % 3 + 1]

    def _batch(self) -> str:
        with self.database.read() as session:
            found = session.scalars(select(Block).where(Block.status == "held")).unique().all()
        return self.chance.choice(found).batch.batch_id if found else "none"

    def _issue(self, account: int, lots: int) -> None:
        self.registry.issue(self.chance.randint(2_022, 2_025), 10 * lots)

    def _release(self, account: int, lots: int) -> None:
        with self.database.read() as session:
            pledged = select(Block).where(Block.status == "pledged")
            found = session.scalars(pledged.order_by(Block.number)).unique().first()
        if found is None:
            raise Refused("not_found", "Nothing is pledged.")
        self._perform(found.holder_account, "release", registry.release(found.operation_id))

    def _surrender(self, account: int, lots: int) -> None:
        self._perform(1, "surrender", compliance.surrender("demo", 2026, lots))

    def _event(self, account: int, lots: int) -> None:
        sources = [Activity("fuel", "diesel", "2", "t")]
        plan = events.Plan("年会", "conference", 100, 1, 2, sources)

        def offset(session: Any) -> None:
            event = events.create(session, account, plan, None, 1)
            event_offsets.ask(session, event, SYMBOL, 1)

        self.database.write(offset).result()
        self.exchange.attempt_order(account, 1, Side.BUY, 5_005, 10)

    def _block_trade(self, account: int, lots: int) -> None:
        counterparty = account % 3 + 1
        proposal = Proposal(
            **{"client_order_id": self._name(), "proposer": account, "counterparty": counterparty},
            **{"instrument": 1, "side": Side.SELL, "price_ticks": 5_500, "quantity_lots": 10},
        )
        number, _ = block_trades.propose(self.database, self.exchange, proposal)
        self.exchange.intake.flush()
        block_trades.accept(self.database, self.exchange, counterparty, number)

    def _auction(self, account: int, lots: int) -> None:
        now_ns = time.time_ns()
        application = Application(
            **{"initiator": account, "instrument": 1, "side": Side.SELL, "quantity_lots": 10},
            **{"reserve_price_ticks": 5_200, "mode": "uniform", "share_cap_ppm": 1_000_000},
            **{"notice": "10 t", "starts_at_ns": 1, "ends_at_ns": now_ns + 10**12},
        )
        auction_id = one_way_auctions.apply(self.database, self.exchange, application)
        self.database.write(
            lambda session: one_way_auctions.decide(
                session, auction_id, "operator", publish=True, now_ns=now_ns
            )
        ).result()
        offer = Offer(self._name(), account % 3 + 1, 5_300, 8)
        try:
            auction_bids.place(self.database, self.exchange, auction_id, offer, now_ns)
        finally:
            one_way_auctions.close(self.database, self.exchange, auction_id, now_ns + 10**12)


def test_a_generated_year(credit_registry: Any, tmp_path: Path) -> None:
    """The ledger sums to zero, custody equals the engine, blocks partition what was issued."""
    year = Year(credit_registry, DAYS)
    year.begin()
    exchange, database = credit_registry.exchange, credit_registry.database
    for _ in range(DAYS):
        year.live_a_day()
        with database.read() as session:
            day = current_trading_day(session)
        exchange.settle(tmp_path, day=day)
        credit_registry.check()
        assert reconcile(database, exchange, pause=lambda _: None).breaks == []
        with database.read() as session:
            assert ledger.imbalances(session) == []
    assert sum(year.done.values()) > 5 * DAYS, year.done
    if DAYS >= 50:
        assert set(year.done) == set(year.operations), year.done
    print(f"{DAYS} days: {dict(year.done)}")
