"""Scenarios in plain text: orders in, events and book out. One parser for all of them.

tests/engine/matching/scenarios/README.md describes the language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine_driver import (
    SMALL_LIMITS,
    AnyEngine,
    check_reply,
    check_state,
    instrument_fields,
    make_command,
    read_events,
    stamp,
)
from engine_text import Words, describe_allowance, describe_cash, describe_credits

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
from engine.decimals import parse_fen, parse_price
from engine.packed_texts import pack_client_id
from engine.records import ADMIN_COMMAND, ORDER_COMMAND
from engine.state import EngineLimits, state_hash

# Z was never opened; the operator acts for no account.
ACCOUNTS = {"operator": 0, "exchange": 0, "A": 1, "B": 2, "C": 3, "D": 4, "E": 5, "Z": 9}
OPENED = "ABCDE"
_RICH = "1000000.00 cash 10000 credits"

_WORDS: dict[str, dict[str, int]] = {
    "day": {"time_in_force": TimeInForce.DAY},
    "gtc": {"time_in_force": TimeInForce.GTC},
    "ioc": {"time_in_force": TimeInForce.IOC},
    "fok": {"time_in_force": TimeInForce.FOK},
    "block": {"order_type": OrderType.BLOCK},
    "bid": {"order_type": OrderType.BID},
    "post-only": {"flags": OrderFlag.POST_ONLY},
    "cancel-on-disconnect": {"flags": OrderFlag.CANCEL_ON_DISCONNECT},
    "event": {"purpose": Purpose.EVENT},
    "compliance": {"purpose": Purpose.COMPLIANCE},
    "cancel-newest": {"self_trade_prevention": SelfTradePrevention.CANCEL_NEWEST},
    "cancel-oldest": {"self_trade_prevention": SelfTradePrevention.CANCEL_OLDEST},
    "cancel-both": {"self_trade_prevention": SelfTradePrevention.CANCEL_BOTH},
    "decrement": {"self_trade_prevention": SelfTradePrevention.DECREMENT},
    "buys": {"side": Side.BUY},
    "sells": {"side": Side.SELL},
}
_AMOUNTS = {
    "deposit": (CommandKind.DEPOSIT_CASH, CommandKind.DEPOSIT_CREDITS),
    "withdraw": (CommandKind.WITHDRAW_CASH, CommandKind.WITHDRAW_CREDITS),
}
_QUANTITIES = {
    "headroom": CommandKind.SET_HEADROOM,
    "surrender": CommandKind.RECORD_SURRENDER,
}
_PLAIN = {
    "open": CommandKind.OPEN_ACCOUNT,
    "block": CommandKind.BLOCK_ACCOUNT,
    "unblock": CommandKind.UNBLOCK_ACCOUNT,
    "expire": CommandKind.EXPIRE_ORDERS,
    "end-interruptions": CommandKind.END_INTERRUPTIONS,
    "limits": CommandKind.SET_ACCOUNT_LIMITS,
}


@dataclass
class Step:
    """A command or a statement about the state, with the events that are expected of it."""

    line: int
    text: str
    events: list[str] = field(default_factory=list)


@dataclass
class Scenario:
    title: str
    place: str  # file and line
    given: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def read_scenarios(path: Path) -> Iterator[Scenario]:
    """All scenarios of one file. Raises ValueError for a line that stands nowhere."""
    scenario = None
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.split("#")[0].rstrip()
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if not text:
            continue
        if text.startswith("scenario "):
            if scenario is not None:
                yield scenario
            scenario = Scenario(text.removeprefix("scenario "), f"{path.name}:{number}")
        elif scenario is None:
            raise ValueError(f"{path.name}:{number}: no scenario has begun")
        elif text.startswith("given "):
            scenario.given.append(text.removeprefix("given "))
        elif indent == 2:
            scenario.steps.append(Step(number, text))
        else:
            scenario.steps[-1].events.append(text)
    if scenario is not None:
        yield scenario


def run_scenario(scenario: Scenario, engine_class: Callable[[EngineLimits], AnyEngine]) -> None:
    """Play a scenario on a new engine. Raises AssertionError that names the line."""
    play = Play(scenario.given, engine_class)
    for step in scenario.steps:
        expected = [" ".join(event.split()) for event in step.events]
        place = f"{scenario.place.split(':')[0]}:{step.line}: {step.text}"
        statement = play.state_of(step.text)
        if statement is not None:
            subject, actual = statement
            assert f"{subject} {actual}" == step.text, f"{place}\nis: {subject} {actual}"
            continue
        events = play.send(step.text)
        if not expected:
            assert not events[0].startswith("refused"), f"{place}\n{events}"
        else:
            assert events == expected, "\n  ".join([place, *events])


class Play:
    """One engine with its opening balances, and the names used so far."""

    def __init__(self, given: list[str], engine_class: Callable[[EngineLimits], AnyEngine]) -> None:
        limits = SMALL_LIMITS
        instrument: dict[str, int] = {}
        accounts = dict.fromkeys(OPENED, _RICH) | {"E": ""}
        phase = "continuous"
        for text in given:
            subject, _, rest = text.partition(" ")
            if subject == "pools":
                limits = replace(limits, **_fields(rest.split()))
            elif subject == "instrument":
                instrument |= _fields(rest.split())
            elif subject == "phase":
                phase = rest
            else:
                accounts[subject] = rest
        plain = instrument_fields(**instrument)
        self._tick_fen = plain["tick_fen"]
        self._words = Words({number: name for name, number in ACCOUNTS.items()}, self._tick_fen)
        self._engine = engine_class(limits)
        self._late_ns = 0
        self._send(CommandKind.DEFINE_INSTRUMENT, plain)
        for name, balances in accounts.items():
            self.send(f"{name} open")
            for amount, what in re.findall(r"(\S+) (cash|credits)", balances):
                self.send(f"{name} deposit {amount} {'CNY' if what == 'cash' else 't'}")
        self.send(f"operator phase {phase}")

    def send(self, text: str) -> list[str]:
        """Carry out one line; its events in words."""
        who, verb, *words = text.split()
        kind, fields = self._command(verb, words)
        return self._send(kind, {"account": ACCOUNTS[who]} | fields)

    def state_of(  # noqa: PLR0911 - one row for each form of a line
        self, text: str
    ) -> tuple[str, str] | None:
        """What a statement is about and what is true of it; None if `text` is a command."""
        state = self._engine.export()
        match text.split():
            case ["time", "passes", seconds, "s"]:
                self._late_ns += int(seconds) * 1_000_000_000
                return "time", f"passes {seconds} s"
            case ["bids" | "asks" as side, *_]:
                which = Side.BUY if side == "bids" else Side.SELL
                return side, self._words.orders(state, 1, which)
            case ["off-book", *_]:
                return "off-book", self._words.off_book(state, 1)
            case ["stops", *_]:
                return "stops", self._words.stops(state, 1)
            case [who, "cash", *_]:
                return f"{who} cash", describe_cash(state, ACCOUNTS[who])
            case [who, "credits", *_]:
                return f"{who} credits", describe_credits(state, ACCOUNTS[who], 1)
            case [who, "allowance", scheme, *_]:
                allowance = describe_allowance(state, ACCOUNTS[who], int(scheme))
                return f"{who} allowance {scheme}", allowance
        return None

    def _send(self, kind: int, fields: dict[str, int]) -> list[str]:
        before = state_hash(self._engine.export())
        command = stamp(make_command(kind, **fields), self._engine.sequence + 1)
        if fields.get("time_in_force") == TimeInForce.GTD:
            # In a scenario the expiry counts from the order's own time, and so do other times.
            command.view(ORDER_COMMAND)["expires_at_ns"] += command["time_ns"]
        if fields.get("cancel_until_ns", 0) > 0:
            command.view(ADMIN_COMMAND)["cancel_until_ns"] += command["time_ns"]
        command["time_ns"] += self._late_ns
        events = read_events(self._engine.apply(command))
        check_reply(command, events)
        state = self._engine.export()
        check_state(state)
        if events[0]["kind"] == EventKind.COMMAND_REFUSED:
            assert state_hash(state) == before, "a refused command changed the state"
        self._words.name_new_orders(events)
        return [self._words.describe(event) for event in events]

    def _command(  # noqa: PLR0911, PLR0912 - one row for each form of a line
        self, verb: str, words: list[str]
    ) -> tuple[int, dict[str, int]]:
        """The kind and the fields that a line asks for."""
        match [verb, *words]:
            case ["buy" | "sell", quantity, "@", price, *rest]:
                return CommandKind.NEW_ORDER, self._new_order(verb, quantity, price, rest)
            case ["take", quantity, "@", price, "of", target, *rest]:
                return CommandKind.TAKE_ORDER, self._take(quantity, price, target, rest)
            case ["match", maker, taker, quantity, "@", price, *rest]:
                return CommandKind.MATCH_ORDERS, {
                    "instrument": 1,
                    "maker_order_id": self._target(maker)["order_id"],
                    "taker_order_id": self._target(taker)["order_id"],
                    "quantity_lots": int(quantity),
                    "price_ticks": self._price(price),
                } | _fields(rest)
            case ["block-rules", minimum, limit_ppm, window, *rest]:
                return CommandKind.SET_BLOCK_RULES, {
                    "instrument": 1,
                    "quantity_lots": int(minimum),
                    "block_limit_ppm": int(limit_ppm),
                    "is_open": int(window == "open"),
                } | _fields(rest)
            case ["cancel", target, *rest]:
                return CommandKind.CANCEL_ORDER, self._target(target) | _fields(rest)
            case ["amend" | "replace", target, "to", quantity, "@", price, *rest]:
                kind = CommandKind.AMEND_ORDER if verb == "amend" else CommandKind.REPLACE_ORDER
                size = {"quantity_lots": int(quantity), "price_ticks": self._price(price)}
                return kind, self._target(target) | {"instrument": 1} | size | _fields(rest)
            case ["cancel-all", *rest]:
                return CommandKind.CANCEL_ALL, {"side": Side.ANY} | _fields(rest)
            case ["quote", *rest]:
                return CommandKind.SET_QUOTE, self._quote(rest)
            case [_, amount, "CNY", *rest]:
                cash = {"amount_fen": parse_fen(amount)}
                return _AMOUNTS[verb][0], cash | _fields(rest)
            case [("deposit" | "withdraw"), quantity, "t", *rest]:
                credits = {"instrument": 1, "quantity_lots": int(quantity)}
                return _AMOUNTS[verb][1], credits | _fields(rest)
            case [_, quantity, "t", "scheme", scheme, *rest]:
                cap = {"quantity_lots": int(quantity), "scheme": int(scheme)}
                return _QUANTITIES[verb], cap | _fields(rest)
            case ["phase", phase, *rest]:
                named = {"instrument": 1, "phase": Phase[phase.upper()]}
                return CommandKind.SET_PHASE, named | _fields(rest)
            case ["volatility", ppm, "ppm", seconds, "s", *rest]:
                rule = {"volatility_ppm": int(ppm), "interruption_seconds": int(seconds)}
                return CommandKind.SET_VOLATILITY, {"instrument": 1} | rule | _fields(rest)
            case ["roll", "to", price, "day", day, *rest]:
                rolled = {"reference_price_ticks": self._price(price), "trading_day": int(day)}
                return CommandKind.ROLL_DAY, {"instrument": 1} | rolled | _fields(rest)
            case ["define", *rest]:
                return CommandKind.DEFINE_INSTRUMENT, instrument_fields(**_fields(rest))
            case ["command", kind, *rest]:
                return int(kind), _fields(rest)
        return _PLAIN[verb], _fields(words)

    def _new_order(self, verb: str, quantity: str, price: str, rest: list[str]) -> dict[str, int]:
        is_market = price.startswith("market")
        limit = price.partition("market:")[2] if is_market else price
        stop = next((word[5:] for word in rest if word.startswith("stop=")), "")
        rest = [word for word in rest if not word.startswith("stop=")]
        return {
            "instrument": 1,
            "side": Side.BUY if verb == "buy" else Side.SELL,
            "quantity_lots": int(quantity),
            "price_ticks": self._price(limit) if limit else 0,
            "stop_price_ticks": self._price(stop) if stop else 0,
            "order_type": OrderType.MARKET if is_market else OrderType.LIMIT,
            "time_in_force": TimeInForce.DAY,
            "self_trade_prevention": SelfTradePrevention.CANCEL_NEWEST,
            "purpose": Purpose.VOLUNTARY,
        } | _fields(rest)

    def _take(self, quantity: str, price: str, target: str, rest: list[str]) -> dict[str, int]:
        """An order that takes `target`, on the other side unless the line says otherwise."""
        named = self._target(target)
        orders = self._engine.export().orders
        sides = orders["side"][orders["order_id"] == named["order_id"]].tolist()
        verb = "sell" if sides == [Side.BUY] else "buy"
        return self._new_order(verb, quantity, price, ["ioc", *rest]) | named

    def _quote(self, words: list[str]) -> dict[str, int]:
        """`5 @ 99.00 / 6 @ 101.00`, with `none` for a side that shall not stand."""
        text, sides = " ".join(words), r"(none|\d+ @ \S+) / (none|\d+ @ \S+)(.*)"
        found = re.fullmatch(sides, text)
        assert found, f"no quote: {text}"
        fields = {"instrument": 1}
        for side, size in (("bid", found[1]), ("ask", found[2])):
            if size != "none":
                quantity, _, price = size.split()
                fields[f"{side}_quantity_lots"] = int(quantity)
                fields[f"{side}_price_ticks"] = self._price(price)
        return fields | _fields(found[3].split())

    def _target(self, name: str) -> dict[str, int]:
        """An order by its name (A1), or by its client id (id=...)."""
        if name.startswith("id="):
            return {"target": Target.CLIENT_ORDER_ID} | _fields([name])
        order_id = self._words.order_ids[name] if name in self._words.order_ids else int(name)
        return {"target": Target.ORDER_ID, "order_id": order_id}

    def _price(self, text: str) -> int:
        return parse_price(text, self._tick_fen)


def _fields(words: list[str]) -> dict[str, int]:
    """Words like `ioc`, client ids like `id=x`, and fields of the record like `session=3`."""
    fields: dict[str, int] = {}
    for word in words:
        name, is_field, value = word.partition("=")
        if not is_field:
            flags = fields.get("flags", 0)
            fields |= _WORDS[word]
            if flags:
                fields["flags"] = fields.get("flags", 0) | flags
        elif name == "min":
            fields["minimum_quantity_lots"] = int(value)
        elif name == "display":
            fields["display_quantity_lots"] = int(value)
        elif name == "gtd":
            # Each line is a microsecond later than the one before it.
            fields |= {"time_in_force": TimeInForce.GTD, "expires_at_ns": 1_000 * int(value)}
        elif name == "no-cancel":
            fields["cancel_until_ns"] = 1_000 * int(value)
        elif name == "id":
            fields["client_id_high"], fields["client_id_low"], _ = pack_client_id(value)
        else:
            fields[name] = int(value)
    return fields
