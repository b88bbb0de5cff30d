"""How kernels are compiled: one set of flags, one cache folder, and twins for the JIT-off mode.

Import the decorators from here, never from numba: numba reads its cache folder when a function is
decorated, and its own cache notices edits only in the file of the entry point. So the folder is
named after a hash of all the engine's sources, numba's version and the flags.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np

from engine.out_of_line import OutOfLineCompiler
from engine.plain_indexes import KernelCompiler

if not __debug__:
    raise RuntimeError("the engine's bounds are assertions: do not run Python with -O")

Function = TypeVar("Function", bound=Callable[..., Any])

# Kernels widen each field that is not an int64 already as they read it: an unsigned operand would
# turn the other one into a float, and NumPy's narrow integers overflow when the JIT is off.
int64: Callable[[Any], Any] = np.int64

_config: Any = numba.config
JIT = not _config.DISABLE_JIT


# All that the kernels are made of: tests/engine/test_compiled_modes.py holds the list complete.
KERNEL_SOURCES = (
    "accounts.py",
    "codes.py",
    "compiled.py",
    "matching/*.py",
    "orderbook/*.py",
    "out_of_line.py",
    "packed_texts.py",
    "plain_indexes.py",
    "records.py",
    "risk.py",
    "state.py",
    "state_records.py",
    "units.py",
)


def _cache_folder() -> Path:
    """A folder for this very version of the kernels, in the user's cache."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for pattern in KERNEL_SOURCES:
        for path in sorted(package.glob(pattern)):
            digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    flags = (numba.__version__, _config.BOUNDSCHECK, _config.OPT)
    digest.update(repr(flags).encode())
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "puhui" / "kernels" / digest.hexdigest()[:16]


if "NUMBA_CACHE_DIR" not in os.environ:
    _config.CACHE_DIR = str(_cache_folder())

# Without reference counts: kernels allocate nothing, and the shell keeps their arrays alive.
_FLAGS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,
    "pipeline_class": KernelCompiler,
}


def kernel(function: Function) -> Function:
    """Compile a function that other kernels call, apart from them: for what few messages pass.

    Given a function that is `inlined`, it makes a copy for callers that few messages come to.
    """
    plain = getattr(function, "py_func", function)
    # What is not said here numba takes over from the first caller, which may be `inlined`.
    flags = _FLAGS | {"pipeline_class": OutOfLineCompiler, "forceinline": False}
    return cast(Function, numba.njit(**flags)(plain))


def inlined(function: Function) -> Function:
    """Compile a function into each of its callers: for what every message passes through."""
    return cast(Function, numba.njit(forceinline=True, **_FLAGS)(function))


def entry_point(function: Function) -> Function:
    """Compile a function that Python calls, and keep its machine code on disk."""
    return cast(Function, numba.njit(cache=True, **_FLAGS)(function))


def direct_call(function: Function, *arguments: object) -> Function:
    """The machine code of an entry point for just these types of arguments.

    A call through numba's dispatcher looks at the type of each array first, which takes longer than
    the kernels need for a hundred messages. Compiles the function, or loads it from disk.
    """
    if not JIT:
        return function
    dispatcher: Any = function
    types = tuple(dispatcher.typeof_pyval(argument) for argument in arguments)
    dispatcher.compile(types)
    return cast(Function, dispatcher.overloads[types].entry_point)
