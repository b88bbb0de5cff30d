"""Another registry as an HTTP server, for tests: it fails, keeps silent, repeats itself, refuses.

What it does next stands in `script`, one word for each request; then it behaves.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ExampleRegistry(ThreadingHTTPServer):
    """Takes PUT /transfers/{id}; the same id again is the same transfer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[str] = []
        self.taken: dict[str, Any] = {}
        self.requests = 0
        self.let_go = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def example_registry() -> Iterator[ExampleRegistry]:
    """Such a server on a free port, while the test runs."""
    server = ExampleRegistry()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: ExampleRegistry

    def do_PUT(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        registry = self.server
        registry.requests += 1
        what = registry.script.pop(0) if registry.script else "take"
        export_id = self.path.rpartition("/")[2]
        if what == "fail before":
            self.send_error(503)
            return
        if what not in ("refuse", "think"):
            assert registry.taken.setdefault(export_id, content) == content
        if what == "fail after":
            self.send_error(500)
        elif what == "keep silent":
            registry.let_go.wait(10)
        elif what == "babble":
            self._answer(b"<html>")
        else:
            status = {"take": "accepted", "refuse": "refused", "think": "pending"}[what]
            self._answer(json.dumps({"status": status}).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what is asked is asserted."""
