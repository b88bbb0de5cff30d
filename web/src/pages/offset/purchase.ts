// What a whole quantity costs at the offers there are.

import type { Book } from "../../lib/api-types.ts";
import { add, compare, divide, isZero, multiply, subtract } from "../../lib/decimal.ts";

export interface Cost {
  // The highest price that has to be paid for a part of it, and the average.
  worst: string;
  average: string;
  amount: string;
}

const AVERAGE_DIGITS = 2;

// Null if not enough is offered. Both are decimals; `asks` come best first.
export function costOf(asks: Book["asks"], quantity: string): Cost | null {
  let missing = quantity;
  let amount = "0";
  for (const [price, offered] of asks as [string, string, number][]) {
    const taken = compare(offered, missing) < 0 ? offered : missing;
    amount = add(amount, multiply(price, taken));
    missing = subtract(missing, taken);
    if (isZero(missing)) {
      return { worst: price, average: divide(amount, quantity, AVERAGE_DIGITS), amount };
    }
  }
  return null;
}

// Whole tonnes, at least one.
export function isQuantity(text: string): boolean {
  return /^[1-9][0-9]{0,8}$/.test(text);
}
