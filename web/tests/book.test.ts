// A book kept from a snapshot and deltas is the exchange's, and says so by its checksum.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Book, crc32, type Level } from "../src/lib/book.ts";

const BIDS: Level[] = [
  ["49.90", "1000", 2],
  ["49.80", "500", 1],
];
const ASKS: Level[] = [
  ["50.10", "800", 1],
  ["50.20", "1200", 3],
];

function checksum(bids: Level[], asks: Level[]): number {
  return crc32([...bids, ...asks].map((level) => `${level[0]}:${level[1]}`).join("|"));
}

test("the checksum is zlib's", () => {
  assert.equal(crc32(""), 0);
  assert.equal(crc32("123456789"), 0xcbf43926);
});

test("deltas add, change and remove levels at their places", () => {
  const book = new Book();
  assert.ok(book.apply("snapshot", { bids: BIDS, asks: ASKS, checksum: checksum(BIDS, ASKS) }));
  const bids: Level[] = [
    ["49.95", "7", 1],
    ["49.90", "900", 2],
    ["9.99", "1", 1],
  ];
  const asks: Level[] = [["50.20", "1200", 3], ["100.00", "5", 1]];
  const taken = book.apply("delta", {
    bids: [["49.80", "0", 0], ["9.99", "1", 1], ["49.90", "900", 2], ["49.95", "7", 1]],
    asks: [["100.00", "5", 1], ["50.10", "0", 0], ["50.15", "0", 0]],
    checksum: checksum(bids, asks),
  });
  assert.ok(taken);
  assert.deepEqual(book.bids, bids);
  assert.deepEqual(book.asks, asks);
});

test("a book that differs from the exchange's is noticed", () => {
  const book = new Book();
  assert.equal(book.apply("snapshot", { bids: BIDS, asks: [], checksum: 1 }), false);
});

test("many random changes give the book that sorting gives", () => {
  const book = new Book();
  book.apply("snapshot", { bids: [], asks: [], checksum: 0 });
  const plain = new Map<string, Level>();
  let state = 7;
  const random = (below: number) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
  for (let round = 0; round < 500; round += 1) {
    const changes: Level[] = Array.from({ length: 1 + random(3) }, () => {
      const price = `${8 + random(4)}.${String(random(100)).padStart(2, "0")}`;
      return [price, String(random(4)), 1];
    });
    for (const level of changes) {
      if (level[1] === "0") {
        plain.delete(level[0]);
      } else {
        plain.set(level[0], level);
      }
    }
    book.apply("delta", { bids: changes, asks: changes, checksum: 0 });
    const sorted = [...plain.values()].sort((left, right) => Number(left[0]) - Number(right[0]));
    assert.deepEqual(book.asks, sorted);
    assert.deepEqual(book.bids, sorted.toReversed());
  }
});
