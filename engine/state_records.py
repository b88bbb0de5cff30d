"""The exported state's records: what is hashed, asked for over the link, and put in snapshots."""

from __future__ import annotations

import numpy as np

# Orders by instrument, buy side then sell side, best price first, then time priority; then the buy
# stops and the sell stops, the one that triggers first coming first; then those off the book, by
# order id.
ORDER_STATE = np.dtype(
    [
        ("order_id", "<i8"),
        ("client_id_high", "<i8"),
        ("client_id_low", "<i8"),
        ("entered_time_ns", "<i8"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("remaining_lots", "<i8"),
        ("account", "<i4"),
        ("instrument", "<i4"),
        ("scheme", "<i4"),
        ("session", "<i4"),
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("flags", "u1"),
        ("self_trade_prevention", "u1"),
        ("purpose", "u1"),
        ("gateway", "u1"),
        ("resting", "u1"),
        ("expires_at_ns", "<i8"),  # with time in force GTD
        ("stop_price_ticks", "<i8"),
        ("display_quantity_lots", "<i8"),
        ("shown_lots", "<i8"),  # what the public book shows of it
    ],
    align=True,
)

# Indexed by account number; the exchange's own account is row 0.
ACCOUNT_STATE = np.dtype(
    [
        ("available_fen", "<i8"),
        ("held_fen", "<i8"),
        ("open_orders", "<i4"),
        ("is_open", "u1"),
        ("is_blocked", "u1"),
        ("reserved", "<u2"),
        # What the operator allows; 0: no limit.
        ("maximum_order_fen", "<i8"),
        ("maximum_orders_per_second", "<i4"),
        ("maximum_open_orders", "<i4"),
        # Counted while the rate is limited: the whole second of the latest order, how many in it.
        ("counted_second", "<i8"),
        ("orders_in_second", "<i4"),
        ("reserved_word", "<i4"),
        ("reserved_end", "<i8"),
    ],
    align=True,
)
assert ACCOUNT_STATE.itemsize == 64

# One row for each (account, instrument) that was ever touched, in the order of first touch.
POSITION_STATE = np.dtype(
    [
        ("available_lots", "<i8"),
        ("held_lots", "<i8"),  # by open sell orders
        ("locked_lots", "<i8"),  # bought today, not to be sold today
        ("buying_lots", "<i8"),  # in open buy orders, for the holding limit
        ("bid_quote_order_id", "<i8"),  # the standing two-sided quote; 0: none (or no longer open)
        ("ask_quote_order_id", "<i8"),
        ("account", "<i4"),
        ("instrument", "<i4"),
    ],
    align=True,
)

# One row for each (account, scheme) with a cap, in the order of first touch.
ALLOWANCE_STATE = np.dtype(
    [
        ("cap_lots", "<i8"),
        ("used_lots", "<i8"),  # surrendered
        ("held_lots", "<i8"),  # bought for compliance, not yet surrendered
        ("open_lots", "<i8"),  # in open compliance orders
        ("account", "<i4"),
        ("scheme", "<i4"),
    ],
    align=True,
)

# Indexed by instrument number; row 0 is unused.
INSTRUMENT_STATE = np.dtype(
    [
        ("symbol_high", "<i8"),
        ("symbol_low", "<i8"),
        ("reference_price_ticks", "<i8"),
        ("lower_limit_ticks", "<i8"),
        ("upper_limit_ticks", "<i8"),
        ("maximum_order_lots", "<i8"),
        ("maximum_holding_lots", "<i8"),
        ("total_credits_lots", "<i8"),  # deposited less withdrawn
        ("last_price_ticks", "<i8"),  # of the latest trade that makes prices; 0: none yet
        ("ends_at_ns", "<i8"),  # planned end of the phase; 0: unknown
        ("cancel_until_ns", "<i8"),  # from then on clients cannot cancel; 0: never
        ("minimum_block_lots", "<i8"),
        ("tick_fen", "<i4"),
        ("price_limit_ppm", "<i4"),
        ("maker_fee_ppm", "<i4"),
        ("taker_fee_ppm", "<i4"),
        ("ladder_levels", "<i4"),
        ("trading_day", "<i4"),
        ("flags", "<i4"),
        ("volatility_ppm", "<i4"),  # 0: no interruptions
        ("interruption_seconds", "<i4"),
        ("block_limit_ppm", "<i4"),
        ("phase", "u1"),
        ("is_defined", "u1"),
        ("is_interrupted", "u1"),  # a call auction because of volatility
        ("is_block_window_open", "u1"),
        ("reserved", "<i4"),
    ],
    align=True,
)

# One row.
COUNTERS_STATE = np.dtype(
    [
        ("next_order_number", "<i8"),
        ("next_trade_id", "<i8"),
        ("total_cash_fen", "<i8"),
        ("client_ids", "<i8"),  # how many were ever registered
    ]
)
