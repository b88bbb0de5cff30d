"""What operators change in the engine: accounts, cash, instruments, blocked accounts.

Each action can be repeated: what a crash left half done is finished by the next try, or by the
next start. Every action leaves an audit record in the transaction that writes it down, or, where
only the engine is changed, right after it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from sqlalchemy.orm import Session

from api.commands import admin_command, instrument_command
from api.errors import Problem
from api.instruments import Instrument
from api.messages import ENGINE_CODES
from api.order_entry import refusal
from api.schemas import (
    AccountBody,
    AccountLimitsBody,
    BlockRulesBody,
    CashBody,
    InstrumentBody,
    VolatilityBody,
    parse_amount,
    parse_quantity,
    parse_ratio_ppm,
    plain_text,
)
from engine import packed_texts, records
from engine.codes import Code, CommandKind, EventKind, InstrumentFlag
from engine.decimals import NotDecimalError, OffStepError, parse_price
from engine.units import (
    MAX_INTERRUPTION_SECONDS,
    MAX_LADDER_LEVELS,
    MAX_TICK_FEN,
    ONE_MILLION,
)
from settlement import cash_requests, identity
from settlement.database import Database
from settlement.ports import EnginePort
from settlement.tables.identity import CashRequest

if TYPE_CHECKING:
    from api.auth import Caller
    from api.gateway import Gateway

T = TypeVar("T")

MIN_PASSWORD_LENGTH = 12
_CASH_KINDS = {"deposit": CommandKind.DEPOSIT_CASH, "withdrawal": CommandKind.WITHDRAW_CASH}
# The exchange's days are Beijing's.
_BEIJING_SECONDS = 8 * 3_600
_DAY_SECONDS = 86_400


async def write(gateway: Gateway, work: Callable[[Session], T]) -> T:
    """One transaction in the database's writer thread."""
    return await asyncio.wrap_future(gateway.database.write(work))


async def record(
    gateway: Gateway, caller: Caller, action: str, subject: Mapping[str, object]
) -> None:
    """An audit record of what `caller` has done."""
    await write(gateway, lambda session: identity.audit(session, caller.username, action, subject))


# --- Accounts ---


async def open_account(gateway: Gateway, caller: Caller, body: AccountBody) -> int:
    """An account, in the database and in the engine, and its first user; the account's number."""
    name = plain_text(body.name, "name", 200)
    if len(body.password) < MIN_PASSWORD_LENGTH or len(body.password) > 200:
        raise Problem(
            "invalid_request",
            f"A password has {MIN_PASSWORD_LENGTH} to 200 characters.",
            field="password",
        )

    def create(session: Session) -> int:
        number = identity.create_account(session, body.account, name)
        identity.create_user(session, body.username, body.password, number, body.roles)
        subject = {"account": body.account, "username": body.username, "roles": list(body.roles)}
        identity.audit(session, caller.username, "account_opened", subject)
        return number

    number = await write(gateway, create)
    [events] = await gateway.core.submit(admin_command(CommandKind.OPEN_ACCOUNT, account=number))
    # One that is open already was opened by an earlier try.
    if events[0]["kind"] != EventKind.ACCOUNT_OPENED and events[0]["code"] != Code.CONFLICT:
        raise _refusal(events)
    return number


async def block_account(gateway: Gateway, caller: Caller, code: str, *, block: bool) -> int:
    """Block an account, which cancels its open orders, or free it; how many were cancelled."""

    def note(session: Session) -> int:
        number = identity.account_number(session, code)
        action = "account_blocked" if block else "account_unblocked"
        identity.audit(session, caller.username, action, {"account": code})
        return number

    number = await write(gateway, note)
    kind = CommandKind.BLOCK_ACCOUNT if block else CommandKind.UNBLOCK_ACCOUNT
    [events] = await gateway.core.submit(admin_command(kind, account=number))
    if events[0]["kind"] == EventKind.COMMAND_REFUSED:
        raise _refusal(events)
    return len(events) - 1


async def set_account_limits(
    gateway: Gateway, caller: Caller, code: str, body: AccountLimitsBody
) -> int:
    """Set what an account may do from now on; its number."""
    amount_fen = 0
    if body.maximum_order_amount is not None:
        amount_fen = parse_amount(body.maximum_order_amount, "maximum_order_amount")

    def note(session: Session) -> int:
        number = identity.account_number(session, code)
        subject = {"account": code, **msgspec.structs.asdict(body)}
        identity.audit(session, caller.username, "account_limits_set", subject)
        return number

    number = await write(gateway, note)
    command = admin_command(
        CommandKind.SET_ACCOUNT_LIMITS,
        account=number,
        amount_fen=amount_fen,
        maximum_orders_per_second=body.maximum_orders_per_second or 0,
        maximum_open_orders=body.maximum_open_orders or 0,
    )
    [events] = await gateway.core.submit(command)
    if events[0]["kind"] != EventKind.ACCOUNT_LIMITS_SET:
        raise _refusal(events)
    return number


# --- Cash ---


async def move_cash(
    gateway: Gateway, caller: Caller, body: CashBody, idempotency_key: str | None
) -> tuple[CashRequest, bool]:
    """A deposit or withdrawal, done at once or left for a second person; and if it is a replay."""
    amount_fen = parse_amount(body.amount)
    needs_approval = amount_fen > gateway.settings.cash_approval_limit_fen

    def ask(session: Session) -> tuple[CashRequest, bool]:
        request, replayed = cash_requests.ask(
            session,
            identity.account_number(session, body.account),
            body.kind,
            amount_fen,
            requested_by=caller.username,
            needs_approval=needs_approval,
            idempotency_key=idempotency_key,
        )
        if not replayed:
            subject: dict[str, object] = {
                "request_id": request.request_id,
                "account": body.account,
                "kind": body.kind,
                "amount_fen": amount_fen,
            }
            identity.audit(session, caller.username, "cash_requested", subject)
        return request, replayed

    request, replayed = await write(gateway, ask)
    if request.status == "approved":
        request = await _carry_out_cash(gateway, request.request_id)
    return request, replayed


async def decide_cash(
    gateway: Gateway, caller: Caller, request_id: str, *, approve: bool
) -> CashRequest:
    """A second person's word on a pending request."""

    def decide(session: Session) -> CashRequest:
        request = cash_requests.decide(session, request_id, caller.username, approve=approve)
        action = "cash_approved" if approve else "cash_rejected"
        identity.audit(session, caller.username, action, {"request_id": request_id})
        return request

    request = await write(gateway, decide)
    return await _carry_out_cash(gateway, request_id) if approve else request


async def _carry_out_cash(gateway: Gateway, request_id: str) -> CashRequest:
    return await asyncio.to_thread(carry_out_cash, gateway.database, gateway.sync_core, request_id)


def carry_out_cash(database: Database, port: EnginePort, request_id: str) -> CashRequest:
    """Have the engine do an approved request, once: its id is the command's client id."""
    # Two at one request could be given opposite answers, one after the other.
    with database.exclusive("cash"):
        with database.read() as session:
            request = cash_requests.find(session, request_id)
        if request.status != "approved":
            return request  # whoever was at it too was faster
        refused_code = _send_cash(port, request)
        return database.write(
            lambda session: cash_requests.close(session, request_id, refused_code)
        ).result()


def _send_cash(port: EnginePort, request: CashRequest) -> str | None:
    """What the engine refuses it for, or None."""
    high, low, _ = packed_texts.pack_client_id(request.request_id)
    command = admin_command(
        _CASH_KINDS[request.kind],
        account=request.account_number,
        amount_fen=request.amount_fen,
        client_id_high=high,
        client_id_low=low,
    )
    [events] = port.submit(command)
    code = Code(int(events[0]["code"]))
    return None if code in (Code.OK, Code.DUPLICATE_CLIENT_ORDER_ID) else ENGINE_CODES[code]


def resume_cash(database: Database, port: EnginePort) -> None:
    """Carry out what was approved and left undone."""
    with database.read() as session:
        approved = cash_requests.page(session, "approved", 2**63 - 1, 1_000)
    for request in approved:
        carry_out_cash(database, port, request.request_id)


# --- Instruments ---


async def define_instrument(gateway: Gateway, caller: Caller, body: InstrumentBody) -> Instrument:
    """A new instrument, closed until a phase is set."""
    try:
        high, low = packed_texts.pack_text(body.symbol)
    except ValueError:
        raise Problem(
            "invalid_request", "A symbol has 1 to 16 ASCII characters.", field="symbol"
        ) from None
    if not all(character.isalnum() or character in "-." for character in body.symbol):
        raise Problem("invalid_request", "A symbol has letters, digits, - and .", field="symbol")
    if body.symbol in gateway.instruments.by_symbol:
        raise Problem("conflict", "There is an instrument of this symbol.", field="symbol")
    tick_fen = parse_amount(body.tick, "tick")
    if tick_fen > MAX_TICK_FEN:
        raise Problem("invalid_request", "The tick is too large.", field="tick")
    reference_ticks = _reference(body.reference_price, tick_fen)
    limit_ppm = parse_ratio_ppm(body.price_limit, "price_limit")
    if limit_ppm >= ONE_MILLION:
        raise Problem("invalid_request", "The limit is below 1.", field="price_limit")
    known = gateway.instruments.by_number
    today = (time.time_ns() // 1_000_000_000 + _BEIJING_SECONDS) // _DAY_SECONDS
    command = instrument_command(
        instrument=max(known, default=0) + 1,
        symbol_high=high,
        symbol_low=low,
        reference_price_ticks=reference_ticks,
        maximum_order_lots=parse_quantity(body.maximum_order, "maximum_order"),
        maximum_holding_lots=parse_quantity(body.maximum_holding, "maximum_holding"),
        tick_fen=tick_fen,
        price_limit_ppm=limit_ppm,
        maker_fee_ppm=parse_ratio_ppm(body.maker_fee, "maker_fee"),
        taker_fee_ppm=parse_ratio_ppm(body.taker_fee, "taker_fee"),
        ladder_levels=_ladder_levels(reference_ticks, limit_ppm),
        # All instruments share the trading day, which the end of day moves on.
        trading_day=max((each.trading_day for each in known.values()), default=today),
        flags=_flags(body),
    )
    [events] = await gateway.core.submit(command)
    if events[0]["kind"] != EventKind.INSTRUMENT_DEFINED:
        raise _refusal(events)
    await record(gateway, caller, "instrument_defined", {"symbol": body.symbol})
    return gateway.instruments.by_symbol[body.symbol]


def _flags(body: InstrumentBody) -> InstrumentFlag:
    flags = InstrumentFlag.RESALE_LOCK if body.resale_lock else InstrumentFlag.NONE
    return flags | InstrumentFlag.LISTED_SELECTION if body.listed_selection else flags


def _reference(text: str, tick_fen: int) -> int:
    try:
        reference_ticks = parse_price(text, tick_fen)
    except (NotDecimalError, OffStepError) as error:
        raise Problem("invalid_request", f"{error}.", field="reference_price") from None
    if reference_ticks == 0:
        raise Problem("invalid_request", "The price must be positive.", field="reference_price")
    return reference_ticks


def _ladder_levels(reference_ticks: int, limit_ppm: int) -> int:
    """Room for four times the price band, so that the reference price may move far."""
    band = 2 * reference_ticks * limit_ppm // ONE_MILLION + 2
    return min(max(1 << (4 * band - 1).bit_length(), 64), MAX_LADDER_LEVELS)


async def set_block_rules(gateway: Gateway, caller: Caller, body: BlockRulesBody) -> Instrument:
    """Set the smallest block, its price limit and its window; the instrument as it then is.

    Proposals that are open when the window closes leave with it.
    """
    instrument = gateway.instruments.get(body.symbol)
    limit_ppm = parse_ratio_ppm(body.price_limit, "price_limit")
    if limit_ppm >= ONE_MILLION:
        raise Problem("invalid_request", "The limit is below 1.", field="price_limit")
    command = admin_command(
        CommandKind.SET_BLOCK_RULES,
        instrument=instrument.number,
        quantity_lots=parse_quantity(body.minimum, "minimum"),
        block_limit_ppm=limit_ppm,
        is_open=int(body.is_open),
    )
    [events] = await gateway.core.submit(command)
    if events[0]["kind"] != EventKind.BLOCK_RULES_SET:
        raise _refusal(events)
    subject = {"symbol": body.symbol, "is_open": body.is_open, "minimum": body.minimum}
    await record(gateway, caller, "block_rules_set", subject)
    return gateway.instruments.by_number[instrument.number]


async def set_volatility(
    gateway: Gateway, caller: Caller, symbol: str, body: VolatilityBody
) -> Instrument:
    """From when on a move of the price interrupts an instrument's trading, and for how long."""
    instrument = gateway.instruments.get(symbol, field=None)
    limit_ppm = parse_ratio_ppm(body.limit, "limit")
    if limit_ppm >= ONE_MILLION:
        raise Problem("invalid_request", "The limit is below 1.", field="limit")
    least_seconds = 1 if limit_ppm else 0
    if not least_seconds <= body.interruption_seconds <= MAX_INTERRUPTION_SECONDS:
        detail = f"An interruption lasts from 1 to {MAX_INTERRUPTION_SECONDS} seconds."
        raise Problem("invalid_request", detail, field="interruption_seconds")
    command = admin_command(
        CommandKind.SET_VOLATILITY,
        instrument=instrument.number,
        volatility_ppm=limit_ppm,
        interruption_seconds=body.interruption_seconds,
    )
    [events] = await gateway.core.submit(command)
    if events[0]["kind"] != EventKind.VOLATILITY_SET:
        raise _refusal(events)
    subject: dict[str, object] = {
        "symbol": symbol,
        "limit": body.limit,
        "interruption_seconds": body.interruption_seconds,
    }
    await record(gateway, caller, "volatility_set", subject)
    return gateway.instruments.by_number[instrument.number]


def _refusal(events: Any) -> Problem:
    return refusal(events[0], None, events[:1].view(records.COMMAND))
