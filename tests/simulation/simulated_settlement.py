"""A day of settlement in a simulation: credits from the registry, the intake, the end of the day.

Settlement's own code runs here, blocking, between the turns of the simulated loop: whenever it asks
the engine, the loop runs until the answer is there and the intake has caught up with it.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from settlement_driver import LIMITS as LIMITS  # noqa: PLC0414 - of such a day
from settlement_driver import TRADING_DAY, Exchange
from simulated_client import SimulatedCoreClient
from simulated_clock import SimulatedLoop
from simulation_checks import check_ledger

from api.core_client import CoreError
from engine.codes import Phase
from engine.queries import AccountAnswer, BalancesAnswer
from settlement.clearing import Clearing
from settlement.database import Database
from settlement.intake import apply_events, checkpoint
from settlement.reconciliation import reconcile

T = TypeVar("T")
_PATIENCE_SECONDS = 0.01
_TEMPLATE = "template.db"


def make_template(folder: Path) -> None:
    """A database file with all tables, to be copied for each seed that uses the folder."""
    database = Database(f"sqlite:///{folder / _TEMPLATE}")
    database.migrate()
    database.close()


class SimulatedSettlement(Exchange):
    """Database, intake and clearing, with the commands by name of settlement's tests."""

    def __init__(
        self,
        loop: SimulatedLoop,
        folder: Path,
        new_client: Callable[..., SimulatedCoreClient],
    ) -> None:
        shutil.copyfile(folder / _TEMPLATE, folder / "simulated.db")
        self.database = Database(f"sqlite:///{folder / 'simulated.db'}")
        self.intake = self  # type: ignore[assignment]
        self._folder = folder
        self._loop = loop
        self._new_client = new_client
        self._client_ids = itertools.count(1)
        self._client: SimulatedCoreClient | None = None

    # --- The intake ---

    def die(self) -> None:
        """The process is gone, its database is not."""
        self._client = None

    def flush(self) -> None:
        """Let time pass until the tables have all that the engine has shown."""
        answer = self.balances()
        self._catch_up(answer.sequence)

    def _catch_up(self, sequence: int) -> None:
        while self._checkpoint() < sequence:
            self._loop.run_until_complete(asyncio.sleep(_PATIENCE_SECONDS))
            self._loop.run_until_complete(self._connected())

    def _checkpoint(self) -> int:
        with self.database.read() as session:
            return checkpoint(session)

    def _take(self, events: np.ndarray, last_sequence: int) -> None:
        self.database.write(lambda session: apply_events(session, events, last_sequence)).result()

    async def _connected(self) -> SimulatedCoreClient:
        if self._client is None:

            def take(events: np.ndarray, last_sequence: int) -> None:
                if self._client is client:
                    self._take(events, last_sequence)

            client = self._client = self._new_client("intake", take)
            await self._reach(client)
            await client.subscribe(self._checkpoint() + 1)
        elif not self._client.connected:
            await self._reach(self._client)
        return self._client

    @staticmethod
    async def _reach(client: SimulatedCoreClient) -> None:
        while not client.connected:
            try:
                await client.open()
            except CoreError:
                await asyncio.sleep(_PATIENCE_SECONDS)

    # --- EnginePort ---

    def submit(self, commands: np.ndarray) -> list[np.ndarray]:
        replies = self._ask(lambda client: client.submit(commands))
        self._catch_up(int(replies[-1]["sequence"][0]))
        return replies

    def account(self, number: int) -> AccountAnswer:
        return self._ask(lambda client: client.account(number))

    def balances(self) -> BalancesAnswer:
        answer = self._ask(lambda client: client.balances())
        self._catch_up(answer.sequence)
        return answer

    def _ask(self, question: Callable[[SimulatedCoreClient], Coroutine[Any, Any, T]]) -> T:
        async def ask() -> T:
            return await question(await self._connected())

        asking = self._loop.create_task(ask())
        try:
            return self._loop.run_until_complete(asking)
        except BaseException:
            asking.cancel()
            raise

    # --- The day ---

    def open_the_day(self) -> None:
        """Two instruments, three accounts with cash, credits out of the registry."""
        for number in (1, 2):
            self.define(number, f"SYM{number}")
        for account in (1, 2, 3):
            self.open_account(account)
            self.deposit_cash(account, 10_000_000)
            for number in (1, 2):
                self.bring_credits(account, f"SYM{number}", 100)
        for number in (1, 2):
            self.set_phase(number, Phase.CONTINUOUS)

    def begin_settlement(self) -> str:
        return self._clearing().begin(TRADING_DAY)

    def go_on(self, run_id: str) -> bool:
        """Carry on the day's run. Raises what stops it."""
        return self._clearing().run(run_id)

    def check(self) -> None:
        """The ledger sums to zero; engine, ledger and custody agree."""
        check_ledger(self.database)
        assert reconcile(self.database, self).breaks == []

    def _clearing(self) -> Clearing:
        return Clearing(self.database, self, self._folder, reopen=True, time_ns=lambda: 1)
