// The ladder's arithmetic: groups, sums, estimates, places in the queue.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Level } from "../src/lib/book.ts";
import { estimate, groupLevels, groupPrice, ladderRows, QueuePositions } from "../src/lib/ladder.ts";

const BIDS: Level[] = [
  ["49.99", "10", 1],
  ["49.96", "20", 2],
  ["49.95", "5", 1],
  ["49.90", "1", 1],
];
const ASKS: Level[] = [
  ["50.01", "10", 1],
  ["50.05", "20", 2],
  ["50.06", "30", 1],
];

test("coarser ticks never make a side look better than it is", () => {
  assert.deepEqual(groupLevels(BIDS, "0.05", "buy"), [["49.95", "35", 4], ["49.90", "1", 1]]);
  assert.deepEqual(groupLevels(ASKS, "0.05", "sell"), [["50.05", "30", 3], ["50.10", "30", 1]]);
  assert.deepEqual(groupLevels(BIDS, "0.01", "buy"), BIDS);
  assert.equal(groupPrice("50.01", "1.00", "sell"), "51.00");
});

test("sums run from the best price on, and both sides' bars have one measure", () => {
  const rows = ladderRows(BIDS, ASKS, 2);
  assert.deepEqual(rows.bids.map((row) => [row.total, row.share]), [["10", 0.333], ["30", 1]]);
  assert.deepEqual(rows.asks.map((row) => [row.total, row.share]), [["10", 0.333], ["30", 1]]);
  assert.deepEqual(ladderRows([], [], 5), { bids: [], asks: [] });
});

test("an order is estimated to trade up to its price and its quantity", () => {
  assert.deepEqual(estimate(ASKS, "buy", "50.05", "100"), { quantity: "30", average: "50.0367" });
  assert.deepEqual(estimate(ASKS, "buy", null, "15"), { quantity: "15", average: "50.0233" });
  assert.deepEqual(estimate(BIDS, "sell", "49.96", "11"), { quantity: "11", average: "49.9873" });
  assert.equal(estimate(ASKS, "buy", "50.00", "5"), null);
  assert.equal(estimate([], "sell", null, "5"), null);
});

test("what stands before an own order shrinks with trades, and never grows with those behind", () => {
  const queue = new QueuePositions();
  const own = { side: "buy" as const, price: "49.99", quantity: "10", remaining_quantity: "10" };
  const first = { ...own, order_id: "1", created_at: "2026-11-20T01:00:00Z", sequence: 5 };
  const second = { ...own, order_id: "2", created_at: "2026-11-20T02:00:00Z", sequence: 8 };
  const at = (orders: (typeof first)[], level: string, sequence = 9) =>
    Object.fromEntries(queue.update(orders, () => level, sequence));
  assert.deepEqual(at([first], "100", 4), {}); // the book is older than the order
  assert.deepEqual(at([first], "110"), { 1: "100" });
  assert.deepEqual(at([first], "500"), { 1: "100" }); // others came behind
  queue.trade("49.99", "sell", "30");
  queue.trade("49.99", "buy", "50"); // at the price, but of the other side
  assert.deepEqual(at([first], "470"), { 1: "70" });
  assert.deepEqual(at([first], "40"), { 1: "30" }); // so many were cancelled that fewer are left
  assert.deepEqual(at([first, second], "40", 7), { 1: "30" }); // the second is not in it yet
  assert.deepEqual(at([first, second], "50"), { 1: "30", 2: "40" });
  const more = { ...first, quantity: "12", remaining_quantity: "12" };
  assert.deepEqual(at([more, second], "62"), { 1: "40", 2: "40" }); // it lost its place
});
