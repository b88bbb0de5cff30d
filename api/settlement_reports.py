"""The end of the day as tables to print: a run's report, and an account's own statements.

They say what the interface answers as JSON (api.settlement_views), in words for both languages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Literal

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from api import settlement_views as views
from engine.times import day_number
from settlement import clearing, identity, statements
from settlement.report_files import MEDIA_TYPES, Column, FileFormat, Report, Table, render
from settlement.tables.clearing import Statement

_STATEMENTS_AT_ONCE = 500
_DAY_NS = 86_400 * 1_000_000_000

_NAME = Column("项目", "Item"), Column("数值", "Value")
_DATE, _ACCOUNT = Column("日期", "Date"), Column("账户", "Account")
_ASSET, _SYMBOL = Column("资产", "Asset"), Column("代码", "Symbol")
_AMOUNTS = {
    "opening": Column("期初", "Opening", True),
    "deposited": Column("转入", "Deposited", True),
    "withdrawn": Column("转出", "Withdrawn", True),
    "adjusted": Column("调整", "Adjusted", True),
    "bought": Column("买入", "Bought", True),
    "sold": Column("卖出", "Sold", True),
    "fees": Column("手续费", "Fees", True),
    "closing": Column("期末", "Closing", True),
    "closing_price": Column("收盘价", "Closing price", True),
}
_TOTALS = {
    "instruments": "品种 Instruments",
    "trades": "成交笔数 Trades",
    "volume": "成交量（吨）Volume (t)",
    "notional": "成交额（元）Turnover (CNY)",
    "negotiated_volume": "协议成交量（吨）Negotiated volume (t)",
    "negotiated_notional": "协议成交额（元）Negotiated turnover (CNY)",
    "fees": "手续费（元）Fees (CNY)",
    "statements": "结算单 Statements",
    "breaks": "对账差异 Breaks",
}
_PRICES = {
    "closing_price": Column("收盘价", "Closing price", True),
    "previous_price": Column("前收盘价", "Previous", True),
    "trades": Column("成交笔数", "Trades", True),
    "volume": Column("成交量", "Volume", True),
    "notional": Column("成交额", "Turnover", True),
    "negotiated_volume": Column("协议成交量", "Negotiated", True),
}
_BREAK = {
    "engine": Column("引擎", "Engine", True),
    "ledger": Column("账簿", "Ledger", True),
    "custody": Column("托管", "Custody", True),
}
_TRADES = {
    "price": Column("价格", "Price", True),
    "quantity": Column("数量", "Quantity", True),
    "fee": Column("手续费", "Fee", True),
}
_WORDS = {
    "running": "进行中 running",
    "waiting": "待批准交收 delivery waits for approval",
    "completed": "已完成 completed",
    "failed": "已中断 stopped",
    "vwap": "加权均价 weighted average",
    "previous_close": "前收盘价 previous close",
    "engine_ledger": "引擎与账簿 engine and ledger",
    "ledger_custody": "账簿与托管 ledger and custody",
    "delivery": "未能交收，转入次日 not delivered, carried over",
    "unbalanced": "账簿不平 unbalanced ledger",
    "buy": "买入 buy",
    "sell": "卖出 sell",
}


def run_report(session: Session, run_id: str) -> Report:
    """A run's totals, closing prices, breaks and statements. Raises Refused `not_found`."""
    found = clearing.report(session, run_id)
    codes = identity.account_codes(session)
    run = views.render_run(found, codes)
    facts = [
        ("交易日 Trading day", run["date"]),
        ("下一交易日 Next trading day", run["next_date"]),
        ("状态 Status", _WORDS[run["status"]]),
        *((label, str(run["totals"][name])) for name, label in _TOTALS.items()),
    ]
    of_run = _statements_of(session, run_id)
    rendered = (views.render_statement(each, codes) for each in of_run)
    return Report(
        f"settlement-{run['date']}",
        "日终清算报告",
        "Report of the end of day",
        f"{run['date']}, {run_id}",
        found.run.finished_time_ns or found.run.started_time_ns,
        (
            Table("合计", "Totals", _NAME, facts),
            _price_table(run["prices"]),
            _break_table(run["breaks"]),
            _statement_table(rendered),
        ),
    )


def account_report(account: str, rendered: list[dict[str, Any]]) -> Report:
    """An account's statements, newest first, with the trades of those that were read with them."""
    tables = [_statement_table(iter(rendered))]
    tables += [_trade_table(each["trades"]) for each in rendered if "trades" in each]
    dates = [each["date"] for each in rendered]
    first, last = (dates[-1], dates[0]) if dates else ("", "")
    days = first if first == last else f"{first} … {last}"
    return Report(
        f"statement-{account}-{last}",
        "结算单",
        "Statement",
        f"{account}, {days}",
        day_number(date.fromisoformat(last)) * _DAY_NS if last else 0,
        tuple(tables),
    )


def wanted_format(
    request: Request, format: Literal["json", "csv", "xlsx", "pdf"] | None = None
) -> FileFormat | None:
    """A route's dependency: the file that is asked for, by `format` or else by Accept."""
    if format is not None:
        return None if format == "json" else FileFormat(format)
    accept = request.headers.get("accept", "").lower()
    return next((one for one, media_type in MEDIA_TYPES.items() if media_type in accept), None)


def file_response(report: Report, file_format: FileFormat) -> Response:
    """The report as a file; for a worker thread, for it may be long."""
    return Response(
        render(report, file_format),
        media_type=MEDIA_TYPES[file_format],
        headers={"Content-Disposition": f'attachment; filename="{report.name}.{file_format}"'},
    )


def _statements_of(session: Session, run_id: str) -> Iterator[Statement]:
    after = -1
    while found := statements.of_run(session, run_id, after, _STATEMENTS_AT_ONCE):
        yield from found
        after = found[-1].account
        session.expunge_all()


def _price_table(prices: list[dict[str, Any]]) -> Table:
    columns = (_SYMBOL, *_PRICES.values(), Column("确定方式", "How"))
    rows = [
        (one["symbol"], *(str(one[name]) for name in _PRICES), _WORDS[one["method"]])
        for one in prices
    ]
    return Table("收盘价", "Closing prices", columns, rows)


def _break_table(breaks: list[dict[str, Any]]) -> Table:
    columns = (Column("差异类型", "What differs"), _ACCOUNT, _ASSET, *_BREAK.values())
    rows = [
        (_WORDS[one["kind"]], one["account"], one["asset"], *(one[name] for name in _BREAK))
        for one in breaks
    ]
    return Table("对账差异", "Breaks", columns, rows)


def _statement_table(rendered: Iterable[dict[str, Any]]) -> Table:
    rows = (
        (each["date"], each["account"], asset, *(line.get(name, "") for name in _AMOUNTS))
        for each in rendered
        for asset, line in {**each["cash"], **each["credits"]}.items()
    )
    columns = (_DATE, _ACCOUNT, _ASSET, *_AMOUNTS.values())
    return Table("结算单", "Statements", columns, rows)


def _trade_table(trades: list[dict[str, Any]]) -> Table:
    columns = (Column("时间", "Time"), Column("成交编号", "Trade"), _SYMBOL, Column("方向", "Side"))
    rows = [
        (
            *(one[name] for name in ("time", "trade_id", "symbol")),
            _WORDS[one["side"]],
            *(one[name] for name in _TRADES),
        )
        for one in trades
    ]
    return Table("成交明细", "Trades", (*columns, *_TRADES.values()), rows)
