"""The demo: a small market around the clock, with everybody's password "demo".

Seeding goes the way of real operations, and every step of it can be repeated: accounts and
instruments that are there already are a conflict that is expected, deposits carry a client id that
counts once, registry operations an idempotency key. So `seed` runs at every start of a demo, and
one that was killed half-way is completed by the next.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.commands import admin_command, instrument_command, quote_command
from api.demo_maker import HALF_SPREAD_TICKS, MIDDLE_TICKS, QUANTITY_LOTS
from api.schemas import MAX_ID
from engine.codes import Code, CommandKind, InstrumentFlag, OrderFlag, Phase
from engine.packed_texts import pack_client_id, pack_text
from engine.records import COMMAND, RAW
from engine.times import day_number
from settlement import (
    compliance,
    custody,
    history,
    identity,
    market_rules,
    operations,
    registry,
)
from settlement.database import Database
from settlement.operations import Request
from settlement.ports import EnginePort, Records
from settlement.registry import NewBatch, NewProject
from settlement.scheme_rules import scheme
from settlement.tables.clearing import ClearingRun
from settlement.tables.compliance import Obligation
from settlement.tables.registry import Batch
from settlement.tables.trading import Instrument

if TYPE_CHECKING:
    from api.settings import Settings

logger = structlog.get_logger(__name__)

PASSWORD = "demo"
CASH_FEN = 10_000_000_00
CREDITS_LOTS = 500_000
SCHEME = "demo"
# At 5 % the cap is 5,000 t.
BASE_QUANTITY = 100_000
_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 60.0


class _User(NamedTuple):
    name: str
    title: str
    roles: tuple[str, ...]
    is_trader: bool = True


class _Product(NamedTuple):
    """An instrument, and the one project whose credits are traded under its symbol."""

    symbol: str
    methodology: str
    methodology_title: str
    project: str
    region: str
    type: str


USERS = (
    _User("enterprise", "Demo enterprise (示范企业)", ("trader",)),
    _User("organiser", "Demo event organiser (示范活动主办方)", ("trader", "event_organiser")),
    _User("maker", "Demo market maker (示范做市商)", ("trader", "market_maker")),
    _User("compliance", "Demo covered firm (示范控排企业)", ("trader", "compliance")),
    _User("registry", "Demo registry (示范登记机构)", ("registry",), is_trader=False),
    _User("operator", "Demo operator (示范运营机构)", ("operator", "settlement"), is_trader=False),
    _User("auditor", "Demo auditor (示范审计机构)", ("auditor",), is_trader=False),
)

PRODUCTS = (
    _Product(
        "GD-PHCER",
        "GD-PH-001",
        "Distributed photovoltaics of households (demo)",
        "Rooftop photovoltaics of Guangdong villages (demo)",
        "Guangdong",
        "solar",
    ),
    _Product(
        "XM-CER",
        "XM-PH-001",
        "Low-carbon bus rides (demo)",
        "Bus rides of Xiamen (demo)",
        "Xiamen",
        "transport",
    ),
    _Product(
        "WH-CER",
        "WH-PH-001",
        "Shared bicycles (demo)",
        "Shared bicycles of Wuhan (demo)",
        "Wuhan",
        "transport",
    ),
)
SYMBOLS = tuple(product.symbol for product in PRODUCTS)


async def seed(database: Database, port: EnginePort, settings: Settings) -> None:
    """Bring the demo to the state that its documentation promises, and open its market."""
    started = time.monotonic()
    await asyncio.to_thread(_seed, database, port)
    if settings.demo_quotes:
        await asyncio.to_thread(_quote, database, port)
    logger.warning(
        "demo",
        notice="This is a demo: its passwords are public. Never let others reach it.",
        users=[user.name for user in USERS],
        password=PASSWORD,
        seconds=round(time.monotonic() - started, 1),
    )


def _seed(database: Database, port: EnginePort) -> None:
    accounts = database.write(_write_users).result()
    today = day_number(datetime.now(UTC).date())
    numbers = {product.symbol: number for number, product in enumerate(PRODUCTS, start=1)}
    _submit(
        port,
        *(admin_command(CommandKind.OPEN_ACCOUNT, account=number) for number in accounts.values()),
        *(_definition(symbol, number, today) for symbol, number in numbers.items()),
        *(_block_rules(number) for number in numbers.values()),
        *(_deposit(user.name, accounts[user.name]) for user in USERS if user.is_trader),
    )
    _await_intake(database)
    maker = accounts["maker"]
    for product in PRODUCTS:
        database.write(partial(_issue, product, maker)).result()
        body = {"symbol": product.symbol, "quantity": str(CREDITS_LOTS)}
        request = Request(maker, "deposit", body, idempotency_key=f"demo-{product.symbol}")
        operations.perform(database, port, request, custody.deposit(product.symbol, CREDITS_LOTS))
    _oblige(database, port, accounts["compliance"])
    _open_market(database, port)


def _quote(database: Database, port: EnginePort) -> None:
    """Put up the maker's first quotes: whoever comes before it has connected finds a market.

    They go with this process, and the maker's own, where it has any, replace them. A market that is
    not open has none.
    """
    with database.read() as session:
        maker = identity.account_number(session, "maker")
        numbers = {one.symbol: one.number for one in history.instruments(session)}
    if port.account(maker).account["open_orders"].any():
        return
    commands = [
        quote_command(
            account=maker,
            instrument=numbers[symbol],
            bid_price_ticks=MIDDLE_TICKS - HALF_SPREAD_TICKS,
            bid_quantity_lots=QUANTITY_LOTS,
            ask_price_ticks=MIDDLE_TICKS + HALF_SPREAD_TICKS,
            ask_quantity_lots=QUANTITY_LOTS,
            flags=OrderFlag.CANCEL_ON_DISCONNECT,
        )
        for symbol in SYMBOLS
    ]
    port.submit(np.concatenate([command.view(RAW) for command in commands]).view(COMMAND))


def _write_users(session: Session) -> dict[str, int]:
    """The calendar, accounts and users; the account's number by its code."""
    if not market_rules.page(session, "sessions", MAX_ID, 1):
        rule = {"template": "around_the_clock"}
        market_rules.propose(
            session, "sessions", market_rules.EVERYWHERE, rule, actor="demo", needs_approval=False
        )
    accounts: dict[str, int] = {}
    for user in USERS:
        accounts[user.name] = identity.create_account(session, user.name, user.title)
        identity.create_user(session, user.name, PASSWORD, accounts[user.name], user.roles)
    return accounts


def _definition(symbol: str, number: int, trading_day: int) -> Records:
    high, low = pack_text(symbol)
    return instrument_command(
        instrument=number,
        symbol_high=high,
        symbol_low=low,
        reference_price_ticks=5_000,
        maximum_order_lots=99_999,
        maximum_holding_lots=1_000_000,
        tick_fen=1,
        price_limit_ppm=100_000,
        maker_fee_ppm=0,
        taker_fee_ppm=500,
        # Wide enough for prices up to 1,600 CNY.
        ladder_levels=32_768,
        trading_day=trading_day,
        flags=InstrumentFlag.RESALE_LOCK | InstrumentFlag.LISTED_SELECTION,
    )


def _block_rules(number: int) -> Records:
    """Blocks as large as the national market's, around the clock."""
    return admin_command(
        CommandKind.SET_BLOCK_RULES,
        instrument=number,
        quantity_lots=100_000,
        block_limit_ppm=300_000,
        is_open=1,
    )


def _deposit(name: str, account: int) -> Records:
    high, low, _ = pack_client_id(f"demo-{name}"[:16])
    return admin_command(
        CommandKind.DEPOSIT_CASH,
        account=account,
        amount_fen=CASH_FEN,
        client_id_high=high,
        client_id_low=low,
    )


def _submit(port: EnginePort, *commands: Records) -> None:
    """Submit together; what an earlier start did already may be refused."""
    together = np.concatenate([command.view(RAW) for command in commands]).view(COMMAND)
    for events in port.submit(together):
        code = Code(int(events[0]["code"]))
        if code not in (Code.OK, Code.CONFLICT, Code.DUPLICATE_CLIENT_ORDER_ID):
            raise RuntimeError(f"seeding the demo was refused: {code.name}")


def _await_intake(database: Database) -> None:
    """Wait until the database has the instruments, which deposits of credits name."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with database.read() as session:
            if {instrument.symbol for instrument in history.instruments(session)} >= set(SYMBOLS):
                return
        time.sleep(_POLL_SECONDS)
    raise RuntimeError("the database does not follow the engine")


def _issue(product: _Product, account: int, session: Session) -> None:
    """Register the product's methodology and project, and issue its credits to `account`."""
    batch_id = f"DEMO-{product.symbol}"
    if session.scalar(select(Batch).where(Batch.batch_id == batch_id)) is not None:
        return
    registry.add_methodology(session, product.methodology, product.methodology_title, "1.0")
    project = NewProject(
        name=product.project,
        methodology=product.methodology,
        region=product.region,
        type=product.type,
        account=account,
        symbol=product.symbol,
    )
    batch = NewBatch(
        project_id=registry.add_project(session, project).project_id,
        vintage=datetime.now(UTC).year - 1,
        quantity=CREDITS_LOTS,
        serial_prefix=product.symbol,
        batch_id=batch_id,
    )
    registry.issue(session, batch)


def _oblige(database: Database, port: EnginePort, account: int) -> None:
    """Lay down the covered firm's obligation, unless it has one, which may have been changed."""
    with database.read() as session:
        known = select(Obligation.number).where(Obligation.account == account)
        if session.scalars(known.limit(1)).first() is not None:
            return
    year = scheme(SCHEME).open_years(time.time_ns())[-1]
    compliance.set_obligation(
        database,
        port,
        account="compliance",
        scheme=SCHEME,
        year=year,
        base_quantity=BASE_QUANTITY,
    )


def _open_market(database: Database, port: EnginePort) -> None:
    """Open what is closed; while a day is being settled, that is the settlement's to do."""
    with database.read() as session:
        unfinished = select(ClearingRun.run_id).where(ClearingRun.finished_time_ns == 0)
        if session.scalars(unfinished.limit(1)).first() is not None:
            return
        closed = select(Instrument.number).where(
            Instrument.symbol.in_(SYMBOLS), Instrument.phase == Phase.CLOSED
        )
        numbers = session.scalars(closed).all()
    if numbers:
        _submit(
            port,
            *(
                admin_command(CommandKind.SET_PHASE, instrument=number, phase=Phase.CONTINUOUS)
                for number in numbers
            ),
        )
