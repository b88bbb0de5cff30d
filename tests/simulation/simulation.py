"""One run of the exchange on simulated time and a simulated disk, made from one seed.

`python tests/simulation/simulation.py SEED` runs one, `... FIRST COUNT` several; a failure names
its seed. A run is a few lives of the core. Each ends by a fault at some call of the disk, or by a
plain stop; then a new core recovers, and every promise is checked.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from engine_scales import ROOMY_LIMITS
from simulated_client import Feeder, SimulatedCoreClient, SimulatedGateway, Trader
from simulated_clock import Link, SimulatedLoop
from simulated_commit import SimulatedCommit, lone_commands
from simulated_settlement import LIMITS as SETTLEMENT_LIMITS
from simulated_settlement import SimulatedSettlement, make_template
from simulated_storage import Death, Fault, SimulatedDisk
from simulation_checks import CheckedEngine, Shown, check_recovered
from structlog.testing import capture_logs

from api.core_client import CoreError
from engine.compiled import JIT
from engine.core import LONE_COMMANDS, Core
from engine.group_commit import GroupCommit
from engine.journal_format import JournalDamagedError, JournalError
from engine.matching.engine import Engine
from engine.matching.reference import ReferenceEngine
from engine.snapshotter import make_snapshot
from engine.state import EngineLimits
from engine.storage import Sizes

DATA = Path("/simulated")
SIZES = Sizes(journal_segment_bytes=16 << 10, event_segment_bytes=8 << 10, reserve_bytes=16 << 10)
FIRST_NS = 1_700_000_000_000_000_000
HOUR_NS = 3_600_000_000_000
COMMANDS = 60
ORDERS = 12


class BrokenPromise(SystemExit):
    """What a gateway was told cannot be. An exit, because nothing but exits ends asyncio's loop."""


class Simulation:
    """The exchange, its users, and the faults; `run` is the whole of a seed."""

    def __init__(self, seed: int, folder: Path | None = None) -> None:
        """With a folder that has a database's template, the seed's day is settled, too."""
        self.random = Random(seed)
        self.loop = SimulatedLoop()
        asyncio.set_event_loop(self.loop)
        self.disk = SimulatedDisk(self._fork())
        self.shown = Shown()
        self.trace = hashlib.sha256()
        self.ends: list[str] = []
        self.core: Core | None = None
        self.gateway: SimulatedGateway | None = None
        self._links: list[Link] = []
        self._clients: list[SimulatedCoreClient] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._skew_ns = 0
        self._commit: SimulatedCommit | None = None
        self.settlement = folder and SimulatedSettlement(self.loop, folder, self._make_client)
        self._limits = SETTLEMENT_LIMITS if folder else ROOMY_LIMITS
        self._feeder = Feeder(self._fork())
        find = lambda: self.gateway  # noqa: E731 - each life has another one
        self.traders = [Trader(account, self._fork(), find) for account in (1, 2, 3)]

    def run(self) -> str:
        """Live some lives, then one without faults until all users are done; a digest of it."""
        with lone_commands(self.random.choice((0, LONE_COMMANDS))):
            work = [trader.trade(ORDERS) for trader in self.traders]
            if self.settlement:
                self._recover()
                self.settlement.open_the_day()
            else:
                work.append(self._feeder.feed(COMMANDS, lambda: self.gateway))
            users = asyncio.gather(*(self.loop.create_task(each) for each in work))
            # Where a promise is broken, nobody asks any more how the users fared.
            users.add_done_callback(lambda done: done.cancelled() or done.exception())
            for _ in range(self.random.randint(2, 6)):
                self._live(users)
            self._recover()
            self.loop.run_until_complete(users)
            if self.settlement:
                self._settle(self.settlement)
            self._check()
            self._end_core(power_cut=False)
            self._recover()
        return self.trace.hexdigest()

    def close(self) -> None:
        """Let nothing wait for ever."""
        self.loop.run_until_complete(asyncio.sleep(0))
        if self.gateway:
            self.gateway.die()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()
        if self.settlement:
            self.settlement.database.close()
        asyncio.set_event_loop(None)

    # --- Lives ---

    def _live(self, users: asyncio.Future[list[None]]) -> None:
        self._recover(on_full_disk=self.random.random() < 0.1)
        fault = self.random.choice(list(Fault))
        self.disk.plan(fault, self.random.randint(1, 80))
        if self.random.random() < 0.2:
            self._skew_ns += self.random.choice((-HOUR_NS, HOUR_NS))
        end = "its time was over"
        try:
            assert self.core
            self.loop.run_until_complete(self._some_time(users))
        except Death:
            end = fault.name
        while self._timers:
            self._timers.pop().cancel()
        if self.core.failed.done():
            end = f"failed: {self.core.failed.exception()}"
        if not self.core.has_room:
            end += ", on a full disk"
        self._end_core(power_cut=self.disk.power_is_cut or self.random.random() < 0.3)
        self.ends.append(end)
        if self.random.random() < 0.1:
            self.disk.damage_journal()
        if self.random.random() < 0.1 and self.disk.damage_snapshot():
            self.ends.append("a snapshot was damaged")

    async def _some_time(self, users: asyncio.Future[list[None]]) -> None:
        random = self.random
        if random.random() < 0.25:
            self._later(random.uniform(0, 0.1), self._fill_disk, True)
            self._later(random.uniform(0.1, 2.5), self._fill_disk, False)
        if random.random() < 0.3:
            self._later(random.uniform(0, 0.2), self._end_gateway)
        for _ in range(random.choice((0, 0, 1, 2))):
            self._later(random.uniform(0, 0.3), self._make_snapshot)
        await asyncio.wait([users], timeout=random.uniform(0.05, 0.4))

    def _later(self, seconds: float, work: Callable[..., None], *arguments: object) -> None:
        """Do something in this life; with it goes what has not come by then."""
        self._timers.append(self.loop.call_later(seconds, work, *arguments))

    def _fill_disk(self, is_full: bool) -> None:
        self.disk.is_full = is_full

    def _make_snapshot(self) -> None:
        """As the process beside the core does, which the core asks for one now and then."""
        core = self.core
        # The reference engine, which stands in for the compiled one, has no arrays.
        if not JIT or core is None or core.failed.done() or not core.released_sequence:
            return
        try:
            header = make_snapshot(DATA, core.released_sequence, Engine, storage=self.disk)
        except OSError as error:
            self.ends.append(f"no snapshot: {error}")
        except JournalError as error:
            raise BrokenPromise from error
        else:
            self.ends.append("a snapshot was made")
            core._note_state(header)

    def _settle(self, settlement: SimulatedSettlement) -> None:
        """Bring the day to its end, whatever happens on the way."""
        run_id = settlement.begin_settlement()
        is_done = False
        while not is_done:
            self._recover()
            if self.random.random() < 0.8:
                self.disk.plan(self.random.choice(list(Fault)), self.random.randint(1, 30))
            try:
                is_done = settlement.go_on(run_id)
            except (Death, CoreError) as error:
                self.ends.append(f"settlement interrupted: {error!r}")
                self._end_core(power_cut=self.disk.power_is_cut)
        self.disk.forget_plan()
        settlement.check()

    def _recover(self, *, on_full_disk: bool = False) -> None:
        """Start cores until one is there, then a gateway, and check what is promised."""
        self.disk.is_full = on_full_disk and bool(self.ends)
        while self.core is None:
            if self.random.random() < 0.2:
                self.disk.plan(self.random.choice(list(Fault)), self.random.randint(1, 12))
            try:
                self.core = self.loop.run_until_complete(self._boot())
            except JournalDamagedError as error:
                self._take_refusal(str(error))
            except (Death, JournalError, OSError) as error:
                self.ends.append(f"died again: {error!r}")
                self.disk.is_full = False
                self._end_core(power_cut=self.disk.power_is_cut)
        self.disk.forget_plan()
        self._check()
        self.disk.accept_damage()
        if self.gateway is None:
            self._start_gateway()

    async def _boot(self) -> Core:
        core = Core(
            DATA,
            self._make_engine,
            self._limits,
            clock=lambda: FIRST_NS + self._skew_ns + int(self.loop.time() * 1e9),
            storage=self.disk,
            sizes=SIZES,
            make_commit=self._make_commit,
            read_ahead=False,
        )
        self.core = core
        core.failed.add_done_callback(_end_failed_process)
        self._check_damage(core)
        await core.take_up()
        return core

    def _take_refusal(self, why: str) -> None:
        """A core that does not start: there must be a reason. Then the operator mends it."""
        assert self.disk.damage, f"a sound journal was refused: {why}"
        assert self.disk.damage.path.name in why, "the damage is named"
        self.ends.append(f"refused: {why}")
        self.disk.mend()
        self._end_core(power_cut=False)

    def _check_damage(self, core: Core) -> None:
        """What a core starts with all the same is cut off, where nothing was acknowledged; or it
        lies before a snapshot, and whoever reads the journal finds it."""
        damage = self.disk.damage
        paths = core._journal._segments.paths()
        if not damage or damage.path not in paths:
            return
        found = ""
        try:
            deque(core._journal.read_entries(), 0)
        except JournalDamagedError as error:
            found = str(error)
        if found:
            assert damage.path.name in found, "the damage is named"
            assert self.ends[-1] == "a snapshot was taken", f"{damage} was accepted in silence"
            self.ends.append("damage before a snapshot")
            self.disk.mend()
        else:
            assert damage.path == paths[-1], f"{damage} was accepted in silence"
            assert damage.end > core._journal._end, f"{damage} was accepted in silence"

    def _make_engine(self, limits: EngineLimits) -> CheckedEngine:
        engine = Engine(limits) if JIT else ReferenceEngine(limits)
        return CheckedEngine(engine, lambda: self.ends.append("a snapshot was taken"))

    def _make_commit(self, *arguments: object) -> GroupCommit:
        self._commit = SimulatedCommit(self.loop, self._fork(), *arguments)
        return self._commit

    def _end_core(self, *, power_cut: bool) -> None:
        """The core's process is gone; with the power, the gateway's too."""
        core, self.core = self.core, None
        if self._commit:
            self._commit.is_alive = False
        for link in self._links:
            link.ends[0].die()
        if core:
            _bury(core)
        if power_cut:
            self._end_gateway()
        self._links.clear()
        self.disk.end_process(power_cut=power_cut)

    def _end_gateway(self) -> None:
        gateway, self.gateway = self.gateway, None
        if gateway is None:
            return
        gateway.die()
        if self.settlement:
            self.settlement.die()
        for link in self._links:
            link.ends[1].die()
        if self.core:
            self._start_gateway()

    def _start_gateway(self) -> None:
        self.loop.call_soon(self._make_gateway)

    def _make_gateway(self) -> None:
        if self.gateway:
            return

        def take(events: np.ndarray, _: int) -> None:
            # What is still on its way to a dead one arrives nowhere.
            if self.gateway is gateway:
                self._take_events(gateway, events)

        gateway = self.gateway = SimulatedGateway(self._make_client("gateway", take))
        starting = self.loop.create_task(gateway.start())
        gateway.requests[starting] = None

    def _make_client(self, *arguments: object) -> SimulatedCoreClient:
        client = SimulatedCoreClient(lambda: self.core, self._links, self._fork(), *arguments)
        self._clients.append(client)
        return client

    def _take_events(self, gateway: SimulatedGateway, events: np.ndarray) -> None:
        try:
            self.shown.take(events)
            if not self.settlement:
                self._feeder.learn(events)
            gateway.take_events(events)
        except Exception as error:
            # The client would only close its link, as it must, and try again for ever.
            raise BrokenPromise from error

    def _check(self) -> None:
        assert self.core
        sent = [submission for client in self._clients for submission in client.submissions]
        history = check_recovered(self.core, self._limits, self.shown, self.traders, sent)
        self.trace.update(history.events.tobytes())

    def _fork(self) -> Random:
        return Random(self.random.getrandbits(64))


def _end_failed_process(failed: asyncio.Future[None]) -> None:
    """A core that has failed is ended by whoever runs it."""
    if not failed.cancelled():
        error = failed.exception()
        raise Death if isinstance(error, JournalError | OSError) else BrokenPromise from error


def _bury(core: Core) -> None:
    """Let nothing of a dead process move again."""
    if not core.failed.done():
        core.failed.cancel()
    core._due.stop()
    core._space.stop()
    for link in core._links:
        if link._catching_up:
            link._catching_up.cancel()


def settles(seed: int) -> bool:
    """Whether the seed's day is settled."""
    return seed % 8 == 0


def run_seed(seed: int, folder: Path | None = None) -> tuple[str, Simulation]:
    """A digest of all that happened, and the simulation as it ended."""
    with capture_logs():
        simulation = Simulation(seed, folder)
        try:
            return simulation.run(), simulation
        finally:
            simulation.close()


def main(first: int, count: int) -> int:
    """Run seeds, each with a settlement or without; the first failure ends it, with its seed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_template(folder)
        for seed in range(first, first + count):
            try:
                _, simulation = run_seed(seed, folder if settles(seed) else None)
            except BaseException:
                traceback.print_exc()
                print(f"FAILED: make sim SEED={seed}", flush=True)
                return 1
            if count == 1:
                print("\n".join(simulation.ends))
            elif seed % 100 == 0:
                print(f"... {seed}", flush=True)
    print(f"{count} seeds from {first} on in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
