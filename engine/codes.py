"""Every enumeration of the engine's records. Values are part of the journal: never reuse one.

Result codes stand in ranges, one for each layer, in the order in which the layers are asked.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class CommandKind(IntEnum):
    """What a command asks for, and which payload layout its record has."""

    # Orders: layout ORDER_COMMAND.
    NEW_ORDER = 1
    CANCEL_ORDER = 2
    AMEND_ORDER = (
        3  # quantity_lots is the new total; a smaller total at the same price keeps priority
    )
    REPLACE_ORDER = 4  # quantity_lots is what shall be open afterwards; priority is always lost
    CANCEL_ALL = 5
    # Two-sided quote: layout QUOTE_COMMAND.
    SET_QUOTE = 6
    # The core's own, when an expiry has come: layout ADMIN_COMMAND, with nothing behind the header.
    EXPIRE_ORDERS = 7
    # The core's own too, when a volatility interruption ends.
    END_INTERRUPTIONS = 8
    # Two off-book orders trade with each other; never from clients: layout MATCH_COMMAND.
    MATCH_ORDERS = 9
    # An order that takes one shown order by its id: layout ORDER_COMMAND.
    TAKE_ORDER = 10
    # Reference data and administration: layout ADMIN_COMMAND, or INSTRUMENT_COMMAND for the first.
    DEFINE_INSTRUMENT = 16
    OPEN_ACCOUNT = 17
    DEPOSIT_CASH = 18
    WITHDRAW_CASH = 19
    DEPOSIT_CREDITS = 20
    WITHDRAW_CREDITS = 21
    SET_PHASE = 22
    ROLL_DAY = 23
    SET_HEADROOM = 24
    RECORD_SURRENDER = 25
    BLOCK_ACCOUNT = 26
    UNBLOCK_ACCOUNT = 27
    SET_ACCOUNT_LIMITS = 28
    SET_VOLATILITY = 29
    SET_BLOCK_RULES = 30


class EventKind(IntEnum):
    """What happened. The first event of each command is its reply and carries its request_id."""

    # Layout ORDER_EVENT.
    ORDER_ACCEPTED = 1
    ORDER_CANCELLED = 2
    ORDER_AMENDED = 3
    # Layout TRADE_EVENT.
    TRADE = 4
    # Layout ORDER_EVENT again.
    ORDER_TRIGGERED = 5  # a stop order's price was reached: it enters the book now
    ORDER_REFRESHED = 6  # an iceberg's slice was filled: the next one is shown
    # Layout ADMIN_EVENT.
    COMMAND_REFUSED = 8
    ORDERS_CANCELLED = 9  # reply to CANCEL_ALL, EXPIRE_ORDERS; quantity_lots: how many orders
    QUOTE_SET = 10
    ORDERS_MATCHED = 12
    ACCOUNT_OPENED = 17
    CASH_DEPOSITED = 18
    CASH_WITHDRAWN = 19
    CREDITS_DEPOSITED = 20
    CREDITS_WITHDRAWN = 21
    DAY_ROLLED = 23
    HEADROOM_SET = 24
    SURRENDER_RECORDED = 25
    ACCOUNT_BLOCKED = 26
    ACCOUNT_UNBLOCKED = 27
    INTERRUPTIONS_ENDED = 15  # quantity_lots: of how many instruments
    # Layout AUCTION_EVENT.
    AUCTION_ENDED = 13
    VOLATILITY_INTERRUPTED = 14
    PHASE_CHANGED = 22
    VOLATILITY_SET = 29
    # Layout ACCOUNT_LIMITS_EVENT.
    ACCOUNT_LIMITS_SET = 28
    # Layout INSTRUMENT_EVENT.
    INSTRUMENT_DEFINED = 16
    # Layout BLOCK_RULES_EVENT.
    BLOCK_RULES_SET = 30


class Code(IntEnum):
    """Why a command was refused. Ranges by layer; a refused command changes no state."""

    OK = 0
    # 100: the command itself
    INVALID_REQUEST = 100
    # 200: reference data
    UNKNOWN_ACCOUNT = 200
    UNKNOWN_INSTRUMENT = 201
    ACCOUNT_BLOCKED = 202
    # An account, instrument, phase, trading day or changed order that stands in the way.
    CONFLICT = 203
    # 300: identity of orders
    DUPLICATE_CLIENT_ORDER_ID = 300  # the reply's order_id is the first one's result
    ORDER_NOT_OPEN = 301
    ORDER_NOT_FOUND = 302
    # 400: the market's state and the instrument's rules
    MARKET_CLOSED = 400
    MARKET_HALTED = 401
    QUANTITY_TOO_LARGE = 402
    PRICE_OUTSIDE_LIMITS = 403
    CANCEL_NOT_ALLOWED = 404  # the last part of a call auction
    NOT_IN_CALL_AUCTION = 405
    BELOW_MINIMUM_BLOCK = 406
    BLOCK_WINDOW_CLOSED = 407
    # 500: the book
    WOULD_CROSS = 500
    WOULD_SELF_TRADE = 501
    # 600: risk
    NOT_ELIGIBLE = 600
    OFFSET_CAP_EXCEEDED = 601
    MAX_HOLDING_EXCEEDED = 602
    INSUFFICIENT_FUNDS = 603
    INSUFFICIENT_CREDITS = 604
    RESALE_LOCKED = 605
    ORDER_RATE_EXCEEDED = 606
    TOO_MANY_OPEN_ORDERS = 607
    NOTIONAL_LIMIT_EXCEEDED = 608
    # 700: capacity
    ENGINE_FULL = 700
    LIMIT_EXCEEDED = 701  # a total that would leave the bounds of engine.units


class Side(IntEnum):
    BUY = 0
    SELL = 1
    ANY = 2  # only in the filter of CANCEL_ALL


class OrderType(IntEnum):
    LIMIT = 1
    MARKET = 2
    # Off-book: they rest in no price queue and trade by MATCH_ORDERS only.
    BLOCK = 3  # a side of a negotiated block trade
    BID = 4  # the lot, or a bid, of a one-way auction


class TradeType(IntEnum):
    """How a trade came about; the first two and LISTED make prices, the others do not."""

    CONTINUOUS = 0
    AUCTION = 1
    BLOCK = 2
    ONE_WAY = 3
    LISTED = 4


class TimeInForce(IntEnum):
    DAY = 1
    GTC = 2
    IOC = 3
    FOK = 4
    GTD = 5  # until its expires_at_ns


class SelfTradePrevention(IntEnum):
    """What happens when an order meets one of its own account; the incoming one says it."""

    CANCEL_NEWEST = 1
    CANCEL_OLDEST = 2
    CANCEL_BOTH = 3
    DECREMENT = 4


class Purpose(IntEnum):
    VOLUNTARY = 1
    COMPLIANCE = 2
    EVENT = 3
    MARKET_MAKING = 4


class OrderFlag(IntFlag):
    """Flags of an order, given with the command and kept for the order's life."""

    NONE = 0
    POST_ONLY = 1
    CANCEL_ON_DISCONNECT = 2
    QUOTE = 4  # a side of a two-sided quote; set by the engine
    CLIENT_ID_IS_UUID = 8  # how to write the 16 raw bytes of the client's id as text
    STOP = 16  # it has a stop price; set by the engine
    ICEBERG = 32  # it has a display quantity; set by the engine


class Resting(IntEnum):
    """Where an open order rests."""

    BOOK = 0
    STOPS = 1  # until its stop price is reached
    OFF_BOOK = 2


class Target(IntEnum):
    """How CANCEL_ORDER, AMEND_ORDER and REPLACE_ORDER name their order."""

    ORDER_ID = 0
    CLIENT_ORDER_ID = 1


class Phase(IntEnum):
    CLOSED = 0
    PRE_OPEN = 1
    CALL_AUCTION = 2
    CONTINUOUS = 3
    HALTED = 4


class Reason(IntEnum):
    """Why an order left the book or became smaller, or what an amendment did to its priority."""

    NONE = 0
    REQUESTED = 1
    MASS_CANCELLED = 2
    IMMEDIATE_OR_CANCEL = 3
    FILL_OR_KILL = 4
    MARKET_REMAINDER = 5
    SELF_TRADE_PREVENTION = 6
    DAY_EXPIRED = 7
    PRICE_LIMITS_MOVED = 8
    QUOTE_WITHDRAWN = 9
    DISCONNECTED = 10
    ACCOUNT_BLOCKED = 11
    EXPIRED = 12
    MINIMUM_QUANTITY = 13
    VOLATILITY_INTERRUPTION = 16
    BLOCK_WINDOW_CLOSED = 19
    PRIORITY_KEPT = 32
    PRIORITY_LOST = 33


class InstrumentFlag(IntFlag):
    NONE = 0
    RESALE_LOCK = 1  # bought today cannot be sold today (national market rule, T+1)
    LISTED_SELECTION = 2  # shown orders may be taken by their ids (TAKE_ORDER)
