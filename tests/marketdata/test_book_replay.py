"""The book out of the event log is the book as it was, from whatever step on it is asked for."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from market_flows import run_market_flow

from engine.event_log import SUFFIX, EventLog
from engine.matching.reference import ReferenceEngine
from engine.records import RECORD_BYTES
from marketdata.book_replay import EventsMissing, Window, replay
from marketdata.instrument import Instrument
from marketdata.market import Market

EVERYTHING = Window(0, 2**63 - 1, 0, 10**9)


@pytest.fixture(scope="module")
def answers() -> list[np.ndarray]:
    """A generated flow's events: all kinds of orders, instruments and phases; a second apart."""
    chance = random.Random(7)
    seeds = [chance.getrandbits(64) for _ in range(3_000)]
    found = run_market_flow(ReferenceEngine(), seeds)
    for place, events in enumerate(found):
        events["time_ns"] = place * 10**9
    return found


@pytest.fixture
def log(answers: list[np.ndarray], tmp_path: Path) -> Path:
    """The same events in a log of several segments, half of them archived."""
    log = EventLog(tmp_path, segment_bytes=1_000 * RECORD_BYTES, reserve_bytes=0)
    for events in answers:
        log.append(events)
    assert log.archive_below(len(answers) // 2) >= 1
    log.close()
    return tmp_path


def busiest(answers: list[np.ndarray]) -> Instrument:
    """The instrument with most events, and an empty book."""
    numbers = np.concatenate([events["instrument"] for events in answers])
    values, counts = np.unique(numbers[numbers > 0], return_counts=True)
    return Instrument(int(values[np.argmax(counts)]), "CREDIT", 1)


def books(answers: list[np.ndarray], number: int) -> dict[int, tuple[list, list]]:  # type: ignore[type-arg]
    """By sequence, the best five levels as the live market data had them."""
    market, found = Market(), {}
    for events in answers:
        market.apply(events)
        for instrument in market.instruments:
            if instrument.number == number:
                # Prices are compared in ticks of a fen.
                book = market.book(instrument.symbol, 5)
                found[int(events["sequence"][0])] = (
                    [level[1:] for level in book["bids"]],
                    [level[1:] for level in book["asks"]],
                )
    return found


def test_every_step_is_as_it_was(answers: list[np.ndarray], log: Path) -> None:
    """From the beginning, and from the middle, where the book comes from the orders open then."""
    expected = books(answers, busiest(answers).number)
    for begin in (0, 1_000, 2_000, len(answers) - 100):
        instrument = busiest(answers)
        window = EVERYTHING._replace(first_time_ns=begin * 10**9)
        steps, is_more = replay(log, instrument, window, last_sequence=len(answers), levels=5)
        assert not is_more
        assert len(steps) > 5
        for step in steps:
            assert step.time_ns >= window.first_time_ns
            shown = [level[1:] for level in step.bids], [level[1:] for level in step.asks]
            assert shown == expected[step.sequence]


def test_a_window_comes_in_pages(answers: list[np.ndarray], log: Path) -> None:
    """Pages of seven steps are the whole window; nothing before or behind it is among them."""
    window = Window(500 * 10**9, 800 * 10**9, 0, 10**9)
    whole, _ = replay(log, busiest(answers), window, last_sequence=len(answers), levels=3)
    paged, is_more = [], True
    while is_more:
        after = paged[-1].sequence if paged else 0
        part = window._replace(after_sequence=after, limit=7)
        steps, is_more = replay(log, busiest(answers), part, last_sequence=len(answers), levels=3)
        assert len(steps) <= 7
        paged += steps
    assert [step[:2] for step in paged] == [step[:2] for step in whole]
    assert [step[3:] for step in paged] == [step[3:] for step in whole]
    assert 500 * 10**9 <= whole[0].time_ns <= whole[-1].time_ns <= 800 * 10**9


@pytest.mark.parametrize(
    ("place", "said"),
    [(0, "the event log begins with command"), (1, "the events of commands"), (-1, "ends before")],
)
def test_what_is_missing_is_said(
    answers: list[np.ndarray], log: Path, place: int, said: str
) -> None:
    """Without its first, a middle or its last segment the log gives no book, and says why."""
    by_name = {path.name: path for path in log.rglob(f"*{SUFFIX}")}
    by_name[sorted(by_name)[place]].unlink()
    with pytest.raises(EventsMissing, match=said):
        replay(log, busiest(answers), EVERYTHING, last_sequence=len(answers), levels=5)
