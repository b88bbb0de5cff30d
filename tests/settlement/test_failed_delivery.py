"""A seller whose blocks are short holds up its instrument alone, and only until it is mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from engine.codes import CommandKind, Phase, Side
from engine.records import ADMIN_COMMAND
from settlement import breaks, clearing, custody, ledger
from settlement.blocks import Status
from settlement.clearing import RunReport
from settlement.custody import ShortageError
from settlement.reconciliation import reconcile
from settlement.tables.registry import Block

DAY = 20_777


def freeze(exchange: Any, account: int, *, thaw: bool = False) -> None:
    """All of the account's blocks in custody are frozen there, or free again."""
    status, instead = (Status.FROZEN, Status.CUSTODY)[:: -1 if thaw else 1]
    previous = None if thaw else Status.CUSTODY

    def work(session: Session) -> None:
        mine = (Block.holder_account == account) & (Block.status == instead)
        values = {"status": status, "previous_status": previous}
        session.execute(update(Block).where(mine).values(values))

    exchange.database.write(work).result()


def report(exchange: Any, run_id: str) -> RunReport:
    with exchange.database.read() as session:
        return clearing.report(session, run_id)


def test_a_failed_delivery_is_carried_over(market: Any, tmp_path: Path) -> None:
    """The run goes on, the books agree but for the frozen blocks, and the next run delivers."""
    market.trade_a_day()
    freeze(market, 2)
    first = report(market, market.settle(tmp_path))
    assert first.run.status == "completed"
    failed = [one for one in first.breaks if one.kind == "delivery"]
    assert [(one.account, one.asset, one.custody) for one in failed] == [(2, "GD-PHCER", 0)]
    assert first.run.batches == first.batches_done == 1, "the other instrument is delivered"
    with market.database.read() as session:
        assert custody.custody_totals(session)[4, "XM-CER"] == 60
        assert (3, "GD-PHCER") not in custody.custody_totals(session)

    freeze(market, 2, thaw=True)
    assert reconcile(market.database, market).breaks == [], "unsettled trades are known to be so"
    # The frozen blocks were missing in custody, too, which kept the market closed.
    fields = {"instrument": 1, "phase": Phase.CONTINUOUS}
    market.command(CommandKind.SET_PHASE, ADMIN_COMMAND, **fields)
    market.order(3, 1, Side.SELL, 5_000, 150)
    market.order(1, 1, Side.BUY, 5_000, 150)
    market.intake.flush()
    second = report(market, market.settle(tmp_path, day=DAY + 1))
    assert (second.run.status, second.breaks) == ("completed", [])
    # The closing price is of the second day's trades alone.
    assert [price.volume_lots for price, _ in second.prices] == [150, 0]
    with market.database.read() as session:
        totals = custody.custody_totals(session)
        assert ledger.imbalances(session) == []
        delivered = next(
            one for one in breaks.page(session, None, 2**60, 99) if one.kind == "delivery"
        )
    assert (totals[3, "GD-PHCER"], totals[1, "GD-PHCER"]) == (250, 860)
    assert (delivered.status, delivered.resolved_by) == ("resolved", "settlement")
    assert reconcile(market.database, market).breaks == []


def test_nothing_is_carried_over_once_a_part_is_delivered(
    market: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shortage after an instrument's first batch stops the run, which is finished later."""
    market.trade_a_day()
    monkeypatch.setattr("settlement.netting.BATCH_SIZE", 1)
    freeze(market, 2)
    with pytest.raises(ShortageError):
        market.settle(tmp_path)
    freeze(market, 2, thaw=True)
    assert report(market, market.settle(tmp_path)).breaks == []
