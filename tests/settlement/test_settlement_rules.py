"""The settlement rule: which blocks go first, and a delivery that waits for an operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from settlement import clearing, custody, market_rules
from settlement.clearing import Clearing
from settlement.errors import Refused
from settlement.market_rules import EVERYWHERE

DAY = 20_777


def set_rule(exchange: Any, **changed: Any) -> None:
    rule = market_rules.shipped().settlement.model_dump() | changed
    exchange.database.write(
        lambda session: market_rules.propose(
            session, "settlement", EVERYWHERE, rule, actor="one", needs_approval=False
        )
    ).result()


def test_a_delivery_waits_for_its_approval(market: Any, tmp_path: Path) -> None:
    """Netted, priced, and not delivered until an operator has said so; then as always."""
    market.trade_a_day()
    set_rule(market, needs_approval=True)
    work = Clearing(market.database, market, tmp_path, reopen=True)
    run_id = work.begin(DAY)
    for _ in range(2):  # asking again does not help
        assert work.run(run_id)
        with market.database.read() as session:
            waiting = clearing.report(session, run_id)
            assert (3, "GD-PHCER") not in custody.custody_totals(session)
            assert clearing.unfinished_run(session, also_failed=False) is None
        assert (waiting.run.status, waiting.batches_done) == ("waiting", 0)
    market.database.write(lambda session: clearing.approve(session, run_id, "one")).result()
    assert work.run(run_id)
    with market.database.read() as session:
        outcome = clearing.report(session, run_id)
        assert custody.custody_totals(session)[3, "GD-PHCER"] == 400
    assert (outcome.run.status, outcome.run.approved_by) == ("completed", "one")
    with pytest.raises(Refused, match="does not wait"):
        market.database.write(lambda session: clearing.approve(session, run_id, "one")).result()


def test_a_day_without_trades_waits_for_nobody(market: Any, tmp_path: Path) -> None:
    """Where nothing is delivered nothing is approved."""
    set_rule(market, needs_approval=True)
    run_id = market.settle(tmp_path)
    with market.database.read() as session:
        assert clearing.report(session, run_id).run.status == "completed"


def test_the_rule_says_which_blocks_go_first(
    market: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delivery of each instrument follows the version in force."""
    market.trade_a_day()
    set_rule(market, block_order="newest_vintage")
    orders = []
    deliver = custody.deliver

    def watched(session: Any, symbol: str, transfers: Any, key: str, block_order: str) -> None:
        orders.append((symbol, block_order))
        deliver(session, symbol, transfers, key, block_order)

    monkeypatch.setattr("settlement.custody.deliver", watched)
    market.settle(tmp_path)
    assert orders == [("GD-PHCER", "newest_vintage"), ("XM-CER", "newest_vintage")]
