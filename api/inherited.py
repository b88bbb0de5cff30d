"""What a process gets from the supervisor that started it, by environment and open descriptors.

A process that was started by hand has none of it, and does without.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket

SUPERVISOR_VARIABLE = "PUHUI_SUPERVISOR_PID"
# Descriptors: the socket that listens, the memory of the rate limits, and where to say "ready".
LISTENER_VARIABLE = "PUHUI_LISTENER_DESCRIPTOR"
RATE_LIMITS_VARIABLE = "PUHUI_RATE_LIMITS_DESCRIPTOR"
READY_VARIABLE = "PUHUI_READY_DESCRIPTOR"
_PR_SET_PDEATHSIG = 1


def end_with_supervisor() -> None:
    """If a supervisor started this process, be told to stop when it dies."""
    supervisor_pid = os.environ.get(SUPERVISOR_VARIABLE)
    if supervisor_pid is None:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(supervisor_pid):
        # It died before the line above, so no signal will come.
        raise SystemExit(1)


def say_ready() -> None:
    """Tell the supervisor, if there is one, that this process does what it is for."""
    descriptor = _descriptor(READY_VARIABLE)
    if descriptor is not None:
        os.write(descriptor, b"1")
        os.close(descriptor)


def listener() -> socket.socket | None:
    """The socket that the gateways of one port share."""
    descriptor = _descriptor(LISTENER_VARIABLE)
    return None if descriptor is None else socket.socket(fileno=descriptor)


def rate_limit_memory() -> int:
    """The descriptor of the memory that the gateways of one port share, or of some of its own."""
    descriptor = _descriptor(RATE_LIMITS_VARIABLE)
    return new_memory() if descriptor is None else descriptor


def new_memory() -> int:
    """The descriptor of memory without a file: whoever inherits it shares it."""
    return os.memfd_create("rate-limits")


def _descriptor(variable: str) -> int | None:
    text = os.environ.get(variable)
    return None if text is None else int(text)
