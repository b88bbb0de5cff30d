"""Flows of commands for property tests: mostly sensible, sometimes hostile, always repeatable.

Each command is made from one integer seed and what is known so far, so Hypothesis can draw a flow
as a list of integers, and shrink it by leaving commands out.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import numpy as np
from account_limit_flows import limits_command, passed_ns
from engine_conditions import add_conditions
from engine_driver import (
    AnyEngine,
    define,
    make_command,
    read_events,
    set_phase,
    spoil,
    stamp,
)
from engine_negotiations import Known, negotiation, set_block_rules
from engine_scales import ROOMY, Scale
from engine_scales import ROOMY_LIMITS as ROOMY_LIMITS  # noqa: PLC0414 - for flows of no scale
from hypothesis import strategies as st

from engine.codes import (
    CommandKind,
    EventKind,
    OrderFlag,
    OrderType,
    Phase,
    Purpose,
    SelfTradePrevention,
    Side,
    Target,
    TimeInForce,
)
from engine.records import ADMIN_COMMAND
from engine.units import MAX_TRADING_DAY

ACCOUNTS = (1, 2, 3, 4)
INSTRUMENTS = (1, 2)
SCHEMES = (1, 2)
# How often trading goes on again.
_REOPENED = {Phase.CONTINUOUS: 0.0, Phase.CALL_AUCTION: 0.06}

_seed = st.integers(0, 2**32 - 1)
# Hypothesis makes most lists short: the second kind makes half of the flows long ones.
command_seeds = st.lists(_seed, min_size=1, max_size=60) | st.lists(
    _seed, min_size=50, max_size=150
)


class Flow(NamedTuple):
    """A run on one engine: all its commands, and where the events of each one end."""

    commands: np.ndarray
    events: np.ndarray
    event_ends: list[int]


class FlowMaker:
    """Makes the next command from a seed; learns order ids, phases and days from the events."""

    def __init__(self, scale: Scale = ROOMY) -> None:
        self._scale = scale
        self._open: dict[int, dict[str, int]] = {}  # ORDER_ACCEPTED or ORDER_AMENDED, by order id
        self._closed_ids = [1]
        self._last_client_id = 0
        self._first_centres = {
            number: fields["reference_price_ticks"] for number, fields in scale.instruments.items()
        }
        self._centres = dict(self._first_centres)
        self._phases = dict.fromkeys(INSTRUMENTS, Phase.CLOSED)
        self._days = dict.fromkeys(INSTRUMENTS, 20_000)
        self._blocked: set[int] = set()
        self._time_ns = 0

    def opening(self) -> list[np.ndarray]:
        """Two instruments, four accounts with cash and credits, continuous trading."""
        scale = self._scale
        commands = [define(number, **fields) for number, fields in scale.instruments.items()]
        for account in ACCOUNTS:
            commands.append(make_command(CommandKind.OPEN_ACCOUNT, account=account))
            commands.append(
                make_command(CommandKind.DEPOSIT_CASH, account=account, amount_fen=scale.cash_fen)
            )
            commands.extend(
                make_command(
                    CommandKind.DEPOSIT_CREDITS,
                    account=account,
                    instrument=instrument,
                    quantity_lots=scale.credits_lots,
                )
                for instrument in INSTRUMENTS[: 1 + account % 2]
            )
        commands.append(
            make_command(
                CommandKind.SET_HEADROOM, account=1, scheme=1, quantity_lots=60 * scale.lots
            )
        )
        commands.extend(set_phase(instrument, Phase.CONTINUOUS) for instrument in INSTRUMENTS)
        commands.extend(set_block_rules(instrument) for instrument in INSTRUMENTS)
        return commands

    def next(self, seed: int) -> np.ndarray:
        """A command that mostly makes sense now, stamped with nothing but its sender."""
        random = Random(seed)
        command = self._sensible(random)
        command["gateway"] = random.choice((0, 1, 2))
        command["session"] = random.choice((0, 1, 2))
        if random.random() < 0.06:
            spoil(random, command)
        return command

    def learn(self, events: list[dict[str, Any]]) -> None:
        """Remember what the coming commands may refer to."""
        self._time_ns = events[0]["time_ns"]
        for event in events:
            kind = event["kind"]
            if kind in (EventKind.ORDER_ACCEPTED, EventKind.ORDER_AMENDED):
                self._open[event["order_id"]] = event
            elif kind == EventKind.ORDER_CANCELLED:
                self._close(event["order_id"])
            elif kind == EventKind.TRADE:
                for side in ("maker", "taker"):
                    if event[f"{side}_remaining_lots"] == 0:
                        self._close(event[f"{side}_order_id"])
            elif kind in (EventKind.PHASE_CHANGED, EventKind.VOLATILITY_INTERRUPTED):
                self._phases[event["instrument"]] = Phase(event["phase"])
            elif kind == EventKind.DAY_ROLLED:
                self._days[event["instrument"]] = event["trading_day"]
                self._centres[event["instrument"]] = event["reference_price_ticks"]
            elif kind == EventKind.ACCOUNT_BLOCKED:
                self._blocked.add(event["account"])
            elif kind == EventKind.ACCOUNT_UNBLOCKED:
                self._blocked.discard(event["account"])

    def _close(self, order_id: int) -> None:
        del self._open[order_id]
        self._closed_ids.append(order_id)

    def _sensible(self, random: Random) -> np.ndarray:
        for instrument in INSTRUMENTS:
            share = _REOPENED.get(self._phases[instrument], 0.3)
            if random.random() < share:
                return self._reopen(random, instrument)
        if self._blocked and random.random() < 0.4:
            account = min(self._blocked)
            return make_command(CommandKind.UNBLOCK_ACCOUNT, account=account)
        make = random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        return make(self, random)

    def _reopen(self, random: Random, instrument: int) -> np.ndarray:
        if self._phases[instrument] == Phase.CLOSED and random.random() < 0.5:
            return self._roll_day(random, instrument)
        if self._phases[instrument] == Phase.CALL_AUCTION and random.random() < 0.5:
            return make_command(CommandKind.END_INTERRUPTIONS)
        return set_phase(instrument, Phase.CONTINUOUS)

    def new_order(self, random: Random) -> np.ndarray:
        instrument = random.choice(INSTRUMENTS)
        side = random.choice((Side.BUY, Side.SELL))
        is_market = random.random() < 0.1
        time_in_force = random.choices(list(TimeInForce), (10, 5, 3, 3, 5))[0]
        fields = {
            "account": random.choice(ACCOUNTS),
            "instrument": instrument,
            "side": side,
            "order_type": OrderType.MARKET if is_market else OrderType.LIMIT,
            "time_in_force": time_in_force,
            "price_ticks": 0
            if is_market and random.random() < 0.6
            else self._price(random, instrument),
            "quantity_lots": self._scale.lots * random.choice((1, 2, 3, 5, 8, 13, 40)),
            "self_trade_prevention": random.choices(list(SelfTradePrevention), (5, 2, 1, 3))[0],
            "purpose": random.choice((Purpose.VOLUNTARY, Purpose.EVENT, Purpose.MARKET_MAKING)),
            "client_id_low": self._client_id(random, 0.7),
        }
        if time_in_force == TimeInForce.GTD:
            # Commands are a microsecond apart: with 1 it has expired as it comes.
            fields["expires_at_ns"] = self._time_ns + 1_000 * random.choice((1, 2, 5, 20, 100))
        if random.random() < 0.3:
            fields["flags"] = OrderFlag.CANCEL_ON_DISCONNECT
        rests = time_in_force in (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)
        if rests and not is_market and random.random() < 0.15:
            fields["flags"] = OrderFlag.POST_ONLY
        elif time_in_force != TimeInForce.FOK and random.random() < 0.15:
            fields["minimum_quantity_lots"] = self._scale.lots * random.choice((1, 2, 3, 8))
        add_conditions(random, fields, self._price(random, instrument), self._scale.lots)
        if side == Side.BUY and random.random() < 0.2:
            fields |= {"purpose": Purpose.COMPLIANCE, "scheme": 1, "account": 1}
        return make_command(CommandKind.NEW_ORDER, **fields)

    def cancel_order(self, random: Random) -> np.ndarray:
        return make_command(CommandKind.CANCEL_ORDER, **self._target(random))

    def amend_order(self, random: Random) -> np.ndarray:
        target = self._target(random)
        target["price_ticks"] += random.choice((0, 0, 0, -2, -1, 1, 2))
        return make_command(
            random.choice((CommandKind.AMEND_ORDER, CommandKind.REPLACE_ORDER)),
            quantity_lots=self._scale.lots * random.choice((1, 2, 4, 6, 10, 40)),
            **target,
        )

    def cancel_all(self, random: Random) -> np.ndarray:
        return make_command(
            CommandKind.CANCEL_ALL,
            account=random.choice((0, *ACCOUNTS, *ACCOUNTS)),
            instrument=random.choice((0, *INSTRUMENTS)),
            side=random.choice(list(Side)),
            filter_gateway=random.choice((0, 0, 1, 2)),
            filter_session=random.choice((0, 0, 1, 2)),
            flags=random.choice((0, OrderFlag.CANCEL_ON_DISCONNECT)),
        )

    def expire_orders(self, _: Random) -> np.ndarray:
        return make_command(CommandKind.EXPIRE_ORDERS)

    def set_quote(self, random: Random) -> np.ndarray:
        instrument = random.choice(INSTRUMENTS)
        centre = self._price(random, instrument)
        return make_command(
            CommandKind.SET_QUOTE,
            account=random.choice(ACCOUNTS[:2]),
            instrument=instrument,
            bid_price_ticks=centre - random.choice((1, 1, 2, 3)),
            bid_quantity_lots=self._scale.lots * random.choice((0, 3, 5, 5, 8)),
            ask_price_ticks=centre + random.choice((0, 1, 1, 2)),
            ask_quantity_lots=self._scale.lots * random.choice((0, 3, 5, 5, 8)),
            flags=random.choice((0, OrderFlag.CANCEL_ON_DISCONNECT)),
        )

    def negotiate(self, random: Random) -> np.ndarray:
        known = Known(
            ACCOUNTS,
            self._centres,
            self._scale.lots,
            self._open,
            self._closed_ids,
            self._time_ns,
        )
        return negotiation(random, known, self._client_id(random, 0.6))

    def move_cash(self, random: Random) -> np.ndarray:
        kind = random.choice((CommandKind.DEPOSIT_CASH, CommandKind.WITHDRAW_CASH))
        accounts = ACCOUNTS if kind == CommandKind.DEPOSIT_CASH else (0, *ACCOUNTS)
        return make_command(
            kind,
            account=random.choice(accounts),
            amount_fen=random.choice((1, 5_000, 60_000)),
            client_id_low=self._client_id(random, 0.5),
        )

    def move_credits(self, random: Random) -> np.ndarray:
        return make_command(
            random.choice((CommandKind.DEPOSIT_CREDITS, CommandKind.WITHDRAW_CREDITS)),
            account=random.choice(ACCOUNTS),
            instrument=random.choice(INSTRUMENTS),
            quantity_lots=random.choice((1, 20, 50)),
            client_id_low=self._client_id(random, 0.5),
        )

    def use_allowance(self, random: Random) -> np.ndarray:
        kind = random.choice((CommandKind.SET_HEADROOM, CommandKind.RECORD_SURRENDER))
        return make_command(
            kind,
            account=random.choice(ACCOUNTS),
            scheme=random.choice(SCHEMES),
            quantity_lots=self._scale.lots * random.choice((1, 10, 30, 100)),
            client_id_low=self._client_id(random, 0.5),
        )

    def set_phase(self, random: Random) -> np.ndarray:
        phases = (*Phase, Phase.CALL_AUCTION, Phase.CALL_AUCTION)
        command = set_phase(random.choice(INSTRUMENTS), random.choice(phases))
        terms = command.view(ADMIN_COMMAND)
        if random.random() < 0.5:
            terms["ends_at_ns"] = self._time_ns + 20_000
        if random.random() < 0.2:
            terms["cancel_until_ns"] = self._time_ns + 1_000 * random.choice((1, 5, 10))
        return command

    def set_volatility(self, random: Random) -> np.ndarray:
        instrument = random.choice(INSTRUMENTS)
        ticks = random.choice((0, 1, 2, 2, 3))
        return make_command(
            CommandKind.SET_VOLATILITY,
            instrument=instrument,
            volatility_ppm=ticks * 1_000_000 // self._centres[instrument] + (ticks > 0),
            interruption_seconds=random.choice((0, 1, 1, 1)),
        )

    def block_account(self, random: Random) -> np.ndarray:
        return make_command(CommandKind.BLOCK_ACCOUNT, account=random.choice(ACCOUNTS))

    def set_account_limits(self, random: Random) -> np.ndarray:
        return limits_command(random, max(self._centres.values()) * self._scale.lots)

    def enlarge(self, random: Random) -> np.ndarray:
        """More accounts and instruments, until their pools are full."""
        if random.random() < 0.5:
            return make_command(CommandKind.OPEN_ACCOUNT, account=random.randrange(1, 8))
        return define(random.randrange(1, 7), reference_price_ticks=random.choice((50, 200)))

    def _roll_day(self, random: Random, instrument: int) -> np.ndarray:
        centre, day = self._centres[instrument], self._days[instrument]
        return make_command(
            CommandKind.ROLL_DAY,
            instrument=instrument,
            reference_price_ticks=centre + random.choice((-7, -2, 0, 0, 3, 9, 900)),
            trading_day=min(day + random.choice((0, 1, 1, 1, 3)), MAX_TRADING_DAY),
        )

    def _target(self, random: Random) -> dict[str, int]:
        """The name of an order: mostly an open one of the sender's own, with its price."""
        if not self._open or random.random() < 0.12:
            order_id = random.choice(self._closed_ids)
            return {"account": random.choice(ACCOUNTS), "order_id": order_id, "price_ticks": 100}
        order = self._open[random.choice(list(self._open))]
        is_own = random.random() < 0.95
        return {
            "account": order["account"] if is_own else random.choice(ACCOUNTS),
            "instrument": order["instrument"],
            "price_ticks": order["price_ticks"],
            "target": Target.CLIENT_ORDER_ID if order["client_id_low"] else Target.ORDER_ID,
            "client_id_low": order["client_id_low"],
            "order_id": order["order_id"],
        }

    def _client_id(self, random: Random, share: float) -> int:
        """None, a new one, or now and then one that was used already."""
        if random.random() >= share:
            return 0
        if self._last_client_id and random.random() < 0.06:
            return random.randint(1, self._last_client_id)
        self._last_client_id += 1
        return self._last_client_id

    def _price(self, random: Random, instrument: int) -> int:
        """Near the centre, so that books cross; now and then outside the limits."""
        if random.random() < 0.02:
            return self._centres[instrument] // 2
        distance = random.choice((-4, -3, -2, -1, -1, 0, 0, 0, 1, 1, 2, 3, 4))
        return self._centres[instrument] + distance


_WEIGHTS: dict[Callable[[FlowMaker, Random], np.ndarray], int] = {
    FlowMaker.new_order: 50,
    FlowMaker.cancel_order: 10,
    FlowMaker.amend_order: 16,
    FlowMaker.cancel_all: 2,
    FlowMaker.expire_orders: 3,
    FlowMaker.set_quote: 16,
    FlowMaker.negotiate: 28,
    FlowMaker.move_cash: 4,
    FlowMaker.move_credits: 4,
    FlowMaker.use_allowance: 3,
    FlowMaker.set_phase: 3,
    FlowMaker.set_volatility: 2,
    FlowMaker.block_account: 1,
    FlowMaker.set_account_limits: 4,
    FlowMaker.enlarge: 2,
}


def run_flow(
    engine: AnyEngine,
    seeds: list[int],
    after: Callable[..., None] | None = None,
    scale: Scale = ROOMY,
) -> Flow:
    """Make a command from each seed and apply it to `engine`, one at a time.

    `after(command, events)`, with events as dicts, is called after each command.
    """
    maker = FlowMaker(scale)
    opening = maker.opening()
    commands: list[np.ndarray] = []
    events: list[np.ndarray] = []
    event_ends: list[int] = []
    for number in range(len(opening) + len(seeds)):
        is_opening = number < len(opening)
        made = opening[number] if is_opening else maker.next(seeds[number - len(opening)])
        command = stamp(made, number + 1)
        command["time_ns"] += passed_ns(number)
        answer = engine.apply(command).copy()
        read = read_events(answer)
        maker.learn(read)
        commands.append(command)
        events.append(answer)
        event_ends.append(len(answer) + (event_ends[-1] if event_ends else 0))
        if after is not None:
            after(command, read)
    return Flow(np.concatenate(commands), np.concatenate(events), event_ends)
