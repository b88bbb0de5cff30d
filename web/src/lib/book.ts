// The book of one instrument, kept from a snapshot and deltas, and checked by its checksum.
// Prices and quantities stay the strings that they came as.

export type Level = [price: string, quantity: string, orders: number];

export interface BookData {
  bids: Level[];
  asks: Level[];
  checksum: number;
}

const CHECKSUM_LEVELS = 10;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) {
    value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return value;
});

// CRC-32 of an ASCII text, as zlib counts it.
export function crc32(ascii: string): number {
  let crc = 0xffffffff;
  for (let index = 0; index < ascii.length; index += 1) {
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ ascii.charCodeAt(index)) & 0xff] as number);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

// Order of two prices that are written alike: without padding, with equally many decimals.
export function comparePrices(left: string, right: string): number {
  if (left.length !== right.length) {
    return left.length - right.length;
  }
  return left < right ? -1 : Number(left > right);
}

export class Book {
  bids: Level[] = []; // best first
  asks: Level[] = [];

  // Take over a message's data; false if the checksum disagrees and a new snapshot is needed.
  apply(type: string, data: BookData): boolean {
    if (type === "snapshot") {
      this.bids = data.bids;
      this.asks = data.asks;
    } else {
      this.bids = changed(this.bids, data.bids, -1);
      this.asks = changed(this.asks, data.asks, 1);
    }
    return this.checksum() === data.checksum;
  }

  checksum(): number {
    const best = [...this.bids.slice(0, CHECKSUM_LEVELS), ...this.asks.slice(0, CHECKSUM_LEVELS)];
    return crc32(best.map(([price, quantity]) => `${price}:${quantity}`).join("|"));
  }
}

// One side with some levels changed; `direction` is 1 where the lowest price is best. Each level's
// place is found by halving, since a book has many levels and a message changes few.
function changed(levels: Level[], changes: Level[], direction: number): Level[] {
  const next = levels.slice();
  for (const level of changes) {
    let [low, high] = [0, next.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (direction * comparePrices((next[middle] as Level)[0], level[0]) < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const isThere = next[low]?.[0] === level[0];
    if (level[1] === "0") {
      next.splice(low, isThere ? 1 : 0);
    } else {
      next.splice(low, isThere ? 1 : 0, level);
    }
  }
  return next;
}
