// What the public channels and lists carry; the rest of the interface is in api-types.ts.

export type Phase = "closed" | "pre_open" | "call_auction" | "continuous" | "halted";
export type Side = "buy" | "sell";

export interface Ticker {
  symbol: string;
  phase: Phase;
  ends_at: string | null;
  halt_reason: string | null;
  trading_day: string;
  reference_price: string;
  lower_limit: string;
  upper_limit: string;
  bid: string | null;
  bid_quantity: string | null;
  ask: string | null;
  ask_quantity: string | null;
  indicative_price: string | null;
  indicative_quantity: string | null;
  indicative_surplus: string | null;
  last: string | null;
  last_quantity: string | null;
  last_time: string | null;
  open: string | null;
  high: string | null;
  low: string | null;
  vwap: string | null;
  volume: string;
  turnover: string;
  trades: number;
  negotiated_volume: string;
  negotiated_turnover: string;
  change: string | null;
  change_percent: string | null;
}

export interface TapeTrade {
  trade_id: string;
  symbol: string;
  price: string;
  quantity: string;
  taker_side: Side;
  type: string;
  time: string;
}

export interface Candle {
  time: string;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
  turnover: string;
  trades: number;
}

export type Interval = "1m" | "5m" | "1h" | "1d";

export interface List<Item> {
  items: Item[];
  next_cursor: string | null;
}
