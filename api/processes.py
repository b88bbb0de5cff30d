"""What runs inside each process: the core, the back office, a gateway.

A process that the supervisor started ends when the supervisor does, however that came about.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING

import structlog
import uvloop

from api.inherited import end_with_supervisor, listener, say_ready
from api.logs import set_up_logs
from api.settings import Settings, is_loopback
from engine.state import EngineLimits

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

# A start that will fail in the same way again: sysexits.h calls it a configuration error.
EXIT_NEEDS_OPERATOR = 78
# The disk failed a write or a sync: the next start recovers from what is on it.
EXIT_DISK_FAILED = 74
EXIT_FAILED = 1
# A thread that waits for the interpreter (the journal's, when a sync is done) waits at most this.
CORE_SWITCH_SECONDS = 0.0002
WEBSOCKET_MAX_BYTES = 1 << 20
PING_SECONDS = 20.0
KEEP_ALIVE_SECONDS = 75
GRACEFUL_SECONDS = 5
_log = structlog.get_logger("process")


def run_core(settings: Settings) -> int:
    """Run the core until it is told to stop; the exit status."""
    # Here, because the compiled engine is of no use to any other process.
    from api.data_folder import consumed_sequence
    from engine.core import Core
    from engine.journal_format import (
        JournalDamagedError,
        JournalError,
        JournalFailedError,
        JournalInUseError,
        ReplayDivergedError,
    )
    from engine.matching.engine import Engine
    from engine.snapshot_keeper import SnapshotPolicy

    set_up_logs(settings.log_format, "core")
    end_with_supervisor()
    sys.setswitchinterval(CORE_SWITCH_SECONDS)

    def warm_engine(limits: EngineLimits) -> Engine:
        engine = Engine(limits)
        _log.info("core: loading the engine; the first time, it is compiled for a minute")
        engine.warm_up()
        return engine

    async def run() -> int:
        consumed = partial(consumed_sequence, settings.database)
        policy = SnapshotPolicy(consumed=consumed if settings.archive_old_segments else None)
        core = Core(settings.data_dir, warm_engine, settings.limits, snapshots=policy)
        # Only now: until here a signal may end the process at once, and nothing is lost.
        stop = _stop_on_signals()
        # What the replay made stays for good: no collection need look at it again.
        gc.collect()
        gc.freeze()
        await core.start()
        say_ready()
        await asyncio.wait([core.failed, stop], return_when=asyncio.FIRST_COMPLETED)
        await core.stop()
        if not core.failed.done():
            return 0
        why = core.failed.exception()
        if isinstance(why, ReplayDivergedError):
            return EXIT_NEEDS_OPERATOR
        return EXIT_DISK_FAILED if isinstance(why, JournalFailedError) else EXIT_FAILED

    try:
        return uvloop.run(run())
    except (JournalDamagedError, JournalInUseError, ReplayDivergedError) as error:
        _log.critical("core: cannot go on", why=str(error))
        return EXIT_NEEDS_OPERATOR
    except (JournalError, OSError) as error:
        _log.critical("core: failed", why=str(error))
        return EXIT_FAILED


def run_back_office(settings: Settings) -> int:
    """Run the back office until it is told to stop; the exit status."""
    from api.back_office import BackOffice

    set_up_logs(settings.log_format, "back office")
    end_with_supervisor()

    async def run() -> None:
        stop = _stop_on_signals()
        back_office = BackOffice(settings)
        starting = asyncio.ensure_future(back_office.start())
        try:
            await asyncio.wait([starting, stop], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                say_ready()
                await stop
        finally:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await back_office.stop()

    uvloop.run(run())
    return 0


def run_gateway(settings: Settings) -> int:
    """Run one gateway until it is told to stop; the exit status."""
    import uvicorn

    from api.app import create_app
    from api.streams import say_goodbye

    set_up_logs(settings.log_format, "gateway")
    end_with_supervisor()
    _raise_descriptor_limit()
    app = create_app(settings)
    config = server_config(app, settings)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            # What the start has made stays: no collection need look at it again.
            gc.collect()
            gc.freeze()
            if self.started:
                say_ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """Let the streams say goodbye before uvicorn cuts every connection."""
            await say_goodbye(app.state.gateway)
            for connection in list(self.server_state.connections):
                # uvicorn fails on one that its client is closing without reading the rest.
                if connection.transport.is_closing():
                    connection.transport.abort()
            await asyncio.sleep(0)
            await super().shutdown(sockets)

    server = Server(config)
    # uvicorn raises the signal that stopped it once more when it is done; that is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    inherited = listener()
    server.run(None if inherited is None else [inherited])
    return 0 if server.started else EXIT_FAILED


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How a gateway listens: the limits of every connection, and TLS if there is a certificate."""
    import uvicorn

    from api.http_protocol import GuardedHttpProtocol
    from api.websocket_protocol import GuardedWebSocketProtocol

    if settings.tls_cert is None and not is_loopback(settings.host):
        _log.warning("gateway: passwords and tokens are not encrypted", host=settings.host)
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=GuardedHttpProtocol,
        ws=GuardedWebSocketProtocol,
        ws_max_size=WEBSOCKET_MAX_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


def run_demo_maker(settings: Settings) -> int:
    """Run the demo's market maker until it is told to stop; the exit status."""
    from api.demo import SYMBOLS
    from api.demo_maker import DemoMaker
    from api.tls import own_certificate

    set_up_logs(settings.log_format, "demo maker")
    end_with_supervisor()

    async def run() -> None:
        say_ready()
        maker = DemoMaker(settings.base_url, SYMBOLS, tls=own_certificate(settings))
        quoting = asyncio.ensure_future(maker.run())
        await asyncio.wait([quoting, _stop_on_signals()], return_when=asyncio.FIRST_COMPLETED)
        if quoting.done():
            quoting.result()
        quoting.cancel()

    uvloop.run(run())
    return 0


def _stop_on_signals() -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def ask() -> None:
        if not stop.done():
            stop.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    return stop


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
