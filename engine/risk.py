"""What an order holds, and the documented checks that it can be paid for and delivered.

Checks return a code and change nothing; the order of checks is that of docs/protocol.md.
"""

from __future__ import annotations

from typing import Any

from engine.accounts import BalanceArrays
from engine.codes import Code, Phase, Side
from engine.compiled import inlined, int64, kernel
from engine.units import NANOSECONDS_PER_SECOND, ONE_MILLION


@inlined
def fee_of(notional_fen: int, fee_ppm: int) -> Any:
    """A fee, rounded down to whole fen."""
    return notional_fen * fee_ppm // ONE_MILLION


@inlined
def hold_of(instrument: Any, price_ticks: int, quantity_lots: int) -> Any:
    """Cash that covers a buy order whatever its trades will cost: notional and the higher fee."""
    notional_fen = notional_of(instrument, price_ticks, quantity_lots)
    fee_ppm = max(instrument["maker_fee_ppm"], instrument["taker_fee_ppm"])
    return notional_fen + fee_of(notional_fen, fee_ppm)


@inlined
def price_limits(reference_ticks: int, limit_ppm: int) -> Any:
    """The lowest and the highest price within so much of a reference price, in ticks."""
    below = reference_ticks * (ONE_MILLION - limit_ppm)
    lower_ticks = max(int64(1), (below + ONE_MILLION - 1) // ONE_MILLION)
    upper_ticks = reference_ticks * (ONE_MILLION + limit_ppm) // ONE_MILLION
    return lower_ticks, upper_ticks


@inlined
def check_phase(instrument: Any) -> Any:
    """Whether orders may be entered now."""
    if instrument["phase"] == Phase.CONTINUOUS or instrument["phase"] == Phase.CALL_AUCTION:
        return Code.OK
    if instrument["phase"] == Phase.HALTED:
        return Code.MARKET_HALTED
    return Code.MARKET_CLOSED


@inlined
def check_cancel(instrument: Any, time_ns: int) -> Any:
    """Whether clients may cancel and amend at this time."""
    cancel_until_ns = instrument["cancel_until_ns"]
    if cancel_until_ns != 0 and time_ns >= cancel_until_ns:
        return Code.CANCEL_NOT_ALLOWED
    return Code.OK


@inlined
def check_quantity_and_price(instrument: Any, quantity_lots: int, price_ticks: int) -> Any:
    """Whether what shall be open keeps to the instrument's rules."""
    if quantity_lots > instrument["maximum_order_lots"]:
        return Code.QUANTITY_TOO_LARGE
    if not instrument["lower_limit_ticks"] <= price_ticks <= instrument["upper_limit_ticks"]:
        return Code.PRICE_OUTSIDE_LIMITS
    return Code.OK


@kernel
def check_allowance(
    balances: BalanceArrays, allowance_row: int, quantity_lots: int, own_lots: int
) -> Any:
    """Whether a compliance order fits its cap, with `own_lots` of it given back first."""
    if allowance_row == 0:
        return Code.NOT_ELIGIBLE
    allowance = balances.allowances[allowance_row]
    spoken_for_lots = allowance["used_lots"] + allowance["held_lots"] + allowance["open_lots"]
    if spoken_for_lots - own_lots + quantity_lots > allowance["cap_lots"]:
        return Code.OFFSET_CAP_EXCEEDED
    return Code.OK


@inlined
def check_means(
    balances: BalanceArrays,
    instrument: Any,
    side: int,
    account: int,
    position_row: int,
    quantity_lots: int,
    hold_fen: int,
    own_lots: int,
    own_hold_fen: int,
) -> Any:
    """Whether the account has room, cash or credits, with its own order given back first."""
    position = balances.positions[position_row]
    total_lots = (
        position["available_lots"]
        + position["held_lots"]
        + position["locked_lots"]
        + position["buying_lots"]
    )
    # Both sides take the same way, with factors 0 and 1: see `rest`.
    buys = 1 - side
    excess_lots = total_lots - own_lots + quantity_lots - instrument["maximum_holding_lots"]
    excess_lots = buys * max(excess_lots, 0)
    missing_fen = hold_fen - balances.accounts[account]["available_fen"] - own_hold_fen
    missing_fen = buys * max(missing_fen, 0)
    missing_lots = side * max(quantity_lots - position["available_lots"] - own_lots, 0)
    if excess_lots | missing_fen | missing_lots == 0:
        return Code.OK
    if side == Side.SELL:
        return check_credits(balances, position_row, quantity_lots, own_lots)
    return Code.MAX_HOLDING_EXCEEDED if excess_lots > 0 else Code.INSUFFICIENT_FUNDS


@inlined
def check_account_limits(account: Any, time_ns: int, new_orders: int, notional_fen: int) -> Any:
    """Whether the account's own limits allow `new_orders` more, the largest of this notional."""
    rate = account["maximum_orders_per_second"]
    is_counted = account["counted_second"] == time_ns // NANOSECONDS_PER_SECOND
    if rate != 0 and is_counted and account["orders_in_second"] >= rate:
        return Code.ORDER_RATE_EXCEEDED
    most_open = account["maximum_open_orders"]
    if most_open != 0 and new_orders != 0 and account["open_orders"] + new_orders > most_open:
        return Code.TOO_MANY_OPEN_ORDERS
    if account["maximum_order_fen"] != 0 and notional_fen > account["maximum_order_fen"]:
        return Code.NOTIONAL_LIMIT_EXCEEDED
    return Code.OK


@inlined
def count_order(account: Any, time_ns: int) -> None:
    """Count an accepted command against the account's limit on its rate, if it has one."""
    if account["maximum_orders_per_second"] == 0:
        return
    second = time_ns // NANOSECONDS_PER_SECOND
    if account["counted_second"] != second:
        account["counted_second"] = second
        account["orders_in_second"] = 0
    account["orders_in_second"] += 1


@inlined
def notional_of(instrument: Any, price_ticks: int, quantity_lots: int) -> Any:
    """What a quantity costs at a price, without fees."""
    return quantity_lots * price_ticks * instrument["tick_fen"]


@inlined
def check_credits(
    balances: BalanceArrays, position_row: int, quantity_lots: int, own_lots: int
) -> Any:
    """Whether credits can be sold or withdrawn today."""
    position = balances.positions[position_row]
    available_lots = position["available_lots"] + own_lots
    if quantity_lots <= available_lots:
        return Code.OK
    if quantity_lots <= available_lots + position["locked_lots"]:
        return Code.RESALE_LOCKED
    return Code.INSUFFICIENT_CREDITS
