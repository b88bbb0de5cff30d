"""The catalogue of problems: status, title and sentence of every code, in English and Chinese."""

from __future__ import annotations

from typing import NamedTuple

from engine.codes import Code


class Entry(NamedTuple):
    """One code of the catalogue: its status, its title, and what to say if nobody says more."""

    status: int
    title: str
    detail: str
    detail_zh: str


CATALOGUE: dict[str, Entry] = {
    "invalid_request": Entry(400, "Invalid request", "The request is not valid.", "请求无效。"),
    "unauthenticated": Entry(
        401, "Unauthenticated", "Valid credentials are needed.", "需要有效的身份凭证。"
    ),
    "forbidden": Entry(403, "Forbidden", "You may not do this.", "您无权执行此操作。"),
    "not_found": Entry(404, "Not found", "There is nothing here.", "未找到所请求的内容。"),
    "unknown_instrument": Entry(
        404, "Unknown instrument", "There is no such instrument.", "没有该交易品种。"
    ),
    "price_off_tick": Entry(
        422,
        "Price off tick",
        "The price is no multiple of the tick.",
        "价格不是最小变动价位的整数倍。",
    ),
    "price_outside_limits": Entry(
        422,
        "Price outside limits",
        "The price is outside the day's price limits.",
        "价格超出当日涨跌幅限制。",
    ),
    "quantity_off_lot": Entry(
        422,
        "Quantity off lot",
        "The quantity is no multiple of the lot.",
        "数量不是交易单位的整数倍。",
    ),
    "quantity_too_large": Entry(
        422,
        "Quantity too large",
        "The quantity is more than one order may have.",
        "数量超过单笔申报上限。",
    ),
    "insufficient_funds": Entry(
        422, "Insufficient funds", "Available cash does not cover the order.", "可用资金不足。"
    ),
    "insufficient_credits": Entry(
        422, "Insufficient credits", "Available credits do not cover this.", "可用减排量不足。"
    ),
    "resale_locked": Entry(
        422,
        "Resale locked",
        "Credits bought today cannot be sold today.",
        "当日买入的减排量当日不得卖出。",
    ),
    "max_holding_exceeded": Entry(
        422,
        "Maximum holding exceeded",
        "The account would hold more than is allowed.",
        "超过最大持有量限制。",
    ),
    "offset_cap_exceeded": Entry(
        422,
        "Offset cap exceeded",
        "The quantity is more than the offset cap leaves.",
        "超过抵销比例上限。",
    ),
    "not_eligible": Entry(
        422, "Not eligible", "The account is not eligible for this.", "该账户不具备相应资格。"
    ),
    "market_closed": Entry(422, "Market closed", "The market is not open.", "市场未开市。"),
    "market_halted": Entry(422, "Market halted", "Trading is halted.", "交易已暂停。"),
    "would_cross": Entry(
        422,
        "Would cross",
        "The order is post-only and would trade at once.",
        "只挂单委托会立即成交。",
    ),
    "would_self_trade": Entry(
        422,
        "Would self-trade",
        "The order would trade with the account's own order.",
        "委托将与本账户的委托成交。",
    ),
    "duplicate_client_order_id": Entry(
        409,
        "Duplicate client order id",
        "The client_order_id was used before, with another body.",
        "该 client_order_id 已用于另一笔内容不同的申报。",
    ),
    "order_not_open": Entry(
        409, "Order not open", "The order is no longer open.", "该委托已不在委托簿中。"
    ),
    "conflict": Entry(
        409, "Conflict", "The present state does not allow this.", "与当前状态冲突。"
    ),
    "already_settled": Entry(
        409, "Already settled", "The day has been settled.", "该交易日已完成清算。"
    ),
    "too_many_requests": Entry(
        429, "Too many requests", "Slow down and try again later.", "请求过于频繁，请稍后重试。"
    ),
    "internal_error": Entry(
        500,
        "Internal error",
        "Something went wrong here; nothing was changed.",
        "服务内部错误，未作任何更改。",
    ),
    "service_unavailable": Entry(
        503,
        "Service unavailable",
        "The exchange cannot take this now; nothing was changed. Try again.",
        "服务暂不可用，未作任何更改，请稍后重试。",
    ),
    "execution_unknown": Entry(
        504,
        "Execution unknown",
        "The request may or may not have been carried out; ask at query_url.",
        "请求的执行结果未知，请通过 query_url 查询。",
    ),
}

# What clients are told for each of the engine's codes.
ENGINE_CODES: dict[Code, str] = {
    Code.INVALID_REQUEST: "invalid_request",
    Code.UNKNOWN_ACCOUNT: "not_found",
    Code.UNKNOWN_INSTRUMENT: "unknown_instrument",
    Code.ACCOUNT_BLOCKED: "forbidden",
    Code.CONFLICT: "conflict",
    Code.DUPLICATE_CLIENT_ORDER_ID: "duplicate_client_order_id",
    Code.ORDER_NOT_OPEN: "order_not_open",
    Code.ORDER_NOT_FOUND: "not_found",
    Code.MARKET_CLOSED: "market_closed",
    Code.MARKET_HALTED: "market_halted",
    Code.QUANTITY_TOO_LARGE: "quantity_too_large",
    Code.PRICE_OUTSIDE_LIMITS: "price_outside_limits",
    Code.CANCEL_NOT_ALLOWED: "conflict",
    Code.NOT_IN_CALL_AUCTION: "market_closed",
    Code.BELOW_MINIMUM_BLOCK: "invalid_request",
    Code.BLOCK_WINDOW_CLOSED: "market_closed",
    Code.WOULD_CROSS: "would_cross",
    Code.WOULD_SELF_TRADE: "would_self_trade",
    Code.NOT_ELIGIBLE: "not_eligible",
    Code.OFFSET_CAP_EXCEEDED: "offset_cap_exceeded",
    Code.MAX_HOLDING_EXCEEDED: "max_holding_exceeded",
    Code.INSUFFICIENT_FUNDS: "insufficient_funds",
    Code.INSUFFICIENT_CREDITS: "insufficient_credits",
    Code.RESALE_LOCKED: "resale_locked",
    Code.ORDER_RATE_EXCEEDED: "too_many_requests",
    Code.TOO_MANY_OPEN_ORDERS: "too_many_requests",
    Code.NOTIONAL_LIMIT_EXCEEDED: "quantity_too_large",
    Code.ENGINE_FULL: "service_unavailable",
    Code.LIMIT_EXCEEDED: "conflict",
}

# What to say of those that share their code with another, in English and Chinese.
ENGINE_DETAILS: dict[Code, tuple[str, str]] = {
    Code.CANCEL_NOT_ALLOWED: (
        "Orders cannot be cancelled or amended in the last part of this phase.",
        "本阶段最后时段不得撤单或改单。",
    ),
    Code.NOT_IN_CALL_AUCTION: (
        "A call auction takes plain limit orders only: day, gtc or gtd, not post-only, without "
        "display or minimum quantity.",
        "集合竞价阶段仅接受普通限价委托（当日、撤销前或指定日期前有效），"
        "不接受只挂单、显示数量或最小成交数量条件。",
    ),
    Code.ORDER_RATE_EXCEEDED: (
        "The account may not enter or change more orders in this second; see /v1/limits.",
        "该账户本秒内的申报次数已达上限，详见 /v1/limits。",
    ),
    Code.TOO_MANY_OPEN_ORDERS: (
        "The account may not have more open orders; see /v1/limits.",
        "该账户的未成交委托数量已达上限，详见 /v1/limits。",
    ),
    Code.NOTIONAL_LIMIT_EXCEEDED: (
        "The order's value is more than one order of the account may have; see /v1/limits.",
        "委托金额超过该账户单笔申报金额上限，详见 /v1/limits。",
    ),
}


def preferred_language(header: str) -> str:
    """ "zh" or "en", whichever an Accept-Language header ranks higher; "en" if neither."""
    weights = {"zh": 0.0, "en": 0.0}
    for part in header[:200].split(","):
        tag, _, parameters = part.strip().partition(";")
        name, _, value = parameters.strip().partition("=")
        try:
            weight = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        primary = tag.strip().lower().partition("-")[0]
        if primary in weights:
            weights[primary] = max(weights[primary], weight)
    return "zh" if weights["zh"] > weights["en"] else "en"
