"""The figures of oversight: what is disclosed, how soon complaints are answered, what is an alert.

They are market rules like the others: shipped in market_rules.toml, laid over by operators.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from engine.units import MAX_QUANTITY_LOTS, ONE_MILLION

_Lots = Field(ge=1, le=MAX_QUANTITY_LOTS)
_Seconds = Field(ge=1, le=86_400)
_Ratio = Field(ge=0, le=ONE_MILLION)
_Factor = Field(ge=1_000, le=1_000_000)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DisclosureRule(_Strict):
    """From which holding of an owner, and from which trade on, the public is told of it."""

    holding_quantity: int = _Lots
    trade_quantity: int = _Lots
    source: str


class ComplaintsRule(_Strict):
    """Within how many days of its filing a complaint is to be answered."""

    answer_days: int = Field(ge=1, le=365)
    source: str


class WashTradesRule(_Strict):
    """What one owner traded with himself on a day."""

    minimum_quantity: int = _Lots


class SpoofingRule(_Strict):
    """Orders cancelled without a fill soon after, while their owner traded on the other side.

    Those that stood at such a trade are so many, and come in all to so many times (in thousandths)
    the order that traded.
    """

    maximum_seconds: int = _Seconds
    minimum_orders: int = Field(ge=1, le=1_000)
    minimum_quantity: int = _Lots
    size_factor_milli: int = _Factor


class MarkingTheCloseRule(_Strict):
    """One owner's share of the last trades, on the side to which they moved the price."""

    seconds: int = _Seconds
    minimum_quantity: int = _Lots
    minimum_share_ppm: int = _Ratio
    minimum_move_ppm: int = _Ratio


class UnusualTradesRule(_Strict):
    """How far a trade is off the median of those before it, in thousandths of their deviation.

    The deviation is the median absolute one, scaled to a standard deviation.
    """

    sample: int = Field(ge=10, le=500)
    price_factor_milli: int = _Factor
    minimum_move_ppm: int = _Ratio
    quantity_factor_milli: int = _Factor
    minimum_quantity: int = _Lots


class SurveillanceRule(_Strict):
    """The parameters of all detectors."""

    wash_trades: WashTradesRule
    spoofing: SpoofingRule
    marking_the_close: MarkingTheCloseRule
    unusual_trades: UnusualTradesRule
    source: str
