"""Reference data, cash and credits, days, caps, blocks."""

from __future__ import annotations

from engine.codes import Code, EventKind, InstrumentFlag, Phase, Reason
from engine.matching.reference import orders, risk
from engine.matching.reference.book import Book
from engine.matching.reference.events import Command
from engine.matching.reference.state import (
    Account,
    Allowance,
    Instrument,
    Market,
    Refusal,
    price_limits,
    refuse_if,
)
from engine.units import (
    EXCHANGE_ACCOUNT,
    MAX_FEE_PPM,
    MAX_LADDER_LEVELS,
    MAX_NOTIONAL_FEN,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    MAX_TICK_FEN,
    MAX_TOTAL_CASH_FEN,
    MAX_TOTAL_CREDITS_LOTS,
    MAX_TRADING_DAY,
    ONE_MILLION,
)

_FLAGS = int(InstrumentFlag.RESALE_LOCK | InstrumentFlag.LISTED_SELECTION)
_MIN_LADDER_LEVELS = 64
_LADDER_SIZES = [
    1 << bits for bits in range(_MIN_LADDER_LEVELS.bit_length() - 1, MAX_LADDER_LEVELS.bit_length())
]


def define_instrument(market: Market, command: Command) -> None:
    """DEFINE_INSTRUMENT."""
    is_number = 1 <= command.instrument < market.limits.instruments
    refuse_if(not is_number or not _is_well_defined(command), Code.INVALID_REQUEST)
    refuse_if(command.instrument in market.instruments, Code.CONFLICT)
    levels_used = sum(instrument.ladder_levels for instrument in market.instruments.values())
    ladder_is_full = levels_used + command.ladder_levels > market.limits.ladder_levels
    refuse_if(ladder_is_full, Code.ENGINE_FULL)

    lower, upper = price_limits(command.reference_price_ticks, command.price_limit_ppm)
    market.instruments[command.instrument] = Instrument(
        symbol_high=command.symbol_high,
        symbol_low=command.symbol_low,
        reference_price_ticks=command.reference_price_ticks,
        lower_limit_ticks=lower,
        upper_limit_ticks=upper,
        maximum_order_lots=command.maximum_order_lots,
        maximum_holding_lots=command.maximum_holding_lots,
        tick_fen=command.tick_fen,
        price_limit_ppm=command.price_limit_ppm,
        maker_fee_ppm=command.maker_fee_ppm,
        taker_fee_ppm=command.taker_fee_ppm,
        ladder_levels=command.ladder_levels,
        trading_day=command.trading_day,
        flags=command.flags,
    )
    market.books[command.instrument] = Book()
    market.events.define_instrument(lower, upper)


def open_account(market: Market, command: Command) -> None:
    """OPEN_ACCOUNT."""
    is_number = 1 <= command.account < market.limits.accounts
    refuse_if(not is_number, Code.INVALID_REQUEST)
    refuse_if(command.account in market.accounts, Code.CONFLICT)
    market.accounts[command.account] = Account(is_open=True)
    market.events.repeat(EventKind.ACCOUNT_OPENED)


def deposit_cash(market: Market, command: Command) -> None:
    """DEPOSIT_CASH."""
    refuse_if(not 1 <= command.amount_fen <= MAX_TOTAL_CASH_FEN, Code.INVALID_REQUEST)
    account = market.account(command.account)
    _check_client_id(market, command)
    total = market.total_cash_fen + command.amount_fen
    refuse_if(total > MAX_TOTAL_CASH_FEN, Code.LIMIT_EXCEEDED)
    market.total_cash_fen = total
    account.available_fen += command.amount_fen
    _register_client_id(market, command)
    market.events.repeat(EventKind.CASH_DEPOSITED)


def withdraw_cash(market: Market, command: Command) -> None:
    """WITHDRAW_CASH; the exchange's own account may do it too, to take the fees out."""
    refuse_if(not 1 <= command.amount_fen <= MAX_TOTAL_CASH_FEN, Code.INVALID_REQUEST)
    if command.account == EXCHANGE_ACCOUNT:
        account = market.accounts[EXCHANGE_ACCOUNT]
    else:
        account = market.account(command.account)
    _check_client_id(market, command)
    refuse_if(command.amount_fen > account.available_fen, Code.INSUFFICIENT_FUNDS)
    market.total_cash_fen -= command.amount_fen
    account.available_fen -= command.amount_fen
    _register_client_id(market, command)
    market.events.repeat(EventKind.CASH_WITHDRAWN)


def deposit_credits(market: Market, command: Command) -> None:
    """DEPOSIT_CREDITS."""
    refuse_if(not 1 <= command.quantity_lots <= MAX_TOTAL_CREDITS_LOTS, Code.INVALID_REQUEST)
    market.account(command.account)
    instrument = market.instrument(command.instrument)
    _check_client_id(market, command)
    total = instrument.total_credits_lots + command.quantity_lots
    refuse_if(total > MAX_TOTAL_CREDITS_LOTS, Code.LIMIT_EXCEEDED)
    has_row = market.has_room_for_position(command.account, command.instrument)
    refuse_if(not has_row, Code.ENGINE_FULL)
    instrument.total_credits_lots = total
    position = market.touch_position(command.account, command.instrument)
    position.available_lots += command.quantity_lots
    _register_client_id(market, command)
    market.events.repeat(EventKind.CREDITS_DEPOSITED)


def withdraw_credits(market: Market, command: Command) -> None:
    """WITHDRAW_CREDITS."""
    refuse_if(not 1 <= command.quantity_lots <= MAX_TOTAL_CREDITS_LOTS, Code.INVALID_REQUEST)
    market.account(command.account)
    instrument = market.instrument(command.instrument)
    _check_client_id(market, command)
    position = market.position(command.account, command.instrument)
    risk.check_credits(position, command.quantity_lots)
    instrument.total_credits_lots -= command.quantity_lots
    position.available_lots -= command.quantity_lots
    _register_client_id(market, command)
    market.events.repeat(EventKind.CREDITS_WITHDRAWN)


def roll_day(market: Market, command: Command) -> None:
    """ROLL_DAY: new limits, locked credits become available, orders outside the limits go."""
    price = command.reference_price_ticks
    refuse_if(not 1 <= price <= MAX_PRICE_TICKS, Code.INVALID_REQUEST)
    refuse_if(command.trading_day > MAX_TRADING_DAY, Code.INVALID_REQUEST)
    instrument = market.instrument(command.instrument)
    refuse_if(instrument.phase != Phase.CLOSED, Code.CONFLICT)
    refuse_if(command.trading_day <= instrument.trading_day, Code.CONFLICT)
    lower, upper = price_limits(price, instrument.price_limit_ppm)
    fits = limits_fit(
        lower, upper, instrument.tick_fen, instrument.maximum_order_lots, instrument.ladder_levels
    )
    refuse_if(not fits, Code.INVALID_REQUEST)

    instrument.reference_price_ticks = price
    instrument.lower_limit_ticks = lower
    instrument.upper_limit_ticks = upper
    instrument.trading_day = command.trading_day
    market.events.repeat(EventKind.DAY_ROLLED, lower_limit_ticks=lower, upper_limit_ticks=upper)
    for position in market.positions.values():
        if position.instrument == command.instrument:
            position.available_lots += position.locked_lots
            position.locked_lots = 0
    for order in market.listed_orders(instrument=command.instrument):
        is_outside = not instrument.allows_price(order.price_ticks) or (
            order.is_pending and not instrument.allows_price(order.stop_price_ticks)
        )
        if is_outside and not order.is_off_book:
            orders.cancel(market, order, Reason.PRICE_LIMITS_MOVED)


def set_headroom(market: Market, command: Command) -> None:
    """SET_HEADROOM: the account's offset cap in a scheme."""
    is_cap = 0 <= command.quantity_lots <= MAX_TOTAL_CREDITS_LOTS
    refuse_if(not is_cap or command.scheme < 1, Code.INVALID_REQUEST)
    market.account(command.account)
    key = (command.account, command.scheme)
    is_full = len(market.allowances) >= market.limits.allowances
    refuse_if(key not in market.allowances and is_full, Code.ENGINE_FULL)
    market.allowances.setdefault(key, Allowance(*key)).cap_lots = command.quantity_lots
    market.events.repeat(EventKind.HEADROOM_SET)


def record_surrender(market: Market, command: Command) -> None:
    """RECORD_SURRENDER: credits used for compliance, those bought for it first."""
    quantity = command.quantity_lots
    is_quantity = 1 <= quantity <= MAX_TOTAL_CREDITS_LOTS
    refuse_if(not is_quantity or command.scheme < 1, Code.INVALID_REQUEST)
    market.account(command.account)
    _check_client_id(market, command)
    allowance = market.allowances.get((command.account, command.scheme))
    if allowance is None:
        raise Refusal(Code.NOT_ELIGIBLE)
    held_after = max(allowance.held_lots - quantity, 0)
    counted = allowance.used_lots + quantity + held_after + allowance.open_lots
    refuse_if(counted > allowance.cap_lots, Code.OFFSET_CAP_EXCEEDED)
    allowance.used_lots += quantity
    allowance.held_lots = held_after
    _register_client_id(market, command)
    market.events.repeat(EventKind.SURRENDER_RECORDED)


def block_account(market: Market, command: Command) -> None:
    """BLOCK_ACCOUNT; its orders leave the book."""
    market.account(command.account).is_blocked = True
    market.events.repeat(EventKind.ACCOUNT_BLOCKED)
    for order in market.listed_orders(command.account):
        orders.cancel(market, order, Reason.ACCOUNT_BLOCKED)


def unblock_account(market: Market, command: Command) -> None:
    """UNBLOCK_ACCOUNT."""
    market.account(command.account).is_blocked = False
    market.events.repeat(EventKind.ACCOUNT_UNBLOCKED)


def set_account_limits(market: Market, command: Command) -> None:
    """SET_ACCOUNT_LIMITS."""
    rate, most_open = command.maximum_orders_per_second, command.maximum_open_orders
    refuse_if(not 0 <= command.amount_fen <= MAX_TOTAL_CASH_FEN, Code.INVALID_REQUEST)
    refuse_if(rate < 0 or most_open < 0, Code.INVALID_REQUEST)
    account = market.account(command.account)
    account.maximum_order_fen = command.amount_fen
    account.maximum_orders_per_second = rate
    account.maximum_open_orders = most_open
    market.events.set_account_limits(
        account=command.account,
        maximum_order_fen=command.amount_fen,
        maximum_orders_per_second=rate,
        maximum_open_orders=most_open,
    )


def limits_fit(
    lower: int, upper: int, tick_fen: int, maximum_order_lots: int, ladder_levels: int
) -> bool:
    """Whether the limits fit the ladder, and the largest order the bound of a notional."""
    return (
        upper - lower + 1 <= ladder_levels
        and upper * tick_fen * maximum_order_lots <= MAX_NOTIONAL_FEN
    )


def _is_well_defined(command: Command) -> bool:
    is_in_bounds = (
        (command.symbol_high, command.symbol_low) != (0, 0)
        and 1 <= command.reference_price_ticks <= MAX_PRICE_TICKS
        and 1 <= command.tick_fen <= MAX_TICK_FEN
        and 0 <= command.price_limit_ppm < ONE_MILLION
        and 0 <= command.maker_fee_ppm <= MAX_FEE_PPM
        and 0 <= command.taker_fee_ppm <= MAX_FEE_PPM
        and command.ladder_levels in _LADDER_SIZES
        and 1 <= command.maximum_order_lots <= MAX_QUANTITY_LOTS
        and 1 <= command.maximum_holding_lots <= MAX_TOTAL_CREDITS_LOTS
        and 0 <= command.trading_day <= MAX_TRADING_DAY
        and command.flags & ~_FLAGS == 0
    )
    return is_in_bounds and limits_fit(
        *price_limits(command.reference_price_ticks, command.price_limit_ppm),
        command.tick_fen,
        command.maximum_order_lots,
        command.ladder_levels,
    )


def _check_client_id(market: Market, command: Command) -> None:
    market.check_client_id_is_new(command.account, command.client_id_high, command.client_id_low)


def _register_client_id(market: Market, command: Command) -> None:
    market.register_client_id(
        command.account,
        command.client_id_high,
        command.client_id_low,
        command.sequence,
        is_order=False,
    )
