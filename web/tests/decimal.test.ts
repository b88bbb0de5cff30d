// Decimals are added, compared and written without ever becoming floating-point numbers.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as decimal from "../src/lib/decimal.ts";

test("arithmetic keeps every digit", () => {
  assert.equal(decimal.add("0.10", "0.2"), "0.30");
  assert.equal(decimal.subtract("50.00", "50.01"), "-0.01");
  assert.equal(decimal.multiply("50.10", "1000000"), "50100000.00");
  assert.equal(decimal.multiply("9007199254740993", "1.01"), "9097271247288402.93");
  assert.equal(decimal.sum(["1.5", "2.25", "3"]), "6.75");
});

test("division rounds half up, away from zero", () => {
  for (const [left, right, digits, expected] of [
    ["1", "3", 4, "0.3333"],
    ["1", "8", 2, "0.13"],
    ["-1", "8", 2, "-0.13"],
    ["100.10", "2", 3, "50.050"],
    ["7", "2", 0, "4"],
  ] as const) {
    assert.equal(decimal.divide(left, right, digits), expected);
  }
  assert.throws(() => decimal.divide("1", "0", 2), RangeError);
});

test("order is that of the numbers, however they are written", () => {
  assert.ok(decimal.compare("9.99", "10") < 0);
  assert.equal(decimal.compare("1.50", "1.5"), 0);
  assert.ok(decimal.compare("-2", "-3") > 0);
});

test("what would lose digits, or is no decimal, is refused", () => {
  assert.equal(decimal.toUnits("1.500", 1), 15n);
  assert.throws(() => decimal.toUnits("1.55", 1), RangeError);
  for (const text of ["", "1.", ".5", "1e3", "1,000", "+1", " 1", "NaN"]) {
    assert.ok(!decimal.isDecimal(text), text);
    assert.throws(() => decimal.toUnits(text, 2), RangeError);
  }
});

test("people read thousands apart and ratios as per cent", () => {
  assert.equal(decimal.grouped("1234567.80"), "1,234,567.80");
  assert.equal(decimal.grouped("-1234"), "-1,234");
  assert.equal(decimal.grouped("123"), "123");
  assert.equal(decimal.percent("0.05"), "5");
  assert.equal(decimal.percent("0.123400"), "12.34");
  assert.equal(decimal.percent("1.000000"), "100");
  assert.equal(decimal.withScale("50", 2), "50.00");
  assert.equal(decimal.withScale("50.129", 2), "50.12");
  assert.ok(decimal.isNegative("-0.01"));
  assert.ok(!decimal.isNegative("-0.00"));
});
