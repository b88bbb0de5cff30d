"""Compiled code without negative indexes: the same items, and no look at an index's sign."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from engine.compiled import JIT, kernel

ROOT = Path(__file__).parents[2]
_COUNT_FROM_THE_END = """
import numpy as np
from engine.compiled import kernel

@kernel
def item(values, row):
    return values[row]

values = np.arange(3)
assert item(values, 2) == 2
for row in (3, -1):
    try:
        item(values, row)
    except IndexError:
        print(row)
"""


@kernel
def _carry(values: np.ndarray, row: int) -> int:
    values[row] = values[row - 1] + 1
    return int(values[row])


def test_items_are_read_and_written_where_the_index_says() -> None:
    """An index that is computed, in both directions."""
    values = np.array([10, 20, 30])
    assert _carry(values, 1) == 11
    assert values.tolist() == [10, 11, 30]


@pytest.mark.skipif(not JIT, reason="nothing is compiled")
def test_no_code_is_made_for_negative_indexes() -> None:
    """What numba would make of them is a choice between two numbers."""
    _carry(np.zeros(2, np.int64), 1)
    compiled = cast(Any, _carry)
    assert " select " not in compiled.inspect_llvm(compiled.signatures[0])


def test_a_negative_index_is_refused_where_bounds_are_checked() -> None:
    """Like any other that is out of range, so that the tests of that mode find it."""
    finished = subprocess.run(
        [sys.executable, "-c", _COUNT_FROM_THE_END],
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "NUMBA_BOUNDSCHECK": "1", "NUMBA_DISABLE_JIT": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.split() == ["3", "-1"]
