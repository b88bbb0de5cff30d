"""Lists of orders by slot, linked both ways: queues, orders off the book, an account's orders.

`links` holds `next` and `previous` for each slot, `ends` the `head` and `tail` of one list; 0 means
"none". Where there is no neighbour, slot 0 is written to, which is nobody's and never read: whether
there is one cannot be foreseen, and a wrong guess costs more than a write.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.compiled import inlined, int64


@inlined
def append(links: np.ndarray, ends: Any, slot: int) -> None:
    """Put an order at the end of a list."""
    link = links[slot]
    tail = int64(ends["tail"])
    link["previous"] = tail
    link["next"] = 0
    if tail == 0:
        ends["head"] = slot
    else:
        links[tail]["next"] = slot
    ends["tail"] = slot


@inlined
def remove(links: np.ndarray, ends: Any, slot: int) -> None:
    """Take an order, wherever it stands, out of its list."""
    link = links[slot]
    following = int64(link["next"])
    previous = int64(link["previous"])
    links[previous]["next"] = following
    links[following]["previous"] = previous
    ends["head"] = following if previous == 0 else int64(ends["head"])
    ends["tail"] = previous if following == 0 else int64(ends["tail"])
