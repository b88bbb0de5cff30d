"""An exchange in one process for tests of settlement: engine, intake and database."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from engine.codes import (
    CommandKind,
    EventKind,
    OrderType,
    Phase,
    Purpose,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from engine.matching.reference import ReferenceEngine
from engine.packed_texts import pack_client_id, pack_text
from engine.queries import AccountAnswer, BalancesAnswer
from engine.records import ADMIN_COMMAND, COMMAND, INSTRUMENT_COMMAND, ORDER_COMMAND, ORDER_EVENT
from engine.state import EngineLimits
from settlement import custody, market_rules, operations, registry
from settlement.clearing import Clearing
from settlement.database import Database
from settlement.errors import Refused
from settlement.intake import Intake

TRADING_DAY = 20_777  # 2026-11-20
START_NS = TRADING_DAY * 86_400 * 10**9
LIMITS = EngineLimits(
    orders=4_096, accounts=256, positions=1_024, allowances=64, instruments=16, ladder_levels=65_536
)


class Exchange:
    """An EnginePort whose engine runs in this process and whose events go to the intake.

    Commands can be given by name, too.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.engine = ReferenceEngine(LIMITS)
        self.intake = Intake(database)
        self.time_ns = START_NS
        self._client_ids = itertools.count(1)
        self._interference: dict[int, Callable[[], None]] = {}
        self.rule("sessions", market_rules.EVERYWHERE, {"template": "around_the_clock"})

    def rule(self, kind: market_rules.Kind, key: str, body: dict[str, object] | None) -> None:
        """Lay a market rule over the shipped one."""
        self.database.write(
            lambda session: market_rules.propose(
                session, kind, key, body, actor="operator", needs_approval=False
            )
        ).result()

    def on_command(self, kind: CommandKind, work: Callable[[], None]) -> None:
        """Do `work` once, before the next command of this kind is carried out."""
        self._interference[kind] = work

    # --- EnginePort ---

    def submit(self, commands: np.ndarray) -> list[np.ndarray]:
        answers = []
        for index in range(len(commands)):
            command = commands[index : index + 1].view(COMMAND).copy()
            self._interference.pop(int(command["kind"][0]), lambda: None)()
            self.time_ns += 1_000
            command["sequence"] = self.engine.sequence + 1
            command["time_ns"] = self.time_ns
            events = self.engine.apply(command).copy()
            self.intake.consume(events, self.engine.sequence)
            answers.append(events)
        return answers

    def account(self, number: int) -> AccountAnswer:
        state = self.engine.export()
        return AccountAnswer(
            state.sequence,
            state.accounts[number],
            state.positions[state.positions["account"] == number],
            state.allowances[state.allowances["account"] == number],
        )

    def balances(self) -> BalancesAnswer:
        state = self.engine.export()
        return BalancesAnswer(state.sequence, state.accounts, state.positions, state.allowances)

    # --- commands by name; each returns its reply or, for an order, its order id ---

    def command(self, kind: CommandKind, layout: np.dtype[Any], **fields: int) -> np.ndarray:
        command = np.zeros(1, layout)
        command["kind"] = kind
        for name, value in fields.items():
            command[name] = value
        events = self.submit(command.view(COMMAND))[0]
        assert events["kind"][0] != EventKind.COMMAND_REFUSED, events["code"][0]
        return events

    def define(self, number: int, symbol: str, **fields: int) -> None:
        high, low = pack_text(symbol)
        terms = {
            "instrument": number,
            "symbol_high": high,
            "symbol_low": low,
            "reference_price_ticks": 5_000,
            "maximum_order_lots": 100_000,
            "maximum_holding_lots": 1_000_000,
            "tick_fen": 1,
            "price_limit_ppm": 100_000,
            "maker_fee_ppm": 1_000,
            "taker_fee_ppm": 3_000,
            "ladder_levels": 4_096,
            "trading_day": TRADING_DAY,
            "flags": 1,
        }
        self.command(CommandKind.DEFINE_INSTRUMENT, INSTRUMENT_COMMAND, **(terms | fields))

    def open_account(self, number: int) -> None:
        self.command(CommandKind.OPEN_ACCOUNT, ADMIN_COMMAND, account=number)

    def deposit_cash(self, account: int, amount_fen: int) -> None:
        kind = CommandKind.DEPOSIT_CASH
        self.command(kind, ADMIN_COMMAND, account=account, amount_fen=amount_fen)

    def withdraw_cash(self, account: int, amount_fen: int) -> None:
        kind = CommandKind.WITHDRAW_CASH
        self.command(kind, ADMIN_COMMAND, account=account, amount_fen=amount_fen)

    def deposit_credits(self, account: int, instrument: int, lots: int) -> None:
        self.command(
            CommandKind.DEPOSIT_CREDITS,
            ADMIN_COMMAND,
            **{"account": account, "instrument": instrument, "quantity_lots": lots},
        )

    def bring_credits(self, account: int, symbol: str, lots: int) -> None:
        """Issue credits to the account and deposit them through the registry, as clients do."""
        number = next(self._client_ids)

        def issue(session: Session) -> None:
            code = f"M{number}"
            registry.add_methodology(session, code, "Bus rides", "1")
            project = registry.NewProject("Rides", code, "GD", "transport", account, symbol)
            project_id = registry.add_project(session, project).project_id
            registry.issue(session, registry.NewBatch(project_id, 2025, lots, f"S{number}"))

        self.database.write(issue).result()
        self.intake.flush()
        request = operations.Request(account, "deposit", {})
        operations.perform(self.database, self, request, custody.deposit(symbol, lots))
        self.intake.flush()

    def withdraw_credits(self, account: int, instrument: int, lots: int) -> None:
        self.command(
            CommandKind.WITHDRAW_CREDITS,
            ADMIN_COMMAND,
            **{"account": account, "instrument": instrument, "quantity_lots": lots},
        )

    def set_phase(self, instrument: int, phase: Phase) -> None:
        self.command(CommandKind.SET_PHASE, ADMIN_COMMAND, instrument=instrument, phase=phase)

    def order(
        self,
        account: int,
        instrument: int,
        side: Side,
        price_ticks: int,
        quantity_lots: int,
        **fields: int,
    ) -> int:
        high, low, _ = pack_client_id(f"c{next(self._client_ids)}")
        terms = {
            "account": account,
            "instrument": instrument,
            "side": side,
            "price_ticks": price_ticks,
            "quantity_lots": quantity_lots,
            "client_id_high": high,
            "client_id_low": low,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.DAY,
            "self_trade_prevention": SelfTradePrevention.CANCEL_NEWEST,
            "purpose": Purpose.VOLUNTARY,
        }
        events = self.command(CommandKind.NEW_ORDER, ORDER_COMMAND, **(terms | fields))
        return int(events[:1].view(ORDER_EVENT)["order_id"][0])

    def amend(self, account: int, order_id: int, price_ticks: int, quantity_lots: int) -> None:
        self.command(
            CommandKind.AMEND_ORDER,
            ORDER_COMMAND,
            **{"account": account, "order_id": order_id},
            **{"price_ticks": price_ticks, "quantity_lots": quantity_lots},
        )

    def attempt_order(self, *arguments: Any) -> None:
        """Place an order, which may be refused."""
        with contextlib.suppress(AssertionError):
            self.order(*arguments)

    def attempt_withdrawal(self, account: int, symbol: str, lots: int) -> None:
        """Take credits out of custody, which may be refused."""
        request = operations.Request(account, "withdrawal", {})
        with contextlib.suppress(Refused):
            operations.perform(self.database, self, request, custody.withdrawal(symbol, lots))

    def trade_a_day(self) -> None:
        """Account 3 buys from 1 and 2, account 4 from 1; 1 buys back; XM-CER stays thin."""
        self.order(1, 1, Side.SELL, 5_000, 300)
        self.order(2, 1, Side.SELL, 5_010, 200)
        self.order(3, 1, Side.BUY, 5_010, 400)
        self.order(1, 1, Side.BUY, 5_005, 10)
        self.order(2, 1, Side.SELL, 5_005, 10)
        self.order(4, 1, Side.BUY, 5_020, 50)
        self.order(1, 2, Side.SELL, 5_100, 60)
        self.order(4, 2, Side.BUY, 5_100, 60)
        self.order(3, 2, Side.BUY, 4_800, 5)
        self.intake.flush()

    def settle(self, folder: Path, *, reopen: bool = True, day: int = TRADING_DAY) -> str:
        """Carry out the end of a day; returns the run's id."""
        work = Clearing(self.database, self, folder, reopen=reopen)
        run_id = work.begin(day)
        assert work.run(run_id)
        return run_id

    def cancel(self, account: int, order_id: int) -> None:
        self.command(CommandKind.CANCEL_ORDER, ORDER_COMMAND, account=account, order_id=order_id)
