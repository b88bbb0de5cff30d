"""Statements: every figure of an account's day, and that the figures add up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.codes import Side
from settlement import clearing, statements
from settlement.tables.clearing import Statement

DAY = 20_777


def bodies(exchange: Any, run_id: str) -> dict[int, dict[str, Any]]:
    with exchange.database.read() as session:
        found = statements.of_run(session, run_id, -1, 100)
        return {statement.account: json.loads(statement.body) for statement in found}


def assert_adds_up(body: dict[str, Any]) -> None:
    """Opening and movements give the closing balance, for cash and for every instrument."""
    cash = body["cash"]["CNY"]
    assert (
        cash["opening"]
        + cash["deposited"]
        - cash["withdrawn"]
        + cash["adjusted"]
        - cash["bought"]
        + cash["sold"]
        - cash["fees"]
        == (cash["closing"])
    )
    for line in body["credits"].values():
        change = line["deposited"] - line["withdrawn"] + line["bought"] - line["sold"]
        assert line["opening"] + change == line["closing"]


def test_a_first_day(market: Any, tmp_path: Path) -> None:
    """Deposits, purchases, sales and fees of the day stand in the statement of each account."""
    market.trade_a_day()
    market.withdraw_cash(3, 1_000)
    market.intake.flush()
    found = bodies(market, market.settle(tmp_path))
    assert sorted(found) == [1, 2, 3, 4]
    for body in found.values():
        assert_adds_up(body)
    bought_fen = 300 * 5_000 + 100 * 5_010
    assert found[3]["cash"]["CNY"] == {
        "opening": 0,
        "deposited": 10_000_000,
        "withdrawn": 1_000,
        "adjusted": 0,
        "bought": bought_fen,
        "sold": 0,
        "fees": 300 * 5_000 * 3 // 1_000 + 100 * 5_010 * 3 // 1_000,
        "closing": 10_000_000 - 1_000 - bought_fen - 4_500 - 1_503,
    }
    gd, xm = found[1]["credits"]["GD-PHCER"], found[1]["credits"]["XM-CER"]
    assert (gd["deposited"], gd["bought"], gd["sold"], gd["closing"]) == (1_000, 10, 300, 710)
    assert gd["closing_price_ticks"] == 5_003
    assert (xm["sold"], xm["closing"], xm["closing_price_ticks"]) == (60, 240, 5_000)


def test_a_day_opens_where_the_last_one_closed(market: Any, tmp_path: Path) -> None:
    """What happens after the close belongs to the next statement."""
    market.trade_a_day()
    first = bodies(market, market.settle(tmp_path))
    market.deposit_cash(3, 77)
    market.order(3, 1, Side.SELL, 5_000, 100)
    market.order(2, 1, Side.BUY, 5_000, 100)
    market.intake.flush()
    second = bodies(market, market.settle(tmp_path, day=DAY + 1))
    for account, body in second.items():
        assert_adds_up(body)
        assert body["cash"]["CNY"]["opening"] == first[account]["cash"]["CNY"]["closing"]
        for symbol, line in body["credits"].items():
            before = first[account]["credits"].get(symbol, {"closing": 0})
            assert line["opening"] == before["closing"]
    assert second[3]["cash"]["CNY"]["deposited"] == 77
    assert second[3]["credits"]["GD-PHCER"]["sold"] == 100
    with market.database.read() as session:
        mine = statements.of_account(session, 3, DAY + 2, 10)
        assert [statement.trading_day for statement in mine] == [DAY + 1, DAY]
        assert len(statements.of_account(session, 3, DAY + 1, 10)) == 1
        assert statements.of_account(session, 99, DAY + 2, 10) == []


def test_the_trades_of_a_statement(market: Any, tmp_path: Path) -> None:
    """The fills behind a statement are the account's own of that day, and sum to its figures."""
    market.trade_a_day()
    run_id = market.settle(tmp_path)
    market.order(3, 1, Side.SELL, 5_000, 100)
    market.order(2, 1, Side.BUY, 5_000, 100)
    market.intake.flush()
    with market.database.read() as session:
        run = clearing.report(session, run_id).run
        for account in (1, 2, 3, 4):
            body = json.loads(session.get_one(Statement, (account, DAY)).body)
            fills = list(statements.fills_of(session, run, account))
            assert all(fill.account == account for fill, _ in fills)
            assert sum(fill.fee_fen for fill, _ in fills) == body["cash"]["CNY"]["fees"]
            for symbol, line in body["credits"].items():
                for side, name in ((Side.BUY, "bought"), (Side.SELL, "sold")):
                    lots = sum(
                        fill.quantity_lots
                        for fill, instrument in fills
                        if fill.side == side and instrument.symbol == symbol
                    )
                    assert lots == line[name]
        assert [fill.quantity_lots for fill, _ in statements.fills_of(session, run, 3)] == [
            *(300, 100)
        ]
