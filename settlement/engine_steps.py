"""What registry operations ask of the engine: single commands, each with an effect only once.

A step's client id is derived from its operation's id, and the engine takes a client id only once.
"""

from __future__ import annotations

import uuid
from typing import NamedTuple

import numpy as np

from engine import packed_texts, records
from engine.codes import Code, CommandKind
from settlement.errors import Refused
from settlement.ports import EnginePort

_COMMANDS = uuid.UUID("6f1d3c0e-2b57-4c39-9a8e-5d0c54b1f7aa")
_INVERSE = {CommandKind.WITHDRAW_CREDITS: CommandKind.DEPOSIT_CREDITS}
_REFUSALS = {
    Code.INSUFFICIENT_CREDITS: (
        "insufficient_credits",
        "Not enough credits in custody are free; open sell orders hold theirs.",
    ),
    Code.RESALE_LOCKED: ("resale_locked", "Credits bought today are locked until the day closes."),
    Code.NOT_ELIGIBLE: ("not_eligible", "The account has no obligation under this scheme."),
    Code.OFFSET_CAP_EXCEEDED: ("offset_cap_exceeded", "The quantity exceeds the offset cap."),
    Code.UNKNOWN_ACCOUNT: ("not_found", "The account is not open on the exchange."),
    Code.UNKNOWN_INSTRUMENT: ("unknown_instrument", "The instrument is not listed."),
}


class Step(NamedTuple):
    """One command for the engine; kept as a list of numbers with its operation."""

    kind: int
    quantity: int
    instrument: int = 0
    scheme: int = 0

    def inverse(self) -> Step:
        """The command that takes this one back; only what is never last in a plan has one."""
        return self._replace(kind=_INVERSE[CommandKind(self.kind)])


def send(port: EnginePort, account: int, step: Step, client_id: str | None = None) -> Code:
    """Submit the command; OK too if the engine took this `client_id` before."""
    command = np.zeros(1, records.ADMIN_COMMAND)
    command["kind"] = step.kind
    command["account"] = account
    command["instrument"] = step.instrument
    command["quantity_lots"] = step.quantity
    command["scheme"] = step.scheme
    if client_id is not None:
        high, low, _ = packed_texts.pack_client_id(str(uuid.uuid5(_COMMANDS, client_id)))
        command["client_id_high"], command["client_id_low"] = high, low
    [events] = port.submit(command.view(records.COMMAND))
    code = Code(int(events[0]["code"]))
    return Code.OK if code is Code.DUPLICATE_CLIENT_ORDER_ID else code


def foresee(port: EnginePort, account: int, step: Step) -> Code:
    """What the engine would answer to the step now (docs/protocol.md, Administration)."""
    answer = port.account(account)
    if step.kind == CommandKind.WITHDRAW_CREDITS:
        rows = answer.positions[answer.positions["instrument"] == step.instrument]
        available, locked = int(rows["available_lots"].sum()), int(rows["locked_lots"].sum())
        if available >= step.quantity:
            return Code.OK
        enough = available + locked >= step.quantity
        return Code.RESALE_LOCKED if enough else Code.INSUFFICIENT_CREDITS
    if step.kind == CommandKind.RECORD_SURRENDER:
        rows = answer.allowances[answer.allowances["scheme"] == step.scheme]
        if not len(rows):
            return Code.NOT_ELIGIBLE
        cap, used, held, open_lots = (
            int(rows[name][0]) for name in ("cap_lots", "used_lots", "held_lots", "open_lots")
        )
        total = used + step.quantity + max(held - step.quantity, 0) + open_lots
        return Code.OK if total <= cap else Code.OFFSET_CAP_EXCEEDED
    return Code.OK if answer.account["is_open"].any() else Code.UNKNOWN_ACCOUNT


def refusal(code: Code) -> Refused:
    """The engine's refusal in the words of the public contract."""
    name, detail = _REFUSALS.get(code, ("conflict", f"The exchange refuses it: {code.name}."))
    return Refused(name, detail)
