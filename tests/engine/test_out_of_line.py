"""What few messages pass is code of its own; what all pass is part of its caller."""

from typing import Any, cast

import pytest

from engine.compiled import JIT, inlined, kernel


@inlined
def _square(number: int) -> int:
    return number * number


_square_apart = kernel(_square)


@inlined
def _cube(number: int) -> int:
    """An inlined caller: numba would hand its own flags on to what it calls."""
    return number * _square_apart(number)


@kernel
def _of_both(number: int) -> int:
    return _square(number) + _cube(number)


def test_a_copy_that_is_kept_apart_gives_the_same() -> None:
    """The function and its copy, from one caller."""
    assert _of_both(3) == 36


@pytest.mark.skipif(not JIT, reason="nothing is compiled")
def test_only_what_is_kept_apart_is_called() -> None:
    """In the machine code, after all steps of the compiler."""
    _of_both(3)
    compiled = cast(Any, _of_both)
    (code,) = compiled.inspect_asm().values()
    calls = [line for line in code.splitlines() if "movabsq" in line or "call" in line]
    assert any("_square" in line for line in calls)
    assert not any("_cube" in line for line in calls)
