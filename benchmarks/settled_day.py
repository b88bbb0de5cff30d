"""A day of any size to be settled, put straight into the tables, and the engine beside it.

Trades, blocks and balances are drawn from a seed and loaded in bulk: matching them is measured
elsewhere. Each instrument has an equal share of the trades and of the blocks; each block is one
account's, the sellers of an instrument are drawn from its holders and the buyers from all accounts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from engine.codes import CommandKind, Phase, Side
from engine.matching.reference import ReferenceEngine
from engine.packed_texts import pack_text
from engine.queries import AccountAnswer, BalancesAnswer
from engine.records import ADMIN_COMMAND, COMMAND, INSTRUMENT_COMMAND
from engine.state import EngineLimits
from settlement import bulk, ledger, market_rules, registry
from settlement.database import Database
from settlement.intake import apply_events
from settlement.ledger import CASH, Kind, Leg, Posting, holder
from settlement.tables.clearing import ClearingNet, ClearingPrice, ClearingRun, Statement
from settlement.tables.ledger import LedgerAccount, LedgerEntry, LedgerTransaction
from settlement.tables.registry import Batch, Block, Delivery, Movement
from settlement.tables.trading import Trade

TRADING_DAY = 20_777
BLOCK_LOTS = 1_000_000
CASH_FEN = 10**13
MAKER_FEE_PPM, TAKER_FEE_PPM = 1_000, 3_000
# Everything that a run inserts, parents before children.
WRITTEN = (
    *(ClearingRun, ClearingPrice, ClearingNet, Block, Movement, Delivery),
    *(LedgerAccount, LedgerTransaction, LedgerEntry, Statement),
)
_ACCOUNT = np.dtype([("available_fen", np.int64), ("held_fen", np.int64)])
_POSITION = np.dtype(
    [(name, np.int64) for name in ("account", "instrument")]
    + [(name, np.int64) for name in ("available_lots", "held_lots", "locked_lots")]
)


class Size(NamedTuple):
    fills: int
    accounts: int
    instruments: int
    blocks: int


class SettledDay:
    """An EnginePort on a database that holds the day; `settlement.clearing` does the rest."""

    def __init__(self, database: Database, size: Size, seed: int) -> None:
        self.database = database
        self.size = size
        limits = EngineLimits(
            **{"orders": 16, "accounts": 4, "positions": 4, "allowances": 4},
            **{"instruments": size.instruments + 1, "ladder_levels": 4_096 * size.instruments},
        )
        self._engine = ReferenceEngine(limits)
        for number in range(1, size.instruments + 1):
            self._define(number)
        self._cash_fen = np.full(size.accounts + 1, CASH_FEN)
        self._cash_fen[0] = 0
        self._lots = np.zeros((size.instruments + 1, size.accounts + 1), np.int64)
        random = np.random.default_rng(seed)
        per_instrument = size.blocks // size.instruments
        holders = np.array(
            [
                random.choice(size.accounts, per_instrument, replace=False) + 1
                for _ in range(size.instruments)
            ]
        )
        database.write(lambda session: self._load_credits(session, holders)).result()
        database.write(lambda session: self._load_trades(session, holders, random)).result()

    # --- EnginePort ---

    def submit(self, commands: np.ndarray) -> list[np.ndarray]:
        answers = []
        for index in range(len(commands)):
            command = commands[index : index + 1].view(COMMAND).copy()
            command["sequence"] = self._engine.sequence + 1
            command["time_ns"] = TRADING_DAY * 86_400 * 10**9 + self._engine.sequence
            events = self._engine.apply(command).copy()
            answers.append(events)
        last = self._engine.sequence
        together = np.concatenate(answers)
        self.database.write(lambda session: apply_events(session, together, last)).result()
        return answers

    def account(self, number: int) -> AccountAnswer:
        raise NotImplementedError("the end of a day without events asks for no account")

    def balances(self) -> BalancesAnswer:
        accounts = np.zeros(len(self._cash_fen), _ACCOUNT)
        accounts["available_fen"] = self._cash_fen
        instrument, account = np.nonzero(self._lots)
        positions = np.zeros(len(account), _POSITION)
        positions["account"], positions["instrument"] = account, instrument
        positions["available_lots"] = self._lots[instrument, account]
        allowances = np.zeros(0, _ACCOUNT)
        return BalancesAnswer(self._engine.sequence, accounts, positions, allowances)

    # --- What the day begins with ---

    def _define(self, number: int) -> None:
        command = np.zeros(1, INSTRUMENT_COMMAND)
        high, low = pack_text(symbol(number))
        for name, value in {
            "kind": CommandKind.DEFINE_INSTRUMENT,
            "instrument": number,
            "symbol_high": high,
            "symbol_low": low,
            "reference_price_ticks": 5_000,
            "maximum_order_lots": 100_000,
            "maximum_holding_lots": 10**9,
            "tick_fen": 1,
            "price_limit_ppm": 100_000,
            "maker_fee_ppm": MAKER_FEE_PPM,
            "taker_fee_ppm": TAKER_FEE_PPM,
            "ladder_levels": 4_096,
            "trading_day": TRADING_DAY,
        }.items():
            command[name] = value
        self.submit(command.view(COMMAND))
        opening = np.zeros(1, ADMIN_COMMAND)
        opening["kind"], opening["instrument"] = CommandKind.SET_PHASE, number
        opening["phase"] = Phase.CONTINUOUS
        self.submit(opening.view(COMMAND))

    def _load_credits(self, session: Session, holders: np.ndarray) -> None:
        """A batch with one block for each holder of an instrument; cash for every account."""
        rule = {"template": "around_the_clock"}
        market_rules.propose(
            session, "sessions", market_rules.EVERYWHERE, rule, actor="bench", needs_approval=False
        )
        registry.add_methodology(session, "M", "Bus rides", "1")
        count = holders.shape[1]
        for instrument, of_instrument in enumerate(holders, start=1):
            self._lots[instrument, of_instrument] = BLOCK_LOTS
            name = symbol(instrument)
            new = registry.NewProject("Rides", "M", "GD", "transport", 1, name)
            project_id = registry.add_project(session, new).project_id
            first = bulk.reserve(session, Batch.number, count)
            numbers = first + np.arange(count)
            span = {"quantity": BLOCK_LOTS}
            common = {"project_id": project_id, "serial_prefix": name, "issued_time_ns": 1}
            ids = [f"B{number}" for number in numbers.tolist()]
            bulk.insert(
                session,
                Batch,
                {"number": numbers, "batch_id": ids, "number_space": ids, "serial_template": ids}
                | {"vintage": 2_020 + numbers % 5, "first_number": 1, "last_number": BLOCK_LOTS}
                | (span | common),
            )
            bulk.insert(
                session,
                Block,
                {"batch_number": numbers, "start_number": 1, "end_number": BLOCK_LOTS}
                | {"holder_account": of_instrument, "status": "custody"}
                | span,
            )
        self._post_opening(session, holders)

    def _post_opening(self, session: Session, holders: np.ndarray) -> None:
        legs = [
            Leg(*holder(account), CASH, CASH_FEN) for account in range(1, self.size.accounts + 1)
        ]
        legs.append(Leg(Kind.BANK, 0, CASH, -CASH_FEN * self.size.accounts))
        for instrument, of_instrument in enumerate(holders.tolist(), start=1):
            name = symbol(instrument)
            legs += [Leg(*holder(account), name, BLOCK_LOTS) for account in of_instrument]
            legs.append(Leg(Kind.REGISTRY, 0, name, -BLOCK_LOTS * len(of_instrument)))
        ledger.post(session, [Posting("opening", "opening", 1, legs, sequence=1)])

    def _load_trades(
        self, session: Session, holders: np.ndarray, random: np.random.Generator
    ) -> None:
        size = self.size
        fills = size.fills // size.instruments * size.instruments
        instrument = np.tile(np.arange(1, size.instruments + 1), fills // size.instruments)
        seller = holders[instrument - 1, random.integers(0, holders.shape[1], fills)]
        # Any account but the seller.
        buyer = (seller + random.integers(0, size.accounts - 1, fills)) % size.accounts + 1
        lots, price = random.integers(1, 11, fills), random.integers(4_900, 5_101, fills)
        is_buy = random.integers(0, 2, fills) == 1
        notional = lots * price
        maker_fee, taker_fee = (notional * ppm // 10**6 for ppm in (MAKER_FEE_PPM, TAKER_FEE_PPM))
        ids = np.arange(1, fills + 1)
        bulk.insert(
            session,
            Trade,
            {"trade_id": ids, "sequence": self._engine.sequence, "time_ns": ids}
            | {"trading_day": TRADING_DAY, "instrument": instrument, "price_ticks": price}
            | {"quantity_lots": lots, "notional_fen": notional}
            | {"maker_order_id": 2 * ids, "taker_order_id": 2 * ids + 1}
            | {"maker_account": np.where(is_buy, seller, buyer)}
            | {"taker_account": np.where(is_buy, buyer, seller)}
            | {"maker_fee_fen": maker_fee, "taker_fee_fen": taker_fee}
            | {"taker_side": np.where(is_buy, int(Side.BUY), int(Side.SELL)), "trade_type": 0},
        )
        np.add.at(self._lots, (instrument, buyer), lots)
        np.subtract.at(self._lots, (instrument, seller), lots)
        np.add.at(self._cash_fen, seller, notional - np.where(is_buy, maker_fee, taker_fee))
        np.subtract.at(self._cash_fen, buyer, notional + np.where(is_buy, taker_fee, maker_fee))
        self._cash_fen[0] += int(maker_fee.sum() + taker_fee.sum())


def symbol(number: int) -> str:
    """The symbol of the day's instrument `number`."""
    return f"CER-{number:03d}"


class Rows(NamedTuple):
    """What a run has written: inserted rows by table, and the blocks that it changed."""

    inserted: list[tuple[str, list[str], list[tuple[Any, ...]]]]
    changed_blocks: np.ndarray

    @property
    def total(self) -> int:
        return sum(len(rows) for _, _, rows in self.inserted) + int(self.changed_blocks.shape[1])


def rows_written(database: Database, blocks_before: int) -> Rows:
    """Read back what the one run of a day wrote."""
    inserted = []
    with database.read() as session:
        for kind in WRITTEN:
            table = kind.__table__
            query = select(table)
            if kind is Block:
                query = query.where(table.c.number > blocks_before)
            elif kind is LedgerAccount:
                query = query.where(table.c.kind.in_((Kind.FEE_INCOME, Kind.CLEARING_HOUSE)))
            elif kind is LedgerTransaction:
                query = query.where(table.c.run_id.is_not(None))
            elif kind is LedgerEntry:
                runs = select(LedgerTransaction.transaction_id)
                of_run = runs.where(LedgerTransaction.run_id.is_not(None))
                query = query.where(table.c.transaction_id.in_(of_run))
            rows = [tuple(row) for row in session.execute(query)]
            inserted.append((kind.__tablename__, [column.name for column in table.columns], rows))
        columns = (Block.number, Block.start_number, Block.quantity, Block.holder_account)
        cut = select(*columns).where(Block.number <= blocks_before)
        changed = bulk.read(session, cut, len(columns))
    return Rows(inserted, changed)


def load_bare(database: Database, rows: Rows) -> None:
    """Write the same rows into a database that holds the same day, in one transaction."""

    def work(session: Session) -> None:
        numbers, *changes = rows.changed_blocks
        names = ("start_number", "quantity", "holder_account")
        bulk.update(session, Block, "number", numbers, dict(zip(names, changes, strict=True)))
        for name, columns, values in rows.inserted:
            bulk.load(session, name, columns, values)

    database.write(work).result()


def block_count(database: Database) -> int:
    """The highest number of a block."""
    with database.read() as session:
        return session.scalar(select(func.max(Block.number))) or 0
