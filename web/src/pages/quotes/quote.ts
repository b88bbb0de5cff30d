// A two-sided quote as it is filled in, and whether it would count for an obligation.

import type { QuotingRequirement } from "../../lib/api-types.ts";
import { add, compare, divide, isDecimal, isZero, multiply, subtract } from "../../lib/decimal.ts";

export interface QuoteForm {
  bidPrice: string;
  bidQuantity: string;
  askPrice: string;
  askQuantity: string;
}

export interface Side {
  price: string;
  quantity: string;
}

export const EMPTY: QuoteForm = { bidPrice: "", bidQuantity: "", askPrice: "", askQuantity: "" };

export function sideOf(price: string, quantity: string): Side | null {
  return price === "" || quantity === "" || (isDecimal(quantity) && isZero(quantity))
    ? null
    : { price, quantity };
}

export function around(middle: string, halfSpread: string, quantity: string): QuoteForm {
  return {
    bidPrice: subtract(middle, halfSpread),
    bidQuantity: quantity,
    askPrice: add(middle, halfSpread),
    askQuantity: quantity,
  };
}

export type Verdict =
  | { kind: "counts"; spread: string }
  | { kind: "notTwoSided" }
  | { kind: "tooWide"; spread: string; maximum: string }
  | { kind: "tooSmall"; minimum: string };

// null where the fields are no numbers. The widest spread is in yuan, or of the middle, or both.
export function judge(form: QuoteForm, required: QuotingRequirement): Verdict | null {
  const [bid, ask] = [sideOf(form.bidPrice, form.bidQuantity), sideOf(form.askPrice, form.askQuantity)];
  if (bid === null || ask === null) {
    return { kind: "notTwoSided" };
  }
  if (![bid.price, bid.quantity, ask.price, ask.quantity].every(isDecimal)) {
    return null;
  }
  const spread = subtract(ask.price, bid.price);
  const { maximum_spread: maximum, maximum_spread_ratio: ratio, minimum_quantity: minimum } = required;
  if (maximum !== null && compare(spread, maximum) > 0) {
    return { kind: "tooWide", spread, maximum };
  }
  // spread / middle > ratio, without dividing: 2 spread > ratio (bid + ask).
  const both = add(bid.price, ask.price);
  if (ratio !== null && compare(multiply(spread, "2"), multiply(both, ratio)) > 0) {
    return { kind: "tooWide", spread, maximum: divide(multiply(both, ratio), "2", 2) };
  }
  if ([bid.quantity, ask.quantity].some((quantity) => compare(quantity, minimum) < 0)) {
    return { kind: "tooSmall", minimum };
  }
  return { kind: "counts", spread };
}
