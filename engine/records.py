"""The engine's fixed-size records: commands in, events out, state exported.

A command and an event are 128 bytes each. All layouts of one family share their header, so one
buffer is read through several typed views (`commands.view(QUOTE_COMMAND)`), as a C union would be.
Every field is little-endian and naturally aligned; bytes that a layout does not name are zero.
docs/protocol.md shows the layouts as tables and tests/engine/test_records.py holds both together.
"""

from __future__ import annotations

import numpy as np

RECORD_BYTES = 128
# Whole records whatever their layout, to be moved as one piece: `command.view(RAW)`.
RAW = np.dtype(f"V{RECORD_BYTES}")

_COMMAND_HEADER = [
    ("sequence", "<i8"),  # stamped by the core, from 1, without gaps
    ("time_ns", "<i8"),  # stamped by the core, never falls
    ("request_id", "<i8"),  # the sender's own; comes back in the reply
    ("client_id_high", "<i8"),  # the client's 16 raw bytes, big-endian halves; 0, 0: none
    ("client_id_low", "<i8"),
    ("account", "<i4"),
    ("instrument", "<i4"),
    ("session", "<i4"),  # the sender's connection, for cancel on disconnect; 0: none
    ("kind", "u1"),
    ("gateway", "u1"),  # stamped by the core; 0: the core itself
    ("reserved_header", "<u2"),
]

_EVENT_HEADER = [
    ("sequence", "<i8"),  # of the command that caused it
    ("time_ns", "<i8"),
    ("request_id", "<i8"),  # the command's in its reply, 0 in all further events
    ("instrument", "<i4"),
    ("code", "<u2"),
    ("kind", "u1"),
    ("gateway", "u1"),
]


def _record(header: list[tuple[str, str]], payload: list[tuple[str, str]]) -> np.dtype:
    """Lay `payload` behind `header`, pad to RECORD_BYTES, and check alignment.

    The padding is a field of its own: NumPy copies records field by field, so what no field covers
    would be lost by every copy, selection and concatenation.
    """
    names, formats, offsets = [], [], []
    offset = 0
    for name, form in header + payload:
        size = np.dtype(form).itemsize
        assert offset % size == 0, f"{name} is not aligned"
        names.append(name)
        formats.append(form)
        offsets.append(offset)
        offset += size
    assert offset <= RECORD_BYTES, f"{offset} bytes do not fit a record"
    if offset < RECORD_BYTES:
        names.append("padding")
        formats.append(f"({RECORD_BYTES - offset},)u1")
        offsets.append(offset)
    return np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": RECORD_BYTES}
    )


# The headers alone: what to read before the kind is known.
COMMAND = _record(_COMMAND_HEADER, [])
EVENT = _record(_EVENT_HEADER, [])

# NEW_ORDER, CANCEL_ORDER, AMEND_ORDER, REPLACE_ORDER, CANCEL_ALL, TAKE_ORDER.
ORDER_COMMAND = _record(
    _COMMAND_HEADER,
    [
        ("order_id", "<i8"),  # the target, unless named by client id
        ("price_ticks", "<i8"),  # a market order's protection price; 0: the price limit
        ("quantity_lots", "<i8"),
        ("stop_price_ticks", "<i8"),
        ("display_quantity_lots", "<i8"),
        ("minimum_quantity_lots", "<i8"),  # to be traded at once, or the order is cancelled
        ("expires_at_ns", "<i8"),  # with time in force GTD
        ("scheme", "<i4"),  # with purpose COMPLIANCE
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("flags", "u1"),
        ("self_trade_prevention", "u1"),
        ("purpose", "u1"),
        ("target", "u1"),
        ("filter_gateway", "u1"),  # CANCEL_ALL: 0 matches any
        ("filter_session", "<i4"),  # CANCEL_ALL: 0 matches any
    ],
)

# SET_QUOTE; a quantity of 0 withdraws that side.
QUOTE_COMMAND = _record(
    _COMMAND_HEADER,
    [
        ("bid_price_ticks", "<i8"),
        ("bid_quantity_lots", "<i8"),
        ("ask_price_ticks", "<i8"),
        ("ask_quantity_lots", "<i8"),
        ("flags", "u1"),
    ],
)

# MATCH_ORDERS.
MATCH_COMMAND = _record(
    _COMMAND_HEADER,
    [
        ("maker_order_id", "<i8"),  # the one that was there first: it pays the maker's fee
        ("taker_order_id", "<i8"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
    ],
)

# DEFINE_INSTRUMENT.
INSTRUMENT_COMMAND = _record(
    _COMMAND_HEADER,
    [
        ("symbol_high", "<i8"),  # up to 16 ASCII characters, NUL-padded
        ("symbol_low", "<i8"),
        ("reference_price_ticks", "<i8"),
        ("maximum_order_lots", "<i8"),
        ("maximum_holding_lots", "<i8"),
        ("tick_fen", "<i4"),
        ("price_limit_ppm", "<i4"),  # orders within reference * (1 +- limit)
        ("maker_fee_ppm", "<i4"),
        ("taker_fee_ppm", "<i4"),
        ("ladder_levels", "<i4"),  # a power of two from 64 to MAX_LADDER_LEVELS
        ("trading_day", "<i4"),  # days since 1970-01-01
        ("flags", "<i4"),  # InstrumentFlag
    ],
)

# All other administration. A field that a kind does not use is 0.
ADMIN_COMMAND = _record(
    _COMMAND_HEADER,
    [
        # DEPOSIT_CASH, WITHDRAW_CASH; SET_ACCOUNT_LIMITS: the largest notional of an order
        ("amount_fen", "<i8"),
        ("quantity_lots", "<i8"),  # credits; SET_HEADROOM: the cap; RECORD_SURRENDER: surrendered
        ("reference_price_ticks", "<i8"),  # ROLL_DAY
        ("scheme", "<i4"),
        ("trading_day", "<i4"),  # ROLL_DAY: the day that begins
        ("phase", "u1"),
        ("is_open", "u1"),  # SET_BLOCK_RULES: whether block orders may be entered
        ("reserved", "<u2"),
        ("block_limit_ppm", "<i4"),  # SET_BLOCK_RULES: within reference * (1 +- limit)
        ("ends_at_ns", "<i8"),  # SET_PHASE: when the phase is planned to end; 0: unknown
        ("cancel_until_ns", "<i8"),  # SET_PHASE: from then on clients cannot cancel; 0: never
        # SET_ACCOUNT_LIMITS; 0: no limit.
        ("maximum_orders_per_second", "<i4"),
        ("maximum_open_orders", "<i4"),
        ("volatility_ppm", "<i4"),  # SET_VOLATILITY: how far a trade may lie off; 0: anywhere
        ("interruption_seconds", "<i4"),  # SET_VOLATILITY
    ],
)

ORDER_EVENT = _record(
    _EVENT_HEADER,
    [
        ("order_id", "<i8"),
        ("client_id_high", "<i8"),
        ("client_id_low", "<i8"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),  # the order's total: filled + remaining (+ cancelled now)
        # ACCEPTED, AMENDED: open before any trade that follows. CANCELLED: what is taken off now.
        ("remaining_lots", "<i8"),
        ("stop_price_ticks", "<i8"),
        ("display_quantity_lots", "<i8"),
        ("expires_at_ns", "<i8"),
        ("account", "<i4"),
        ("scheme", "<i4"),
        ("session", "<i4"),
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("flags", "u1"),
        ("self_trade_prevention", "u1"),
        ("purpose", "u1"),
        ("reason", "u1"),
        ("reserved", "u1"),
        ("minimum_quantity_lots", "<i4"),  # ACCEPTED only: what had to trade at once
    ],
)

TRADE_EVENT = _record(
    _EVENT_HEADER,
    [
        ("trade_id", "<i8"),  # from 1, without gaps, over all instruments
        ("maker_order_id", "<i8"),
        ("taker_order_id", "<i8"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("maker_remaining_lots", "<i8"),
        ("taker_remaining_lots", "<i8"),
        ("maker_fee_fen", "<i8"),
        ("taker_fee_fen", "<i8"),
        ("maker_account", "<i4"),
        ("taker_account", "<i4"),
        ("taker_side", "u1"),
        ("maker_purpose", "u1"),
        ("taker_purpose", "u1"),
        ("trade_type", "u1"),
    ],
)

INSTRUMENT_EVENT = _record(
    _EVENT_HEADER,
    [
        ("symbol_high", "<i8"),
        ("symbol_low", "<i8"),
        ("reference_price_ticks", "<i8"),
        ("lower_limit_ticks", "<i8"),
        ("upper_limit_ticks", "<i8"),
        ("maximum_order_lots", "<i8"),
        ("maximum_holding_lots", "<i8"),
        ("tick_fen", "<i4"),
        ("price_limit_ppm", "<i4"),
        ("maker_fee_ppm", "<i4"),
        ("taker_fee_ppm", "<i4"),
        ("ladder_levels", "<i4"),
        ("trading_day", "<i4"),
        ("flags", "<i4"),
    ],
)

BLOCK_RULES_EVENT = _record(
    _EVENT_HEADER,
    [
        ("minimum_block_lots", "<i8"),
        ("block_limit_ppm", "<i4"),
        ("is_open", "u1"),
    ],
)

# What happens to an instrument's phase, and how an auction ends.
AUCTION_EVENT = _record(
    _EVENT_HEADER,
    [
        ("price_ticks", "<i8"),  # AUCTION_ENDED: 0: no trade. VOLATILITY_INTERRUPTED: not traded at
        ("quantity_lots", "<i8"),  # AUCTION_ENDED: what was traded
        ("surplus_lots", "<i8"),  # AUCTION_ENDED: left over at the price, buy minus sell
        ("ends_at_ns", "<i8"),  # of the phase that begins; 0: unknown
        ("cancel_until_ns", "<i8"),  # PHASE_CHANGED
        ("volatility_ppm", "<i4"),  # VOLATILITY_SET
        ("interruption_seconds", "<i4"),  # VOLATILITY_SET
        ("phase", "u1"),  # after the event; 0 in AUCTION_ENDED and VOLATILITY_SET
    ],
)

ADMIN_EVENT = _record(
    _EVENT_HEADER,
    [
        ("order_id", "<i8"),  # COMMAND_REFUSED as duplicate: what the first one became
        ("client_id_high", "<i8"),
        ("client_id_low", "<i8"),
        ("amount_fen", "<i8"),
        ("quantity_lots", "<i8"),
        ("reference_price_ticks", "<i8"),
        ("lower_limit_ticks", "<i8"),  # DAY_ROLLED
        ("upper_limit_ticks", "<i8"),
        ("bid_order_id", "<i8"),  # QUOTE_SET: 0 where that side has no order
        ("ask_order_id", "<i8"),
        ("account", "<i4"),
        ("scheme", "<i4"),
        ("trading_day", "<i4"),
        ("phase", "u1"),
        ("command_kind", "u1"),  # COMMAND_REFUSED: what was refused
    ],
)

# What applies to an account from now on; 0: no limit.
ACCOUNT_LIMITS_EVENT = _record(
    _EVENT_HEADER,
    [
        ("maximum_order_fen", "<i8"),
        ("account", "<i4"),
        ("maximum_orders_per_second", "<i4"),
        ("maximum_open_orders", "<i4"),
    ],
)
