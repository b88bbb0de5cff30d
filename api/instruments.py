"""The instruments as the gateway knows them: by symbol for requests, by number for events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from api.errors import Problem
from engine import packed_texts, records
from engine.codes import EventKind, InstrumentFlag, Phase
from engine.units import ONE_MILLION

Records = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument's rules and present state."""

    number: int
    symbol: str
    tick_fen: int
    reference_price_ticks: int
    lower_limit_ticks: int
    upper_limit_ticks: int
    price_limit_ppm: int
    maximum_order_lots: int
    maximum_holding_lots: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    trading_day: int
    flags: InstrumentFlag
    phase: Phase
    ends_at_ns: int = 0  # of the phase; 0: unknown
    cancel_until_ns: int = 0  # 0: always
    volatility_ppm: int = 0  # 0: trading is not interrupted
    interruption_seconds: int = 0
    minimum_block_lots: int = 0
    block_limit_ppm: int = 0
    is_block_window_open: bool = False

    @property
    def block_limits_ticks(self) -> tuple[int, int]:
        """The lowest and the highest price of a block trade (docs/protocol.md, Administration)."""
        below = self.reference_price_ticks * (ONE_MILLION - self.block_limit_ppm)
        above = self.reference_price_ticks * (ONE_MILLION + self.block_limit_ppm)
        return max(1, -(-below // ONE_MILLION)), above // ONE_MILLION

    def fee_fen(self, notional_fen: int) -> int:
        """The greater of the two fees, which is what an order's hold reserves."""
        return notional_fen * max(self.maker_fee_ppm, self.taker_fee_ppm) // 1_000_000

    def hold_fen(self, price_ticks: int, quantity_lots: int) -> int:
        """The cash that a buy order holds."""
        notional_fen = price_ticks * self.tick_fen * quantity_lots
        return notional_fen + self.fee_fen(notional_fen)


class Instruments:
    """All instruments, kept up to date by events. `sequence` is that of the last change."""

    def __init__(self) -> None:
        self.by_symbol: dict[str, Instrument] = {}
        self.by_number: dict[int, Instrument] = {}
        self.sequence = 0

    def load(self, sequence: int, instruments: Records) -> None:
        """Start from the core's answer (INSTRUMENT_STATE, indexed by number)."""
        self.by_symbol.clear()
        self.by_number.clear()
        self.sequence = sequence
        for number in np.flatnonzero(instruments["is_defined"]).tolist():
            row = instruments[number]
            defined = _from_row(number, row, Phase(int(row["phase"])))
            self._put(
                replace(
                    defined,
                    **_named(row, (*_TIMES, *_VOLATILITY, *_BLOCK)),
                    is_block_window_open=bool(row["is_block_window_open"]),
                )
            )

    def apply(self, events: Records) -> None:
        """Follow definitions, phases, new trading days and the rules of blocks."""
        followed = _IS_FOLLOWED[events["kind"]]
        if not np.count_nonzero(followed):
            return
        for index in np.flatnonzero(followed).tolist():
            event = events[index]
            number, kind = int(event["instrument"]), EventKind(int(event["kind"]))
            self.sequence = int(event["sequence"])
            if kind is EventKind.INSTRUMENT_DEFINED:
                defined = events[index : index + 1].view(records.INSTRUMENT_EVENT)[0]
                self._put(_from_row(number, defined, Phase.CLOSED))
                continue
            known = self.by_number[number]
            if kind is EventKind.BLOCK_RULES_SET:
                rules = events[index : index + 1].view(records.BLOCK_RULES_EVENT)[0]
                is_open = bool(rules["is_open"])
                self._put(replace(known, **_named(rules, _BLOCK), is_block_window_open=is_open))
                continue
            auction = events[index : index + 1].view(records.AUCTION_EVENT)[0]
            admin = events[index : index + 1].view(records.ADMIN_EVENT)[0]
            if kind is EventKind.VOLATILITY_SET:
                self._put(replace(known, **_named(auction, _VOLATILITY)))
            elif kind in (EventKind.PHASE_CHANGED, EventKind.VOLATILITY_INTERRUPTED):
                phase = Phase(int(auction["phase"]))
                self._put(replace(known, phase=phase, **_named(auction, _TIMES)))
            else:
                self._put(
                    replace(
                        known,
                        reference_price_ticks=int(admin["reference_price_ticks"]),
                        lower_limit_ticks=int(admin["lower_limit_ticks"]),
                        upper_limit_ticks=int(admin["upper_limit_ticks"]),
                        trading_day=int(admin["trading_day"]),
                    )
                )

    def get(self, symbol: str, *, field: str | None = "symbol") -> Instrument:
        """The instrument of this symbol. Raises Problem (unknown_instrument)."""
        instrument = self.by_symbol.get(symbol)
        if instrument is None:
            raise Problem("unknown_instrument", field=field)
        return instrument

    def _put(self, instrument: Instrument) -> None:
        self.by_symbol[instrument.symbol] = instrument
        self.by_number[instrument.number] = instrument


# By kind of event: a look-up is much cheaper than a search, and nearly always finds nothing.
_IS_FOLLOWED = np.zeros(256, dtype=np.bool_)
_IS_FOLLOWED[
    [
        EventKind.INSTRUMENT_DEFINED,
        EventKind.PHASE_CHANGED,
        EventKind.DAY_ROLLED,
        EventKind.VOLATILITY_INTERRUPTED,
        EventKind.VOLATILITY_SET,
        EventKind.BLOCK_RULES_SET,
    ]
] = True
# Fields that a row of INSTRUMENT_STATE and the events name alike.
_TIMES = ("ends_at_ns", "cancel_until_ns")
_VOLATILITY = ("volatility_ppm", "interruption_seconds")
_BLOCK = ("minimum_block_lots", "block_limit_ppm")


def _named(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: int(row[name]) for name in names}


def _from_row(number: int, row: Any, phase: Phase) -> Instrument:
    """From a row of INSTRUMENT_STATE or an INSTRUMENT_EVENT, which name their fields alike."""
    return Instrument(
        number=number,
        symbol=packed_texts.unpack_text(int(row["symbol_high"]), int(row["symbol_low"])),
        tick_fen=int(row["tick_fen"]),
        reference_price_ticks=int(row["reference_price_ticks"]),
        lower_limit_ticks=int(row["lower_limit_ticks"]),
        upper_limit_ticks=int(row["upper_limit_ticks"]),
        price_limit_ppm=int(row["price_limit_ppm"]),
        maximum_order_lots=int(row["maximum_order_lots"]),
        maximum_holding_lots=int(row["maximum_holding_lots"]),
        maker_fee_ppm=int(row["maker_fee_ppm"]),
        taker_fee_ppm=int(row["taker_fee_ppm"]),
        trading_day=int(row["trading_day"]),
        flags=InstrumentFlag(int(row["flags"])),
        phase=phase,
    )
