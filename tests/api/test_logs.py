"""Logs tell what happened, never what is secret."""

from __future__ import annotations

import json
import logging
import secrets

import pytest

from api.logs import set_up_logs


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_shows_no_values(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A failure names the lines it went through, but no token that they held."""
    set_up_logs(log_format, "gateway")

    def fail(token: str) -> None:
        raise RuntimeError(f"a token of {len(token)} letters is refused")

    secret = secrets.token_hex(6)  # made here, so that no line of source holds it
    try:
        fail(secret)
    except RuntimeError:
        logging.getLogger("api.edge").exception("request_failed")
    written = capsys.readouterr().err
    assert "a token of 12 letters is refused" in written
    assert "in fail" in written
    assert secret not in written


def test_json_logs_are_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line says when, which process, how bad and what."""
    set_up_logs("json", "core")
    logging.getLogger("core").warning("journal: torn tail cut")
    line = json.loads(capsys.readouterr().err)
    assert line.items() >= {"event": "journal: torn tail cut", "level": "warning"}.items()
    assert {"timestamp", "process"} <= line.keys()
