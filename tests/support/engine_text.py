"""Events and state as the words in which scenarios expect them."""

from __future__ import annotations

from typing import Any

from engine.codes import Code, EventKind, OrderType, Phase, Reason, Resting, Side, TradeType
from engine.decimals import format_fen, format_price
from engine.packed_texts import unpack_text
from engine.state import EngineState


class Words:
    """Names orders after their account and their number there: A1 is A's first accepted order."""

    def __init__(self, letters: dict[int, str], tick_fen: int) -> None:
        self._letters = letters
        self._tick_fen = tick_fen
        self._counts: dict[int, int] = {}
        self.order_ids: dict[str, int] = {}
        self._names: dict[int, str] = {0: "none"}

    def name_new_orders(self, events: list[dict[str, Any]]) -> None:
        """Name what was accepted: before anything is described, as a quote's reply comes first."""
        for event in events:
            if event["kind"] == EventKind.ORDER_ACCEPTED:
                number = self._counts[event["account"]] = self._counts.get(event["account"], 0) + 1
                name = f"{self._letters[event['account']]}{number}"
                self.order_ids[name] = event["order_id"]
                self._names[event["order_id"]] = name

    def describe(self, event: dict[str, Any]) -> str:  # noqa: PLR0911 - one row for each kind
        """One event as text."""
        kind = EventKind(event["kind"])
        if kind == EventKind.ORDER_ACCEPTED:
            return self._accepted(event)
        if kind == EventKind.ORDER_CANCELLED:
            reason = _words(Reason(event["reason"]))
            return f"cancelled {event['remaining_lots']} {self._name(event)} {reason}"
        if kind == EventKind.ORDER_AMENDED:
            reason = _words(Reason(event["reason"]))
            size = f"{event['remaining_lots']} @ {self._price(event['price_ticks'])}"
            return f"amended {self._name(event)} to {size} {reason}"
        if kind == EventKind.TRADE:
            return self._trade(event)
        if kind in (EventKind.AUCTION_ENDED, EventKind.VOLATILITY_INTERRUPTED):
            return self._auction(kind, event)
        if kind in (EventKind.ORDER_TRIGGERED, EventKind.ORDER_REFRESHED):
            verb = _words(kind).removeprefix("order ")
            return f"{verb} {self._name(event)} {event['remaining_lots']}"
        if kind == EventKind.COMMAND_REFUSED:
            return self._refused(event)
        if kind in (EventKind.QUOTE_SET, EventKind.ORDERS_MATCHED):
            bid, ask = (self._names.get(event[f"{side}_order_id"], "?") for side in ("bid", "ask"))
            return f"{_words(kind)} {bid} / {ask}"
        return f"{_words(kind)}{self._details(kind, event)}"

    def orders(self, state: EngineState, instrument: int, side: Side) -> str:
        """One side of a book, the order that trades first coming first."""
        orders = state.orders
        is_there = (orders["instrument"] == instrument) & (orders["resting"] == Resting.BOOK)
        return self._list(orders[is_there & (orders["side"] == side)])

    def off_book(self, state: EngineState, instrument: int) -> str:
        """The orders off the book, by order id."""
        orders = state.orders
        is_there = (orders["instrument"] == instrument) & (orders["resting"] == Resting.OFF_BOOK)
        return self._list(orders[is_there])

    def _list(self, orders: Any) -> str:
        texts = [
            f"{_size(order)} @ {self._price(int(order['price_ticks']))} "
            f"{self._names[int(order['order_id'])]}"
            for order in orders
        ]
        return ", ".join(texts) or "none"

    def stops(self, state: EngineState, instrument: int) -> str:
        """The pending stops, those that buy first, each side in the order of triggering."""
        orders = state.orders
        is_here = (orders["instrument"] == instrument) & (orders["resting"] == Resting.STOPS)
        texts = [
            f"{self._names[int(order['order_id'])]} at "
            f"{self._price(int(order['stop_price_ticks']))}"
            for order in orders[is_here]
        ]
        return ", ".join(texts) or "none"

    def _accepted(self, event: dict[str, Any]) -> str:
        is_market = event["order_type"] == OrderType.MARKET
        limit = f" limit {self._price(event['price_ticks'])}" if is_market else ""
        return f"accepted {self._name(event)}{limit}"

    def _trade(self, event: dict[str, Any]) -> str:
        maker = self._names[event["maker_order_id"]]
        text = f"trade {event['quantity_lots']} @ {self._price(event['price_ticks'])} with {maker}"
        if event["trade_type"] == TradeType.AUCTION:
            # The taker did not come in just now.
            text += f" and {self._names[event['taker_order_id']]}"
        elif event["trade_type"] != TradeType.CONTINUOUS:
            text = f"{_words(TradeType(event['trade_type']))} {text}"
        if event["maker_fee_fen"] or event["taker_fee_fen"]:
            maker_fee, taker_fee = (
                format_fen(event[f"{side}_fee_fen"]) for side in ("maker", "taker")
            )
            text += f", fees {maker_fee} maker {taker_fee} taker"
        return text

    def _auction(self, kind: EventKind, event: dict[str, Any]) -> str:
        price = self._price(event["price_ticks"])
        if kind == EventKind.VOLATILITY_INTERRUPTED:
            return f"volatility interrupted before {price}"
        if not event["price_ticks"]:
            return "auction ended without trade"
        side = "buy" if event["surplus_lots"] > 0 else "sell"
        over = f", {abs(event['surplus_lots'])} to {side} left over"
        text = f"auction ended {event['quantity_lots']} @ {price}"
        return text + (over if event["surplus_lots"] else "")

    def _refused(self, event: dict[str, Any]) -> str:
        text = f"refused {Code(event['code']).name}"
        if event["code"] == Code.DUPLICATE_CLIENT_ORDER_ID:
            # A small value is the sequence of a command that made no order.
            text += f" {self._names.get(event['order_id'], 'no order')}"
        return text

    def _details(self, kind: EventKind, event: dict[str, Any]) -> str:
        if kind == EventKind.ORDERS_CANCELLED:
            return f" {event['quantity_lots']}"
        if kind == EventKind.PHASE_CHANGED:
            return f" {_words(Phase(event['phase']))}"
        if kind in (EventKind.DAY_ROLLED, EventKind.INSTRUMENT_DEFINED):
            lower, upper = (self._price(event[f"{end}_limit_ticks"]) for end in ("lower", "upper"))
            name = "" if kind == EventKind.DAY_ROLLED else f" {_symbol(event)}"
            return f"{name} limits {lower} to {upper}"
        if kind in _RULES:
            return _RULES[kind](event)
        if event["amount_fen"]:
            return f" {format_fen(event['amount_fen'])}"
        return f" {event['quantity_lots']}" if event["quantity_lots"] else ""

    def _name(self, event: dict[str, Any]) -> str:
        return self._names[event["order_id"]]

    def _price(self, price_ticks: int) -> str:
        return format_price(price_ticks, self._tick_fen)


def describe_cash(state: EngineState, account: int) -> str:
    row = state.accounts[account]
    names = ("available", "held")
    return _parts(
        (format_fen(int(row[f"{name}_fen"])), int(row[f"{name}_fen"]), name) for name in names
    )


def describe_credits(state: EngineState, account: int, instrument: int) -> str:
    rows = state.positions
    chosen = rows[(rows["account"] == account) & (rows["instrument"] == instrument)]
    return _lots(chosen, ("available", "held", "locked", "buying"))


def describe_allowance(state: EngineState, account: int, scheme: int) -> str:
    rows = state.allowances
    chosen = rows[(rows["account"] == account) & (rows["scheme"] == scheme)]
    return _lots(chosen, ("cap", "used", "held", "open"))


def _lots(rows: Any, names: tuple[str, ...]) -> str:
    row = rows[0] if len(rows) else {f"{name}_lots": 0 for name in names}
    return _parts((str(row[f"{name}_lots"]), int(row[f"{name}_lots"]), name) for name in names)


def _parts(parts: Any) -> str:
    return ", ".join(f"{text} {name}" for text, value, name in parts if value) or "none"


def _limits(event: dict[str, Any]) -> str:
    limits = (
        (event["maximum_orders_per_second"], "a second"),
        (event["maximum_open_orders"], "open"),
        (event["maximum_order_fen"], "fen an order"),
    )
    return " " + (", ".join(f"{value} {name}" for value, name in limits if value) or "none")


def _block_rules(event: dict[str, Any]) -> str:
    window = "open" if event["is_open"] else "closed"
    return f" {event['minimum_block_lots']} {event['block_limit_ppm']} {window}"


def _volatility(event: dict[str, Any]) -> str:
    return f" {event['volatility_ppm']} ppm, {event['interruption_seconds']} s"


_RULES = {
    EventKind.BLOCK_RULES_SET: _block_rules,
    EventKind.ACCOUNT_LIMITS_SET: _limits,
    EventKind.VOLATILITY_SET: _volatility,
}


def _size(order: Any) -> str:
    shown_lots, open_lots = int(order["shown_lots"]), int(order["remaining_lots"])
    is_whole = shown_lots == open_lots or order["resting"] == Resting.OFF_BOOK
    return str(open_lots) if is_whole else f"{shown_lots} of {open_lots}"


def _symbol(event: dict[str, Any]) -> str:
    return unpack_text(event["symbol_high"], event["symbol_low"])


def _words(member: Any) -> str:
    return str(member.name).lower().replace("_", " ")
