// The price ladder's arithmetic: levels put together into coarser ticks, sums from the best price
// on, what an order would trade at once, and what stands before an own order.

import { fromUnits, scaleOf, toUnits } from "./decimal.ts";
import type { Level } from "./book.ts";
import type { Side } from "./market-types.ts";

export interface Row {
  price: string;
  quantity: string;
  orders: number;
  total: string; // of this row and all better ones
  share: number; // of the largest total on either side, for its bar
}

export interface OwnOrder {
  order_id: string;
  side: Side;
  price: string | null;
  quantity: string;
  remaining_quantity: string;
  created_at: string;
  sequence: number;
}

// The price of the group that a price belongs to: bids are rounded down, asks up, so that a group
// never looks better than what is in it.
export function groupPrice(price: string, step: string, side: Side): string {
  const scale = Math.max(scaleOf(price), scaleOf(step));
  const [units, stepUnits] = [toUnits(price, scale), toUnits(step, scale)];
  const rest = units % stepUnits;
  const rounded = rest === 0n ? units : side === "buy" ? units - rest : units - rest + stepUnits;
  return fromUnits(rounded, scale);
}

export function groupLevels(levels: readonly Level[], step: string, side: Side): Level[] {
  const groups: Level[] = [];
  let [quantity, orders] = [0n, 0];
  let current: string | null = null;
  const close = () => {
    if (current !== null) {
      groups.push([current, quantity.toString(), orders]);
    }
  };
  for (const [price, levelQuantity, levelOrders] of levels) {
    const group = groupPrice(price, step, side);
    if (group !== current) {
      close();
      [current, quantity, orders] = [group, 0n, 0];
    }
    quantity += BigInt(levelQuantity);
    orders += levelOrders;
  }
  close();
  return groups;
}

// The best `count` levels of both sides as rows; the bars of both have one measure.
export function ladderRows(
  bids: readonly Level[],
  asks: readonly Level[],
  count: number,
): { bids: Row[]; asks: Row[] } {
  const sides = [bids, asks].map((levels) => summed(levels.slice(0, count)));
  const largest = sides.flatMap((rows) => rows.at(-1)?.sum ?? []).reduce((a, b) => (a > b ? a : b), 1n);
  const [bidRows = [], askRows = []] = sides.map((rows) =>
    rows.map(({ sum, ...row }) => ({
      ...row,
      total: sum.toString(),
      share: Number((sum * 1000n) / largest) / 1000,
    })),
  );
  return { bids: bidRows, asks: askRows };
}

function summed(levels: readonly Level[]) {
  let sum = 0n;
  return levels.map(([price, quantity, orders]) => {
    sum += BigInt(quantity);
    return { price, quantity, orders, sum };
  });
}

// What an order would trade at once with these levels of the other side, best first; `limit` is its
// price, null for a market order. The average has two digits more than the prices.
export function estimate(
  levels: readonly Level[],
  side: Side,
  limit: string | null,
  quantity: string,
): { quantity: string; average: string } | null {
  const scale = Math.max(...levels.map(([price]) => scaleOf(price)), limit === null ? 0 : scaleOf(limit));
  const limitUnits = limit === null ? null : toUnits(limit, scale);
  let [left, traded, amount] = [toUnits(quantity, 0), 0n, 0n];
  for (const [price, available] of levels) {
    const units = toUnits(price, scale);
    const isReached = limitUnits === null || (side === "buy" ? units <= limitUnits : units >= limitUnits);
    if (!isReached || left === 0n) {
      break;
    }
    const taken = left < BigInt(available) ? left : BigInt(available);
    [left, traded, amount] = [left - taken, traded + taken, amount + taken * units];
  }
  if (traded === 0n) {
    return null;
  }
  const average = (200n * amount + traded) / (2n * traded);
  return { quantity: traded.toString(), average: fromUnits(average, scale + 2) };
}

// How much stands before each own order at its price, at most. The book tells sums, not queues: what
// is cancelled there is taken to have stood behind, and what is traded stood before.
export class QueuePositions {
  #ahead = new Map<string, { key: string; lots: bigint; quantity: bigint }>();
  #traded = new Map<string, bigint>(); // by price and side of the resting orders, since `update`

  trade(price: string, takerSide: Side, quantity: string): void {
    const key = `${takerSide === "buy" ? "sell" : "buy"} ${price}`;
    this.#traded.set(key, (this.#traded.get(key) ?? 0n) + BigInt(quantity));
  }

  // Follow the book: `quantityAt` gives what a level shows as of `sequence`. Gives lots by order id,
  // of an order that the book does not show yet what was known of it before.
  update(
    orders: readonly OwnOrder[],
    quantityAt: (side: Side, price: string) => string,
    sequence: number,
  ): Map<string, string> {
    const known = this.#ahead;
    this.#ahead = new Map();
    for (const order of orders) {
      if (order.price === null) {
        continue;
      }
      const key = `${order.side} ${order.price}`;
      const sameLevel = orders.filter((one) => one.side === order.side && one.price === order.price);
      if (sameLevel.some((one) => one.sequence > sequence)) {
        const before = known.get(order.order_id);
        if (before !== undefined) {
          this.#ahead.set(order.order_id, before);
        }
        continue;
      }
      const bound = this.#bound(order, sameLevel, BigInt(quantityAt(order.side, order.price)));
      const before = known.get(order.order_id);
      let lots = bound;
      const quantity = BigInt(order.quantity);
      // Another price, or more of it: it lost its place and stands behind everything again.
      if (before !== undefined && before.key === key && before.quantity >= quantity) {
        const left = before.lots - (this.#traded.get(key) ?? 0n);
        lots = left < bound ? left : bound;
      }
      this.#ahead.set(order.order_id, { key, lots: lots < 0n ? 0n : lots, quantity });
    }
    this.#traded.clear();
    return new Map([...this.#ahead].map(([id, { lots }]) => [id, lots.toString()]));
  }

  // All of the level but itself and the own orders that came later.
  #bound(order: OwnOrder, sameLevel: readonly OwnOrder[], level: bigint): bigint {
    const behind = sameLevel
      .filter((one) => one.created_at >= order.created_at)
      .reduce((lots, one) => lots + BigInt(one.remaining_quantity), 0n);
    return level - behind;
  }
}
