"""POST /v1/orders/preview: what an order would hold and cost, without placing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.order_commands import prepare
from api.schemas import OrderBody
from engine import records
from engine.codes import OrderType, Side
from engine.decimals import format_fen, format_price

if TYPE_CHECKING:
    from api.auth import Caller
    from api.gateway import Gateway


async def preview(gateway: Gateway, caller: Caller, body: OrderBody) -> dict[str, Any]:
    """Holds, fees at most, what is available for them, and the cap's headroom.

    "sufficient" says whether the account could enter the order now, as far as its balances and cap
    go; the market's own rules are checked when the order comes. Raises Problem.
    """
    prepared = await prepare(gateway, caller, body)
    command, instrument = prepared.command, prepared.instrument
    order = command.view(records.ORDER_COMMAND)[0]
    quantity_lots, is_buy = int(order["quantity_lots"]), order["side"] == Side.BUY
    price_ticks = int(order["price_ticks"])
    if order["order_type"] == OrderType.MARKET and not price_ticks:
        price_ticks = instrument.upper_limit_ticks if is_buy else instrument.lower_limit_ticks
    answer = await gateway.core.account(caller.account)
    notional_fen = price_ticks * instrument.tick_fen * quantity_lots
    hold_fen = instrument.hold_fen(price_ticks, quantity_lots) if is_buy else 0
    positions = answer.positions[answer.positions["instrument"] == instrument.number]
    available_fen = int(answer.account["available_fen"])
    available_lots = int(positions["available_lots"].sum())
    is_sufficient = hold_fen <= available_fen if is_buy else quantity_lots <= available_lots
    allowances = answer.allowances[answer.allowances["scheme"] == order["scheme"]]
    headroom_lots: int | None = None
    if order["scheme"]:
        taken = sum(int(allowances[name].sum()) for name in ("used_lots", "held_lots", "open_lots"))
        headroom_lots = int(allowances["cap_lots"].sum()) - taken
        is_sufficient = is_sufficient and quantity_lots <= headroom_lots
    return {
        "symbol": instrument.symbol,
        "side": body.side,
        "price": format_price(price_ticks, instrument.tick_fen),
        "quantity": str(quantity_lots),
        "notional": format_fen(notional_fen),
        "hold": {
            "cash": format_fen(hold_fen),
            "credits": "0" if is_buy else str(quantity_lots),
        },
        "fees": {
            "maker": format_fen(notional_fen * instrument.maker_fee_ppm // 1_000_000),
            "taker": format_fen(notional_fen * instrument.taker_fee_ppm // 1_000_000),
        },
        "available": {"cash": format_fen(available_fen), "credits": str(available_lots)},
        "headroom": None if headroom_lots is None else str(headroom_lots),
        "sufficient": is_sufficient,
        "sequence": answer.sequence,
    }
