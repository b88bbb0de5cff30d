// Words of the public market that OpenAPI has no name for, and what channels and lists carry.

export type { Candle, Ticker, Trade as TapeTrade } from "./api-types.ts";

export type Phase = "closed" | "pre_open" | "call_auction" | "continuous" | "halted";
export type Side = "buy" | "sell";

export type Interval = "1m" | "5m" | "1h" | "1d";

export interface List<Item> {
  items: Item[];
  next_cursor: string | null;
}
