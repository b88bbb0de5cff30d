"""Accounts, cash, credits and caps: the commands of the operator, of custody and of compliance."""

from __future__ import annotations

from typing import Any

from engine.accounts import (
    add_allowance,
    add_position,
    can_add_allowance,
    can_add_position,
    find_allowance,
    find_position,
    is_open_account,
)
from engine.codes import Code, CommandKind, EventKind, Reason, Side
from engine.compiled import inlined, int64, kernel
from engine.matching.arrays import EngineArrays
from engine.matching.auction import set_volatility
from engine.matching.events import add_payload_reply, add_reply, refuse
from engine.matching.identity import is_defined, look_up_client_id_apart, register_client_id
from engine.matching.instruments import define_instrument, roll_day, set_phase
from engine.matching.mass_cancel import EMPTY_RANGE, Filter, cancel_matching
from engine.risk import check_credits
from engine.units import EXCHANGE_ACCOUNT, MAX_TOTAL_CASH_FEN, MAX_TOTAL_CREDITS_LOTS


@kernel
def administer(arrays: EngineArrays, row: int) -> None:  # noqa: PLR0912 - one row for each kind
    """Apply any command but those on orders and quotes."""
    kind = arrays.commands.headers[row]["kind"]
    if kind == CommandKind.DEFINE_INSTRUMENT:
        define_instrument(arrays, row)
    elif kind == CommandKind.OPEN_ACCOUNT:
        _open_account(arrays, row)
    elif kind == CommandKind.DEPOSIT_CASH:
        _deposit_cash(arrays, row)
    elif kind == CommandKind.WITHDRAW_CASH:
        _withdraw_cash(arrays, row)
    elif kind == CommandKind.DEPOSIT_CREDITS:
        _deposit_credits(arrays, row)
    elif kind == CommandKind.WITHDRAW_CREDITS:
        _withdraw_credits(arrays, row)
    elif kind == CommandKind.SET_PHASE:
        set_phase(arrays, row)
    elif kind == CommandKind.ROLL_DAY:
        roll_day(arrays, row)
    elif kind == CommandKind.SET_HEADROOM:
        _set_headroom(arrays, row)
    elif kind == CommandKind.RECORD_SURRENDER:
        _record_surrender(arrays, row)
    elif kind == CommandKind.BLOCK_ACCOUNT:
        _block_account(arrays, row)
    elif kind == CommandKind.UNBLOCK_ACCOUNT:
        _unblock_account(arrays, row)
    elif kind == CommandKind.SET_ACCOUNT_LIMITS:
        _set_account_limits(arrays, row)
    elif kind == CommandKind.SET_VOLATILITY:
        set_volatility(arrays, row)
    else:
        refuse(arrays, row, Code.INVALID_REQUEST, 0)


@kernel
def _open_account(arrays: EngineArrays, row: int) -> None:
    number = int64(arrays.commands.headers[row]["account"])
    balances = arrays.balances
    if not 1 <= number < len(balances.accounts):
        refuse(arrays, row, Code.INVALID_REQUEST, 0)
    elif is_open_account(balances, number):
        refuse(arrays, row, Code.CONFLICT, 0)
    else:
        balances.accounts[number]["is_open"] = 1
        used = balances.used[0]
        used["accounts"] = max(used["accounts"], number)
        add_payload_reply(arrays, row, EventKind.ACCOUNT_OPENED)


@kernel
def _deposit_cash(arrays: EngineArrays, row: int) -> None:
    command = arrays.commands.admin[row]
    account = int64(command["account"])
    amount_fen = command["amount_fen"]
    counters = arrays.counters[0]
    if not 1 <= amount_fen <= MAX_TOTAL_CASH_FEN:
        refuse(arrays, row, Code.INVALID_REQUEST, 0)
        return
    if not is_open_account(arrays.balances, account):
        refuse(arrays, row, Code.UNKNOWN_ACCOUNT, 0)
        return
    entry, first_id = look_up_client_id_apart(arrays, row)
    if first_id != 0:
        refuse(arrays, row, Code.DUPLICATE_CLIENT_ORDER_ID, first_id)
        return
    if counters["total_cash_fen"] + amount_fen > MAX_TOTAL_CASH_FEN:
        refuse(arrays, row, Code.LIMIT_EXCEEDED, 0)
        return
    _register_by_sequence(arrays, row, entry)
    arrays.balances.accounts[account]["available_fen"] += amount_fen
    counters["total_cash_fen"] += amount_fen
    add_payload_reply(arrays, row, EventKind.CASH_DEPOSITED)


@kernel
def _withdraw_cash(arrays: EngineArrays, row: int) -> None:
    command = arrays.commands.admin[row]
    account = int64(command["account"])
    amount_fen = command["amount_fen"]
    if not 1 <= amount_fen <= MAX_TOTAL_CASH_FEN:
        refuse(arrays, row, Code.INVALID_REQUEST, 0)
        return
    if account != EXCHANGE_ACCOUNT and not is_open_account(arrays.balances, account):
        refuse(arrays, row, Code.UNKNOWN_ACCOUNT, 0)
        return
    entry, first_id = look_up_client_id_apart(arrays, row)
    if first_id != 0:
        refuse(arrays, row, Code.DUPLICATE_CLIENT_ORDER_ID, first_id)
        return
    if amount_fen > arrays.balances.accounts[account]["available_fen"]:
        refuse(arrays, row, Code.INSUFFICIENT_FUNDS, 0)
        return
    _register_by_sequence(arrays, row, entry)
    arrays.balances.accounts[account]["available_fen"] -= amount_fen
    arrays.counters[0]["total_cash_fen"] -= amount_fen
    add_payload_reply(arrays, row, EventKind.CASH_WITHDRAWN)


@inlined
def _check_credits_command(arrays: EngineArrays, row: int) -> Any:
    """The checks that deposits and withdrawals of credits share: code, entry, first id."""
    command = arrays.commands.admin[row]
    entry, first_id = int64(-1), int64(0)
    code = int64(Code.OK)
    if not 1 <= command["quantity_lots"] <= MAX_TOTAL_CREDITS_LOTS:
        code = int64(Code.INVALID_REQUEST)
    elif not is_open_account(arrays.balances, int64(command["account"])):
        code = int64(Code.UNKNOWN_ACCOUNT)
    elif not is_defined(arrays, int64(command["instrument"])):
        code = int64(Code.UNKNOWN_INSTRUMENT)
    else:
        entry, first_id = look_up_client_id_apart(arrays, row)
        if first_id != 0:
            code = int64(Code.DUPLICATE_CLIENT_ORDER_ID)
    return code, entry, first_id


@kernel
def _deposit_credits(arrays: EngineArrays, row: int) -> None:
    command = arrays.commands.admin[row]
    balances = arrays.balances
    account, number = int64(command["account"]), int64(command["instrument"])
    quantity_lots = command["quantity_lots"]
    code, entry, first_id = _check_credits_command(arrays, row)
    if code != Code.OK:
        refuse(arrays, row, code, first_id)
        return
    instrument = arrays.instruments[number]
    if instrument["total_credits_lots"] + quantity_lots > MAX_TOTAL_CREDITS_LOTS:
        refuse(arrays, row, Code.LIMIT_EXCEEDED, 0)
        return
    position_row = find_position(balances, account, number)
    if position_row == 0:
        if not can_add_position(balances):
            refuse(arrays, row, Code.ENGINE_FULL, 0)
            return
        position_row = add_position(balances, account, number)
    _register_by_sequence(arrays, row, entry)
    balances.positions[position_row]["available_lots"] += quantity_lots
    instrument["total_credits_lots"] += quantity_lots
    add_payload_reply(arrays, row, EventKind.CREDITS_DEPOSITED)


@kernel
def _withdraw_credits(arrays: EngineArrays, row: int) -> None:
    command = arrays.commands.admin[row]
    balances = arrays.balances
    account, number = int64(command["account"]), int64(command["instrument"])
    quantity_lots = command["quantity_lots"]
    code, entry, first_id = _check_credits_command(arrays, row)
    position_row = int64(0)
    if code == Code.OK:
        position_row = find_position(balances, account, number)
        code = int64(check_credits(balances, position_row, quantity_lots, 0))
    if code != Code.OK:
        refuse(arrays, row, code, first_id)
        return
    _register_by_sequence(arrays, row, entry)
    balances.positions[position_row]["available_lots"] -= quantity_lots
    arrays.instruments[number]["total_credits_lots"] -= quantity_lots
    add_payload_reply(arrays, row, EventKind.CREDITS_WITHDRAWN)


@kernel
def _set_headroom(arrays: EngineArrays, row: int) -> None:
    command = arrays.commands.admin[row]
    balances = arrays.balances
    account, scheme = int64(command["account"]), int64(command["scheme"])
    is_in_bounds = 0 <= command["quantity_lots"] <= MAX_TOTAL_CREDITS_LOTS
    if not is_in_bounds or scheme < 1:
        refuse(arrays, row, Code.INVALID_REQUEST, 0)
        return
    if not is_open_account(balances, account):
        refuse(arrays, row, Code.UNKNOWN_ACCOUNT, 0)
        return
    allowance_row = find_allowance(balances, account, scheme)
    if allowance_row == 0:
        if not can_add_allowance(balances):
            refuse(arrays, row, Code.ENGINE_FULL, 0)
            return
        allowance_row = add_allowance(balances, account, scheme)
    balances.allowances[allowance_row]["cap_lots"] = command["quantity_lots"]
    add_payload_reply(arrays, row, EventKind.HEADROOM_SET)


@kernel
def _record_surrender(arrays: EngineArrays, row: int) -> None:
    command = arrays.commands.admin[row]
    balances = arrays.balances
    account, scheme = int64(command["account"]), int64(command["scheme"])
    quantity_lots = command["quantity_lots"]
    is_in_bounds = 1 <= quantity_lots <= MAX_TOTAL_CREDITS_LOTS
    if not is_in_bounds or scheme < 1:
        refuse(arrays, row, Code.INVALID_REQUEST, 0)
        return
    if not is_open_account(balances, account):
        refuse(arrays, row, Code.UNKNOWN_ACCOUNT, 0)
        return
    entry, first_id = look_up_client_id_apart(arrays, row)
    if first_id != 0:
        refuse(arrays, row, Code.DUPLICATE_CLIENT_ORDER_ID, first_id)
        return
    allowance_row = find_allowance(balances, account, scheme)
    if allowance_row == 0:
        refuse(arrays, row, Code.NOT_ELIGIBLE, 0)
        return
    allowance = balances.allowances[allowance_row]
    still_held_lots = max(allowance["held_lots"] - quantity_lots, 0)
    used_lots = allowance["used_lots"] + quantity_lots
    if used_lots + still_held_lots + allowance["open_lots"] > allowance["cap_lots"]:
        refuse(arrays, row, Code.OFFSET_CAP_EXCEEDED, 0)
        return
    _register_by_sequence(arrays, row, entry)
    allowance["used_lots"] = used_lots
    allowance["held_lots"] = still_held_lots
    add_payload_reply(arrays, row, EventKind.SURRENDER_RECORDED)


@kernel
def _block_account(arrays: EngineArrays, row: int) -> None:
    account = int64(arrays.commands.headers[row]["account"])
    if not is_open_account(arrays.balances, account):
        refuse(arrays, row, Code.UNKNOWN_ACCOUNT, 0)
        return
    arrays.balances.accounts[account]["is_blocked"] = 1
    add_payload_reply(arrays, row, EventKind.ACCOUNT_BLOCKED)
    any_value = int64(0)
    wanted = Filter(
        account,
        any_value,
        int64(Side.ANY),
        any_value,
        any_value,
        any_value,
        any_value,
        int64(EMPTY_RANGE[0]),
        int64(EMPTY_RANGE[1]),
        any_value,
    )
    cancel_matching(arrays, row, wanted, int64(Reason.ACCOUNT_BLOCKED))


@kernel
def _unblock_account(arrays: EngineArrays, row: int) -> None:
    account = int64(arrays.commands.headers[row]["account"])
    if not is_open_account(arrays.balances, account):
        refuse(arrays, row, Code.UNKNOWN_ACCOUNT, 0)
        return
    arrays.balances.accounts[account]["is_blocked"] = 0
    add_payload_reply(arrays, row, EventKind.ACCOUNT_UNBLOCKED)


@kernel
def _set_account_limits(arrays: EngineArrays, row: int) -> None:
    command = arrays.commands.admin[row]
    number = int64(command["account"])
    rate, most_open = command["maximum_orders_per_second"], command["maximum_open_orders"]
    if not 0 <= command["amount_fen"] <= MAX_TOTAL_CASH_FEN or rate < 0 or most_open < 0:
        refuse(arrays, row, Code.INVALID_REQUEST, 0)
        return
    if not is_open_account(arrays.balances, number):
        refuse(arrays, row, Code.UNKNOWN_ACCOUNT, 0)
        return
    account = arrays.balances.accounts[number]
    account["maximum_order_fen"] = command["amount_fen"]
    account["maximum_orders_per_second"] = rate
    account["maximum_open_orders"] = most_open
    place = add_reply(arrays, row, EventKind.ACCOUNT_LIMITS_SET, 0)
    event = arrays.events.account_limits[place]
    event["maximum_order_fen"] = command["amount_fen"]
    event["account"] = number
    event["maximum_orders_per_second"] = rate
    event["maximum_open_orders"] = most_open


@inlined
def _register_by_sequence(arrays: EngineArrays, row: int, entry: int) -> None:
    """Register the client id of a command that makes no order; its value is less than 0."""
    register_client_id(arrays, row, entry, -arrays.commands.headers[row]["sequence"])
