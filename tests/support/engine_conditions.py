"""Stop prices and display quantities for the orders of generated flows."""

from __future__ import annotations

from random import Random

from engine.codes import TimeInForce


def add_conditions(random: Random, fields: dict[str, int], stop_ticks: int, lots: int) -> None:
    """Make some NEW_ORDERs stops, some icebergs, and of these now and then wrong ones."""
    kind = random.choices(("plain", "stop", "iceberg"), (7, 2, 2))[0]
    is_wrong = random.random() < 0.03
    if kind == "stop":
        fields["stop_price_ticks"] = stop_ticks
        fields["minimum_quantity_lots"] = int(is_wrong)
    elif kind == "iceberg" and fields["quantity_lots"] > lots:
        slices = 101 if is_wrong else random.choice((1, 2, 4, 10))
        fields["display_quantity_lots"] = max(fields["quantity_lots"] // slices, 1)
        is_immediate = fields["time_in_force"] in (TimeInForce.IOC, TimeInForce.FOK)
        if is_immediate and not is_wrong:
            fields["time_in_force"] = TimeInForce.GTC
