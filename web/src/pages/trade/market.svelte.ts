// The public market of one instrument as the page shows it: kept as messages come, shown once a
// frame.

import { Book, type BookData, type Level } from "../../lib/book.ts";
import { QueuePositions } from "../../lib/ladder.ts";
import { follow } from "../../lib/live.svelte.ts";
import type { Candle, Interval, List, TapeTrade, Ticker } from "../../lib/market-types.ts";

const TRADES_SHOWN = 50;

export class MarketView {
  readonly symbol: string;
  // As of the last frame.
  bids = $state.raw<readonly Level[]>([]);
  asks = $state.raw<readonly Level[]>([]);
  sequence = $state<number | null>(null);
  trades = $state.raw<readonly TapeTrade[]>([]);
  ticker = $state.raw<Ticker | null>(null);
  candles = $state.raw<Record<Interval, Candle | null> | null>(null);
  readonly queue = new QueuePositions();

  // To be made while a component is set up; it follows the market as long as that is there.
  constructor(symbol: string) {
    this.symbol = symbol;
    this.#followBook();
    this.#followTrades();
    let ticker: Ticker | null = null;
    follow(
      "ticker",
      () => symbol,
      (push) => void (ticker = push.data),
      () => (this.ticker = ticker),
    );
    let candles: Record<Interval, Candle | null> | null = null;
    follow(
      "candles",
      () => symbol,
      (push) => void (candles = push.data),
      () => (this.candles = candles),
    );
  }

  // What a level of the whole book shows, of either side.
  quantityAt = (side: "buy" | "sell", price: string): string => {
    const levels = side === "buy" ? this.bids : this.asks;
    return levels.find((level) => level[0] === price)?.[1] ?? "0";
  };

  #followBook(): void {
    const book = new Book();
    let sequence = 0;
    follow(
      "book",
      () => this.symbol,
      (push) => {
        sequence = push.sequence;
        return book.apply(push.type, push.data as BookData);
      },
      () => {
        this.bids = book.bids;
        this.asks = book.asks;
        this.sequence = sequence;
      },
    );
  }

  #followTrades(): void {
    let trades: TapeTrade[] = [];
    follow(
      "trades",
      () => this.symbol,
      (push) => {
        if (push.type === "snapshot") {
          trades = (push.data as List<TapeTrade>).items.slice(0, TRADES_SHOWN);
        } else {
          const trade = push.data as TapeTrade;
          trades = [trade, ...trades.slice(0, TRADES_SHOWN - 1)];
          this.queue.trade(trade.price, trade.taker_side, trade.quantity);
        }
      },
      () => (this.trades = trades),
    );
  }
}
