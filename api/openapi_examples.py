"""One example of each body, and of each variable in a path, as OpenAPI and its page show them."""

from __future__ import annotations

from typing import Any

_ORDER = {
    "client_order_id": "order-1",
    "symbol": "GD-PHCER",
    "side": "buy",
    "type": "limit",
    "price": "50.00",
    "quantity": "100",
}
_SOURCES = [
    {"source": "electricity", "activity": "grid", "amount": "12000", "unit": "kWh"},
]
_EVENT = {
    "name": "Annual conference 年会",
    "category": "conference",
    "attendees": 800,
    "starts_at": "2027-03-01T01:00:00Z",
    "ends_at": "2027-03-02T09:00:00Z",
    "sources": _SOURCES,
}

# By the name of the body's type.
BODY_EXAMPLES: dict[str, dict[str, Any]] = {
    "OrderBody": _ORDER,
    "BatchBody": {"orders": [_ORDER, _ORDER | {"client_order_id": "order-2", "price": "49.90"}]},
    "AmendBody": {"quantity": "80"},
    "TakeBody": {"client_order_id": "take-1", "price": "50.10", "quantity": "10"},
    "QuoteBody": {
        "symbol": "GD-PHCER",
        "bid": {"price": "49.90", "quantity": "1000"},
        "ask": {"price": "50.10", "quantity": "1000"},
    },
    "CancelAfterBody": {"seconds": 60},
    "BlockTradeBody": {
        "client_order_id": "block-1",
        "symbol": "GD-PHCER",
        "side": "sell",
        "price": "50.00",
        "quantity": "5000",
        "counterparty": "organiser",
    },
    "AuctionBody": {
        "symbol": "GD-PHCER",
        "side": "sell",
        "quantity": "1000",
        "reserve_price": "48.00",
        "mode": "uniform",
        "starts_at": "2027-01-04T01:30:00Z",
        "ends_at": "2027-01-04T03:00:00Z",
        "notice": "1,000 t of vintage 2024 to the highest bidders",
    },
    "BidBody": {"client_order_id": "bid-1", "price": "50.50", "quantity": "200"},
    "DayBody": {"is_trading": False, "note": "Spring Festival"},
    "SessionsBody": {"template": "around_the_clock"},
    "ClosingPriceBody": {"thin_market_quantity": "100", "source": "decision of 2026-11-20"},
    "BlockTradingBody": {
        "minimum_quantity": "1000",
        "price_limit": "0.3",
        "source": "decision of 2026-11-20",
    },
    "SettlementRuleBody": {
        "block_order": "oldest_vintage",
        "needs_approval": True,
        "source": "decision of 2026-11-20",
    },
    "QuotingBody": {
        "minimum_share": "0.8",
        "minimum_quantity": "100",
        "maximum_spread_ticks": "50",
        "source": "decision of 2026-11-20",
    },
    "SessionBody": {"username": "enterprise", "password": "demo"},
    "KeyBody": {
        "name": "trading robot",
        "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "scopes": ["read", "trade"],
    },
    "MethodologyBody": {"code": "GD-PV-01", "title": "Distributed photovoltaics", "version": "2"},
    "ProjectBody": {
        "name": "Rooftop photovoltaics",
        "methodology": "GD-PV-01",
        "region": "Guangdong",
        "type": "renewable",
        "account": "enterprise",
        "symbol": "GD-PHCER",
        "project_id": "P-1",
    },
    "IssueBody": {
        "project_id": "P-1",
        "vintage": 2025,
        "quantity": "5000",
        "serial_prefix": "GD-PV-2025",
    },
    "CustodyBody": {"symbol": "GD-PHCER", "quantity": "500"},
    "TransferBody": {
        "to_account": "organiser",
        "quantity": "10",
        "batch_id": "DEMO-GD-PHCER",
        "kind": "transfer",
    },
    "PledgeBody": {"quantity": "100", "batch_id": "DEMO-GD-PHCER"},
    "RetirementBody": {
        "quantity": "25",
        "symbol": "GD-PHCER",
        "beneficiary": "Example Ltd 示例公司",
        "reason": "Neutral operations in 2026",
    },
    "ObligationBody": {
        "account": "compliance",
        "scheme": "demo",
        "year": 2026,
        "base_quantity": "100000",
    },
    "LabelsBody": {"labels": ["co2_only"]},
    "ReportBody": {"reason": "Notice of 2026-11-20", "allowances_surrendered": "95000"},
    "PreviewBody": {"scheme": "demo", "action": "surrender", "quantity": "100"},
    "SurrenderBody": {"scheme": "demo", "year": 2026, "quantity": "100"},
    "EventBody": _EVENT,
    "EventChangeBody": {"attendees": 900},
    "ActivityBody": {"sources": _SOURCES},
    "OffsetBody": {"symbol": "GD-PHCER", "max_price": "51.00"},
    "AssignBody": {"assignee": "operator"},
    "ResolveBody": {"reason": "Deposit booked twice, see ticket 7", "adjust": True},
    "SettlementBody": {"date": "2026-11-20"},
    "AccountLimitsBody": {"maximum_orders_per_second": 50, "maximum_order_amount": "500000.00"},
    "PhaseBody": {"symbol": "GD-PHCER", "phase": "halted", "reason": "Announcement pending"},
    "ResumeBody": {"symbol": "GD-PHCER"},
    "BlockRulesBody": {
        "symbol": "GD-PHCER",
        "minimum": "1000",
        "price_limit": "0.3",
        "is_open": True,
    },
    "AccountBody": {
        "account": "newcomer",
        "name": "Newcomer Ltd 新来公司",
        "username": "newcomer",
        "password": "a long enough secret",
        "roles": ["trader"],
    },
    "CashBody": {"account": "enterprise", "kind": "deposit", "amount": "1000.00"},
    "InstrumentBody": {"symbol": "BJ-PHCER", "reference_price": "60.00", "price_limit": "0.1"},
    "VolatilityBody": {"limit": "0.05", "interruption_seconds": 120},
    "AccountNameBody": {"account": "maker"},
}

PATH_EXAMPLES: dict[str, str] = {
    "symbol": "GD-PHCER",
    "account": "enterprise",
    "order_id": "client:order-1",
    "day": "2027-02-08",
    "break_id": "1",
    "batch_id": "DEMO-GD-PHCER",
}
