"""An engine that is wrong is found out by the journal's marks, and the command is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from core_driver import BUYER, LIMITS, SELLER, order, set_up_commands, stamped

from engine.codes import Side
from engine.divergence import first_differing
from engine.event_log import EVENTS_FOLDER, EventLog
from engine.journal import JOURNAL_FOLDER, Journal
from engine.journal_format import StateDivergedError
from engine.matching.engine import Engine
from engine.matching.reference import ReferenceEngine
from engine.queries import MatchingEngine
from engine.records import ORDER_COMMAND
from engine.replay import recover
from engine.snapshot import SNAPSHOTS_FOLDER
from engine.state import EngineLimits, state_hash

WRONG_COMMAND = 137
LAST_COMMAND = 256
MARKS = (60, 120, 180, 240)


class _WrongEngine(Engine):
    """As the compiled engine, but for one command."""

    def apply(self, commands: np.ndarray) -> np.ndarray:
        place = WRONG_COMMAND - int(commands[0]["sequence"])
        if not 0 <= place < len(commands):
            return super().apply(commands)
        before = super().apply(commands[:place]).copy() if place else commands[:0]
        wrong = self.apply_wrongly(commands[place : place + 1].copy()).copy()
        after = super().apply(commands[place + 1 :])
        return np.concatenate([before.view(wrong.dtype), wrong, after])

    def apply_wrongly(self, command: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class _OtherQuantity(_WrongEngine):
    def apply_wrongly(self, command: np.ndarray) -> np.ndarray:
        command.view(ORDER_COMMAND)["quantity_lots"] += 1
        return Engine.apply(self, command)


class _MoneyFromNowhere(_WrongEngine):
    """Its events are right, and the state behind them is not."""

    def apply_wrongly(self, command: np.ndarray) -> np.ndarray:
        events = Engine.apply(self, command)
        self.arrays.balances.accounts[BUYER]["available_fen"] += 1
        return events


def _commands() -> np.ndarray:
    orders = [
        order(BUYER, Side.BUY, 9_990 + number % 21, number)
        if number % 2
        else order(SELLER, Side.SELL, 9_990 + number % 19, number)
        for number in range(1, LAST_COMMAND - 5)
    ]
    return stamped(np.concatenate([set_up_commands(), *orders]), 1)


def _fill(
    data_dir: Path, make_engine: Callable[[EngineLimits], MatchingEngine], *, with_events: bool
) -> None:
    """A folder as the core leaves it whose engine this was: four marks and no snapshot."""
    journal, event_log = Journal(data_dir / JOURNAL_FOLDER, LIMITS), EventLog(data_dir / "events")
    engine, commands = make_engine(LIMITS), _commands()
    for start in range(0, LAST_COMMAND, 4):
        batch = commands[start : start + 4]
        journal.append(batch)
        events = engine.apply(batch)
        if with_events:
            event_log.append(events)
        if engine.sequence in MARKS:
            journal.mark(engine.sequence, state_hash(engine.export()))
    journal.close()
    event_log.close()


def _recover(data_dir: Path, make_engine: Callable[[EngineLimits], MatchingEngine]) -> None:
    journal = Journal(data_dir / JOURNAL_FOLDER, LIMITS)
    event_log = EventLog(data_dir / EVENTS_FOLDER)
    try:
        recover(journal, make_engine, event_log, data_dir / SNAPSHOTS_FOLDER)
    finally:
        journal.close()
        event_log.close()


@pytest.mark.parametrize("wrong", [_OtherQuantity, _MoneyFromNowhere])
def test_a_wrong_engine_is_found_without_the_event_log(
    tmp_path: Path, wrong: type[_WrongEngine]
) -> None:
    """A damaged build replays the journal of a good one: the reference engine names the command,
    whether its events are others or only what is behind them."""
    _fill(tmp_path, ReferenceEngine, with_events=False)
    with pytest.raises(
        StateDivergedError,
        match=rf"the state after command 180 .*; command {WRONG_COMMAND} is the first that this"
        " engine does otherwise",
    ):
        _recover(tmp_path, wrong)


def test_with_the_event_log_it_needs_no_second_opinion(tmp_path: Path) -> None:
    """What was told to clients and what the engine gives now are compared as they are."""
    _fill(tmp_path, Engine, with_events=True)
    with pytest.raises(
        StateDivergedError, match=rf"command {WRONG_COMMAND} is the first whose events are others"
    ):
        _recover(tmp_path, _OtherQuantity)


def test_where_both_engines_agree_the_stretch_is_named(tmp_path: Path) -> None:
    """It was the engine that noted the state which was wrong, and its events are lost."""
    _fill(tmp_path, _MoneyFromNowhere, with_events=False)
    with pytest.raises(
        StateDivergedError,
        match=r"the first command that differs is one of 121 to 180, and the reference engine does",
    ):
        _recover(tmp_path, Engine)


def test_a_good_engine_meets_every_mark(tmp_path: Path) -> None:
    """The compiled engine comes by the journal of the reference engine, and they never differ."""
    _fill(tmp_path, ReferenceEngine, with_events=True)
    _recover(tmp_path, Engine)
    assert first_differing(lambda: [_commands()], Engine, LIMITS, 0) is None


@pytest.mark.parametrize("size", [1, 7, LAST_COMMAND])
def test_the_command_is_the_same_however_they_are_grouped(size: int) -> None:
    """What comes before the last good mark is applied, and not looked at."""
    commands = _commands()
    groups = [commands[start : start + size] for start in range(0, LAST_COMMAND, size)]
    for agreed, expected in ((0, WRONG_COMMAND), (136, WRONG_COMMAND), (137, 138)):
        found = first_differing(lambda: groups, _MoneyFromNowhere, LIMITS, agreed)
        assert found == expected
