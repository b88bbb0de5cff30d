"""Decimal text to integers and back, exactly: the only place where the two meet.

Clients write prices and money as "52.30" and quantities as "100"; everything inside counts ticks,
lots and fen. Written strictly: ASCII digits, at most one point, no sign, no exponent, no padding.
"""

from __future__ import annotations

import re

_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,18}))?", re.ASCII)
FEN_DECIMALS = 2


class NotDecimalError(ValueError):
    """The text is not a decimal as this module writes them."""


class OffStepError(ValueError):
    """The decimal is no multiple of the step (a tick, a lot, a fen)."""


def parse_steps(text: str, step_fen: int) -> int:
    """How many steps of `step_fen` hundredths `text` amounts to.

    Prices have the tick as their step, money 1, whole numbers 100. Raises NotDecimalError, or
    OffStepError for a proper decimal between two steps. "1.0" counts as padded where whole numbers
    are asked for, "50.100" everywhere.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise NotDecimalError(f"{text[:40]!r} is not a plain decimal of at most 18 digits")
    whole, fraction = match[1], match[2] or ""
    hundredths = int(whole) * 100 + int(fraction[:FEN_DECIMALS].ljust(FEN_DECIMALS, "0") or "0")
    if fraction[FEN_DECIMALS:].strip("0") or hundredths % step_fen:
        raise OffStepError(f"{text[:40]!r} lies between two steps")
    if len(fraction) > FEN_DECIMALS or (fraction and step_fen % 100 == 0):
        raise NotDecimalError(f"{text[:40]!r} is padded with zeros")
    return hundredths // step_fen


def parse_price(text: str, tick_fen: int) -> int:
    """Price in ticks. Raises NotDecimalError, OffStepError."""
    return parse_steps(text, tick_fen)


def parse_fen(text: str) -> int:
    """Money in fen. Raises NotDecimalError, OffStepError."""
    return parse_steps(text, 1)


def parse_lots(text: str) -> int:
    """Quantity in lots of one tonne. Raises NotDecimalError, OffStepError."""
    return parse_steps(text, 100)


def format_fen(amount_fen: int) -> str:
    """Money as text with two decimals; negative amounts (of ledgers) carry a minus sign."""
    sign = "-" if amount_fen < 0 else ""
    whole, hundredths = divmod(abs(amount_fen), 100)
    return f"{sign}{whole}.{hundredths:02}"


def format_price(price_ticks: int, tick_fen: int) -> str:
    """Price as text with two decimals."""
    return format_fen(price_ticks * tick_fen)
