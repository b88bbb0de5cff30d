"""Bounds of the engine's integers, chosen so that no product or sum can leave int64.

Prices are counted in ticks, quantities in lots, money in fen (0.01 CNY), time in nanoseconds since
the Unix epoch. One tick is `tick_fen` fen for one lot, so an order's notional is
`price_ticks * tick_fen * quantity_lots`.
"""

from __future__ import annotations

MAX_PRICE_TICKS = 2**31 - 1
MAX_QUANTITY_LOTS = 2**31 - 1
MAX_TICK_FEN = 10**6
# Times MAX_FEE_PPM (below 2^17) this stays under 2^62.
MAX_NOTIONAL_FEN = 2**45
MAX_FEE_PPM = 100_000
# The whole of the cash in the engine; any one account's balance is therefore below it too.
MAX_TOTAL_CASH_FEN = 2**60
# The whole of one instrument's credits in the engine.
MAX_TOTAL_CREDITS_LOTS = 2**45
MAX_LADDER_LEVELS = 2**18
# How many times its display quantity an iceberg may have open: what bounds one command's events.
MAX_SLICES = 100

# 9999-12-31 in days since 1970-01-01: the last day that a date of ten characters can name.
MAX_TRADING_DAY = 2_932_896

# Later than every expiry and every end: there is none.
NEVER_NS = 2**63 - 1

ONE_MILLION = 1_000_000
NANOSECONDS_PER_SECOND = 1_000_000_000
MAX_INTERRUPTION_SECONDS = 86_400

# An order id carries the pool slot in its low bits, so a lookup needs no search, and a number that
# is never reused in the rest, so an id is never reused either.
ORDER_SLOT_BITS = 24
MAX_ORDER_NUMBER = 2**39 - 1

FIRST_ACCOUNT = 1
# Fees are paid to this account; no client can log in as it.
EXCHANGE_ACCOUNT = 0
