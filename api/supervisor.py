"""`puhui serve`: start the processes in order, start again what dies, end all of them together.

The supervisor binds the port, and every gateway accepts from the one socket that they inherit: a
connection that comes while a gateway is started again waits for it, or goes to another one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import structlog
from prometheus_client.multiprocess import mark_process_dead

from api.inherited import (
    LISTENER_VARIABLE,
    RATE_LIMITS_VARIABLE,
    READY_VARIABLE,
    SUPERVISOR_VARIABLE,
    new_memory,
)
from api.metrics import FOLDER_VARIABLE
from api.processes import EXIT_FAILED, EXIT_NEEDS_OPERATOR
from api.settings import Settings

BACKLOG = 2_048
FIRST_BACK_OFF_SECONDS = 0.2
LAST_BACK_OFF_SECONDS = 10.0
# Who has run this long is well, and is started again at once the next time.
HEALTHY_SECONDS = 30.0
STOP_SECONDS = 15.0
_log = structlog.get_logger("supervisor")


class _Child(NamedTuple):
    """A process to keep running: `puhui` with `arguments`."""

    name: str
    arguments: list[str]
    # By variable, what it inherits.
    descriptors: dict[str, int]


class Supervisor:
    """One core, one back office, the gateways and, for the demo, the market maker."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        self._environment = {
            **os.environ,
            SUPERVISOR_VARIABLE: str(os.getpid()),
            **environment_of(settings),
        }
        data = ("--data", str(settings.data_dir))
        shared = {LISTENER_VARIABLE: listener.fileno(), RATE_LIMITS_VARIABLE: new_memory()}
        gateways = [
            _Child(f"gateway {number}", ["gateway", *data], shared)
            for number in range(1, settings.workers + 1)
        ]
        # Those of a stage start together, when all of the stage before are ready.
        self.stages = [
            [_Child("core", ["core", *data], {})],
            [_Child("back office", ["back-office", *data], {}), *gateways],
        ]
        if settings.demo and settings.demo_quotes:
            self.stages.append([_Child("demo maker", ["demo-maker"], {})])
        self._running: dict[str, Process] = {}
        self._is_stopping = False
        self._stop = asyncio.Event()
        self._exit_status = 0

    async def run(self, announce: Callable[[str], None]) -> int:
        """Until a signal, or until a child cannot go on; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        with tempfile.TemporaryDirectory(prefix="puhui-metrics-") as folder:
            self._environment[FOLDER_VARIABLE] = folder
            await self._run(announce)
        return self._exit_status

    async def _run(self, announce: Callable[[str], None]) -> None:
        started: list[list[tuple[_Child, asyncio.Task[None]]]] = []
        stopped = asyncio.create_task(self._stop.wait())
        for stage in self.stages:
            ready = [asyncio.Event() for _ in stage]
            keepers = [
                asyncio.create_task(self._keep(*each)) for each in zip(stage, ready, strict=True)
            ]
            started.append(list(zip(stage, keepers, strict=True)))
            all_ready = asyncio.ensure_future(_await_all(ready))
            await asyncio.wait([all_ready, stopped], return_when=asyncio.FIRST_COMPLETED)
            if self._stop.is_set():
                all_ready.cancel()
                break
        else:
            announce(self._announcement())
            await stopped
        self._is_stopping = True
        self._listener.close()
        # Those who depend on others go first.
        for stage_started in reversed(started):
            await asyncio.gather(*(self._end(*each) for each in stage_started))

    async def _keep(self, child: _Child, ready: asyncio.Event) -> None:
        back_off_seconds = FIRST_BACK_OFF_SECONDS
        while not self._is_stopping:
            began = time.monotonic()
            ready_end, child_end = os.pipe()
            descriptors = child.descriptors | {READY_VARIABLE: child_end}
            process = await asyncio.create_subprocess_exec(
                # By the command's own name, so that the operator finds it in a list of processes.
                sys.executable,
                str(Path(sys.executable).with_name("puhui")),
                *child.arguments,
                env=self._environment | {name: str(each) for name, each in descriptors.items()},
                pass_fds=descriptors.values(),
                # A terminal's Ctrl-C is for the supervisor, which ends the others in order.
                start_new_session=True,
            )
            os.close(child_end)
            self._running[child.name] = process
            waiting = asyncio.create_task(_await_ready(child, ready_end, ready))
            status = await process.wait()
            await waiting
            mark_process_dead(process.pid, self._environment[FOLDER_VARIABLE])  # type: ignore[no-untyped-call]
            del self._running[child.name]
            if self._is_stopping:
                return
            if status == EXIT_NEEDS_OPERATOR:
                _log.critical("supervisor: cannot go on", child=child.name)
                self._exit_status = EXIT_FAILED
                self._stop.set()
                return
            if time.monotonic() - began > HEALTHY_SECONDS:
                back_off_seconds = FIRST_BACK_OFF_SECONDS
            _log.error(
                "supervisor: child died, starting it again",
                child=child.name,
                status=status,
                in_seconds=back_off_seconds,
            )
            await asyncio.sleep(back_off_seconds)
            back_off_seconds = min(2 * back_off_seconds, LAST_BACK_OFF_SECONDS)

    async def _end(self, child: _Child, keeper: asyncio.Task[None]) -> None:
        """Stop one child, by force if it takes too long."""
        process = self._running.get(child.name)
        if process is None:
            keeper.cancel()
        else:
            process.terminate()
        _, late = await asyncio.wait([keeper], timeout=STOP_SECONDS)
        if late and process:
            _log.error("supervisor: child does not stop, killing it", child=child.name)
            process.kill()
            await asyncio.wait([keeper])

    def _announcement(self) -> str:
        line = f"Puhui is ready: {self._settings.base_url}/"
        if self._settings.demo:
            line += "  This is a demo: its users' password is 'demo', its money is not real."
        return line


async def _await_all(events: list[asyncio.Event]) -> None:
    for event in events:
        await event.wait()


async def _await_ready(child: _Child, descriptor: int, ready: asyncio.Event) -> None:
    """Until the child says that it is ready, or has ended."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    if await reader.read(1):
        _log.info("supervisor: ready", child=child.name)
        ready.set()
    transport.close()


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables from which a child's Settings become the same."""
    tls = {"PUHUI_TLS_CERT": settings.tls_cert, "PUHUI_TLS_KEY": settings.tls_key}
    return {
        **{name: str(path.absolute()) for name, path in tls.items() if path is not None},
        "PUHUI_DATA_DIR": str(settings.data_dir.absolute()),
        "PUHUI_DATABASE_URL": settings.database_url,
        "PUHUI_HOST": settings.host,
        "PUHUI_PORT": str(settings.port),
        "PUHUI_DEMO": str(settings.demo).lower(),
        "PUHUI_LOG_FORMAT": settings.log_format,
        "PUHUI_LIMITS": settings.model_dump_json(include={"limits"})[len('{"limits":') : -1],
    }


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `port`, or on any free one for 0. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)
