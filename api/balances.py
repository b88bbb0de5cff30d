"""An account's balances, as the public contract shows them."""

from __future__ import annotations

from typing import Any

from api.instruments import Instruments
from engine.decimals import format_fen
from engine.queries import AccountAnswer


def render(answer: AccountAnswer, instruments: Instruments) -> dict[str, Any]:
    """Cash in CNY, and the credits of every instrument that the account has touched."""
    cash = answer.account
    return {
        "cash": {
            "CNY": {
                "available": format_fen(int(cash["available_fen"])),
                "held": format_fen(int(cash["held_fen"])),
            }
        },
        "credits": {
            instruments.by_number[int(row["instrument"])].symbol: {
                "available": str(row["available_lots"]),
                "held": str(row["held_lots"]),
                "locked_today": str(row["locked_lots"]),
            }
            for row in answer.positions
        },
    }
