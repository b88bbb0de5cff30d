// The book of one instrument, kept from a snapshot and deltas, and checked by its checksum.
// Prices and quantities stay the strings that they came as.

const CHECKSUM_LEVELS = 10;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) {
    value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return value;
});

// CRC-32 of an ASCII text, as zlib counts it.
export function crc32(ascii) {
  let crc = 0xffffffff;
  for (let index = 0; index < ascii.length; index += 1) {
    crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ ascii.charCodeAt(index)) & 0xff];
  }
  return (crc ^ 0xffffffff) >>> 0;
}

// Order of two decimals that are written alike: without padding, with equally many decimals.
export function compareDecimals(left, right) {
  if (left.length !== right.length) {
    return left.length - right.length;
  }
  return left < right ? -1 : Number(left > right);
}

export class Book {
  constructor() {
    this.bids = []; // [price, quantity, orders], best first
    this.asks = [];
    this.sequence = null; // null: waiting for a snapshot
    this.checksum = 0;
  }

  // Take over a message; false if something is missing and a new snapshot is needed.
  apply({ type, sequence, previous_sequence: previousSequence, data }) {
    if (type === "snapshot") {
      this.bids = data.bids;
      this.asks = data.asks;
    } else if (this.sequence === null || previousSequence !== this.sequence) {
      return false;
    } else {
      this.bids = changed(this.bids, data.bids, -1);
      this.asks = changed(this.asks, data.asks, 1);
    }
    this.sequence = sequence;
    this.checksum = data.checksum;
    return this.ownChecksum() === data.checksum;
  }

  ownChecksum() {
    const best = [...this.bids.slice(0, CHECKSUM_LEVELS), ...this.asks.slice(0, CHECKSUM_LEVELS)];
    return crc32(best.map(([price, quantity]) => `${price}:${quantity}`).join("|"));
  }
}

// One side with some levels changed; `direction` is 1 where the lowest price is best.
function changed(levels, changes, direction) {
  const byPrice = new Map(levels.map((level) => [level[0], level]));
  for (const level of changes) {
    if (level[1] === "0") {
      byPrice.delete(level[0]);
    } else {
      byPrice.set(level[0], level);
    }
  }
  return [...byPrice.values()].sort(
    (left, right) => direction * compareDecimals(left[0], right[0]),
  );
}
