"""End-of-day runs in processes of their own, to be killed; the engine stays with the test.

A process is forked from a server that has imported everything, so that it is at work at once.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from multiprocessing.connection import Client, Connection, Listener
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from settlement import netting
from settlement.clearing import Clearing
from settlement.database import Database

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])
_QUESTIONS = ("submit", "account", "balances")


class EngineServer:
    """Answers the questions of an EnginePort over a socket, one after the other."""

    def __init__(self, port: Any, address: Path) -> None:
        self._port = port
        self.address = str(address)
        self._one_at_a_time = threading.Lock()
        self._listener = Listener(self.address, "AF_UNIX")
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection[Any, Any]) -> None:
        # Whoever asks may be killed before its question is whole, or before the answer.
        with contextlib.suppress(EOFError, OSError), connection:
            while True:
                name, arguments = connection.recv()
                with self._one_at_a_time:
                    answer = getattr(self._port, name)(*arguments)
                connection.send(answer)


class _RemoteEngine:
    """The other end of an EngineServer."""

    def __init__(self, address: str) -> None:
        self._connection = Client(address, "AF_UNIX")

    def __getattr__(self, name: str) -> Any:
        assert name in _QUESTIONS

        def ask(*arguments: Any) -> Any:
            self._connection.send((name, arguments))
            return self._connection.recv()

        return ask


def start(url: str, address: str, folder: Path, day: int, batch_size: int) -> ForkServerProcess:
    """A process that settles the day, or carries its run on."""
    process = _CONTEXT.Process(target=_settle, args=(url, address, folder, day, batch_size))
    process.start()
    return process


def _settle(url: str, address: str, folder: Path, day: int, batch_size: int) -> None:
    netting.BATCH_SIZE = batch_size
    database = Database(url)
    work = Clearing(database, _RemoteEngine(address), folder, reopen=True)  # type: ignore[arg-type]
    work.run(work.begin(day))
    database.close()
