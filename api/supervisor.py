"""`puhui serve`: start the processes in order, start again what dies, end all of them together."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import httpx
import structlog

from api.core_client import CoreClient, CoreUnavailable
from api.processes import EXIT_FAILED, EXIT_NEEDS_OPERATOR, SUPERVISOR_VARIABLE
from api.settings import Settings
from api.tls import own_certificate

READY_POLL_SECONDS = 0.05
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
    is_ready: Callable[[], Awaitable[bool]]


class Supervisor:
    """One core, one gateway and, for the demo, the market maker."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environment = {
            **os.environ,
            SUPERVISOR_VARIABLE: str(os.getpid()),
            **environment_of(settings),
        }
        data = ("--data", str(settings.data_dir))
        self._children = [
            _Child("core", ["core", *data], self._core_is_ready),
            _Child("gateway", ["gateway", *data], self._gateway_is_ready),
        ]
        if settings.demo and settings.demo_quotes:
            self._children.append(_Child("demo maker", ["demo-maker"], _always))
        self._running: dict[str, Process] = {}
        self._is_stopping = False
        self._stop = asyncio.Event()
        self._exit_status = 0

    async def run(self, announce: Callable[[str], None]) -> int:
        """Until a signal, or until a child cannot go on; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        keepers: list[asyncio.Task[None]] = []
        stopped = asyncio.create_task(self._stop.wait())
        for child in self._children:
            ready = asyncio.Event()
            keepers.append(asyncio.create_task(self._keep(child, ready)))
            became_ready = asyncio.create_task(ready.wait())
            await asyncio.wait([became_ready, stopped], return_when=asyncio.FIRST_COMPLETED)
            became_ready.cancel()
            if self._stop.is_set():
                break
        else:
            announce(self._announcement())
            await stopped
        self._is_stopping = True
        # Those who depend on others go first.
        for child, keeper in reversed(list(zip(self._children, keepers, strict=False))):
            await self._end(child, keeper)
        return self._exit_status

    async def _keep(self, child: _Child, ready: asyncio.Event) -> None:
        back_off_seconds = FIRST_BACK_OFF_SECONDS
        while not self._is_stopping:
            began = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                # By the command's own name, so that the operator finds it in a list of processes.
                sys.executable,
                str(Path(sys.executable).with_name("puhui")),
                *child.arguments,
                env=self._environment,
                # A terminal's Ctrl-C is for the supervisor, which ends the others in order.
                start_new_session=True,
            )
            self._running[child.name] = process
            waiting = asyncio.create_task(self._wait_until_ready(child, ready))
            status = await process.wait()
            waiting.cancel()
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

    async def _wait_until_ready(self, child: _Child, ready: asyncio.Event) -> None:
        while True:
            if await child.is_ready():
                _log.info("supervisor: ready", child=child.name)
                ready.set()
                return
            await asyncio.sleep(READY_POLL_SECONDS)

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

    async def _core_is_ready(self) -> bool:
        try:
            client = await CoreClient.connect(self._settings.socket_path, "supervisor")
        except CoreUnavailable:
            return False
        await client.close()
        return True

    async def _gateway_is_ready(self) -> bool:
        url = f"{self._settings.base_url}/v1/status"
        try:
            verify = own_certificate(self._settings) or True
            async with httpx.AsyncClient(trust_env=False, verify=verify) as client:
                return (await client.get(url)).is_success
        except httpx.HTTPError:
            return False

    def _announcement(self) -> str:
        line = f"Puhui is ready: {self._settings.base_url}/"
        if self._settings.demo:
            line += "  This is a demo: its users' password is 'demo', its money is not real."
        return line


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


def free_port(host: str, port: int) -> int:
    """`port` if it can be bound, or any free one for 0. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


async def _always() -> bool:
    return True
