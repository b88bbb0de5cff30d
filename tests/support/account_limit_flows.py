"""For generated flows: limits of accounts, and time that passes so that rates are counted anew."""

from __future__ import annotations

from random import Random

import numpy as np
from engine_driver import make_command

from engine.codes import CommandKind
from engine.units import NANOSECONDS_PER_SECOND

# One account at least, the first, shall be free to reach other bounds.
LIMITED_ACCOUNTS = (2, 3, 4)
COMMANDS_PER_SECOND = 40


def limits_command(random: Random, dearest_lots_fen: int) -> np.ndarray:
    """Limits that will be met, mostly one alone, or none."""
    limits = {
        "amount_fen": dearest_lots_fen * random.choice((10, 30, 60)),
        "maximum_orders_per_second": random.choice((2, 5, 20)),
        "maximum_open_orders": random.choice((1, 2, 6)),
    }
    chosen = random.choices(list(limits), k=random.choice((0, 0, 1, 2)))
    return make_command(
        CommandKind.SET_ACCOUNT_LIMITS,
        account=random.choice(LIMITED_ACCOUNTS),
        **{name: limits[name] for name in chosen},
    )


def passed_ns(commands: int) -> int:
    """Whole seconds that have passed, beside the microseconds between commands."""
    return NANOSECONDS_PER_SECOND * (commands // COMMANDS_PER_SECOND)
