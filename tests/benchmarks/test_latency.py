"""Latency counts from the time at which a message was to come, shown with a clock of its own."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.latency import Answered, offer


def _offer(
    count: int, call_ns: Callable[[int], int], messages_per_second: int, batch: int = 256
) -> tuple[Answered, list[int]]:
    """Offer the numbers from 0 up; a call takes as long as `call_ns` says of its first number."""
    clock_ns, seen = 5_000, []  # it need not begin at 0
    batches: list[int] = []

    def now_ns() -> int:
        nonlocal clock_ns
        clock_ns += 1  # so that waiting comes to an end
        return clock_ns

    def apply(commands: np.ndarray) -> None:
        nonlocal clock_ns
        clock_ns += call_ns(int(commands[0]))
        seen.extend(commands.tolist())
        batches.append(len(commands))

    answered = offer(apply, np.arange(count), messages_per_second, batch, now_ns)
    assert seen == list(range(count)), "each message once, in order"
    assert answered.calls == len(batches)
    return answered, batches


def test_an_engine_that_keeps_up_answers_each_message_alone() -> None:
    """A message every 1,000 ns, each done in 100: nobody waits for anybody."""
    answered, batches = _offer(50, lambda first: 100, 1_000_000)
    assert batches == [1] * 50
    assert answered.latencies_ns.min() >= 100
    assert answered.latencies_ns.max() <= 105


def test_a_stall_is_felt_by_all_that_come_while_it_lasts() -> None:
    """One call takes 10,000 ns: the ten messages that come meanwhile are late, one less each."""
    answered, batches = _offer(50, lambda first: 10_000 if first == 20 else 100, 1_000_000)
    assert batches == [1] * 21 + [10] + [1] * 19
    assert np.allclose(answered.latencies_ns[20:31], [10_000, *range(9_100, 0, -1_000)], atol=10)
    assert answered.latencies_ns[31:].max() <= 105


def test_no_call_gets_more_than_a_batch() -> None:
    """An engine that is slower than its messages falls behind further and further."""
    answered, batches = _offer(60, lambda first: 10_000, 1_000_000, batch=4)
    assert max(batches) == 4
    assert sorted(answered.latencies_ns[1::4]) == list(answered.latencies_ns[1::4])
    assert answered.latencies_ns[-1] > 80_000


@pytest.mark.parametrize("messages_per_second", [3, 7_000_001, 999_999_937])
def test_nothing_is_answered_before_it_comes(messages_per_second: int) -> None:
    """Not by a nanosecond, whatever the rate; at low ones the clock goes in longer steps."""
    clock_ns = 0

    def now_ns() -> int:
        nonlocal clock_ns
        clock_ns += 1 if messages_per_second > 1_000_000 else 7_777_777
        return clock_ns

    answered = offer(lambda commands: None, np.arange(300), messages_per_second, 8, now_ns)
    assert answered.latencies_ns.min() >= 0
