// Whether a quote would count for the obligation, as the exchange measures it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { around, judge, sideOf, EMPTY } from "../src/pages/quotes/quote.ts";

const REQUIRED = {
  minimum_share: "0.600000",
  maximum_spread: "0.20",
  maximum_spread_ratio: null,
  minimum_quantity: "100",
};

test("a quote around a middle has the spread and the quantity asked for", () => {
  const form = around("50.00", "0.10", "100");
  assert.deepEqual(form, { bidPrice: "49.90", bidQuantity: "100", askPrice: "50.10", askQuantity: "100" });
  assert.deepEqual(judge(form, REQUIRED), { kind: "counts", spread: "0.20" });
});

test("what is too wide, too small or one-sided does not count", () => {
  assert.deepEqual(judge(around("50.00", "0.11", "100"), REQUIRED), {
    kind: "tooWide",
    spread: "0.22",
    maximum: "0.20",
  });
  assert.deepEqual(judge(around("50.00", "0.10", "99"), REQUIRED), { kind: "tooSmall", minimum: "100" });
  assert.deepEqual(judge({ ...around("50.00", "0.10", "100"), askQuantity: "0" }, REQUIRED), { kind: "notTwoSided" });
  assert.deepEqual(judge(EMPTY, REQUIRED), { kind: "notTwoSided" });
  assert.equal(judge(around("50.00", "0.10", "x"), REQUIRED), null);
  assert.equal(sideOf("50.00", "0"), null);
});

test("a spread may be bounded by a ratio of the middle, exactly", () => {
  const required = { ...REQUIRED, maximum_spread: null, maximum_spread_ratio: "0.004" };
  assert.equal(judge(around("50.00", "0.10", "100"), required)?.kind, "counts");
  assert.equal(judge(around("49.99", "0.10", "100"), required)?.kind, "tooWide");
});
