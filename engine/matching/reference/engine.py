"""The shell of the reference engine: which rule a kind of command follows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.codes import Code, CommandKind, EventKind
from engine.matching.reference import (
    administration,
    auctions,
    mass_cancel,
    negotiated,
    orders,
    quotes,
    risk,
    stops,
)
from engine.matching.reference.events import Command, read_command
from engine.matching.reference.state import Market, Refusal
from engine.records import COMMAND
from engine.state import EngineLimits, EngineState
from engine.state_records import ACCOUNT_STATE
from engine.units import NEVER_NS

_RULES: dict[int, Callable[[Market, Command], None]] = {
    CommandKind.NEW_ORDER: orders.new_order,
    CommandKind.CANCEL_ORDER: orders.cancel_order,
    CommandKind.AMEND_ORDER: orders.amend_order,
    CommandKind.REPLACE_ORDER: orders.replace_order,
    CommandKind.CANCEL_ALL: mass_cancel.cancel_all,
    CommandKind.SET_QUOTE: quotes.set_quote,
    CommandKind.EXPIRE_ORDERS: mass_cancel.expire_orders,
    CommandKind.END_INTERRUPTIONS: auctions.end_interruptions,
    CommandKind.MATCH_ORDERS: negotiated.match_orders,
    CommandKind.TAKE_ORDER: negotiated.take_order,
    CommandKind.DEFINE_INSTRUMENT: administration.define_instrument,
    CommandKind.OPEN_ACCOUNT: administration.open_account,
    CommandKind.DEPOSIT_CASH: administration.deposit_cash,
    CommandKind.WITHDRAW_CASH: administration.withdraw_cash,
    CommandKind.DEPOSIT_CREDITS: administration.deposit_credits,
    CommandKind.WITHDRAW_CREDITS: administration.withdraw_credits,
    CommandKind.SET_PHASE: auctions.set_phase,
    CommandKind.ROLL_DAY: administration.roll_day,
    CommandKind.SET_HEADROOM: administration.set_headroom,
    CommandKind.RECORD_SURRENDER: administration.record_surrender,
    CommandKind.BLOCK_ACCOUNT: administration.block_account,
    CommandKind.UNBLOCK_ACCOUNT: administration.unblock_account,
    CommandKind.SET_VOLATILITY: auctions.set_volatility,
    CommandKind.SET_BLOCK_RULES: negotiated.set_block_rules,
    CommandKind.SET_ACCOUNT_LIMITS: administration.set_account_limits,
}


class ReferenceEngine:
    """Takes the same commands as the compiled engine and gives the same events, slowly."""

    def __init__(self, limits: EngineLimits = EngineLimits()) -> None:  # noqa: B008 - it is frozen
        self._market = Market(limits)

    @property
    def sequence(self) -> int:
        """The last command's sequence; 0 before the first."""
        return self._market.sequence

    @property
    def next_expiry_ns(self) -> int:
        """When the next order expires; NEVER_NS if none does."""
        expiring = (order.expires_at_ns for order in self._market.orders.values())
        return min((time_ns for time_ns in expiring if time_ns != 0), default=NEVER_NS)

    @property
    def next_interruption_end_ns(self) -> int:
        """When the next volatility interruption ends; NEVER_NS if none does."""
        instruments = self._market.instruments.values()
        return min(
            (each.ends_at_ns for each in instruments if each.is_interrupted), default=NEVER_NS
        )

    def apply(self, commands: np.ndarray) -> np.ndarray:
        """Carry out `commands` (shape (n,), dtype COMMAND) and return their events (EVENT)."""
        records = commands.view(COMMAND)
        for index in range(len(records)):
            self._apply_one(read_command(records[index : index + 1]))
        return self._market.events.take()

    def memory(self) -> dict[str, np.ndarray]:
        """None: its state is objects, and it takes no snapshots."""
        return {}

    def restore(self, memory: dict[str, np.ndarray]) -> None:
        """Nothing that `memory` gave."""
        assert not memory

    def export(self) -> EngineState:
        """A copy of the whole state."""
        return self._market.export()

    def export_account(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One row of ACCOUNT_STATE (zeros for an unknown number), and the account's positions and
        allowances."""
        state = self.export()
        account = np.zeros(1, ACCOUNT_STATE)
        if 0 <= number < len(state.accounts):
            account[0] = state.accounts[number]
        positions = state.positions[state.positions["account"] == number]
        allowances = state.allowances[state.allowances["account"] == number]
        return account, positions, allowances

    def _apply_one(self, command: Command) -> None:
        market = self._market
        market.sequence = command.sequence
        market.time_ns = command.time_ns
        market.events.begin(command)
        market.anchors.clear()
        try:
            rule = _RULES.get(command.kind)
            if rule is None:
                raise Refusal(Code.INVALID_REQUEST)
            rule(market, command)
            risk.count_accepted(market, command)
            stops.trigger_stops(market)
        except Refusal as refusal:
            market.events.answer(
                EventKind.COMMAND_REFUSED,
                code=refusal.code,
                order_id=refusal.order_id,
                command_kind=command.kind,
            )
