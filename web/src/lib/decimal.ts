// Decimals as the exchange writes them, "1234.50". They stay strings; arithmetic is done on
// integers (BigInt) of 10^-scale, and never on floating-point numbers.

const PATTERN = /^-?\d+(\.\d+)?$/;

export function isDecimal(text: string): boolean {
  return PATTERN.test(text);
}

// How many digits stand behind the point.
export function scaleOf(text: string): number {
  const point = text.indexOf(".");
  return point < 0 ? 0 : text.length - point - 1;
}

// The integer count of 10^-scale. Throws RangeError where that would lose digits.
export function toUnits(text: string, scale: number): bigint {
  if (!isDecimal(text)) {
    throw new RangeError(`not a decimal: ${text}`);
  }
  const [whole = "", fraction = ""] = text.split(".");
  const kept = fraction.replace(/0+$/, "");
  if (kept.length > scale) {
    throw new RangeError(`more than ${scale} digits behind the point: ${text}`);
  }
  return BigInt(whole + kept.padEnd(scale, "0"));
}

export function fromUnits(units: bigint, scale: number): string {
  const sign = units < 0n ? "-" : "";
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, "0");
  const split = digits.length - scale;
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, split)}.${digits.slice(split)}`;
}

function common(left: string, right: string): number {
  return Math.max(scaleOf(left), scaleOf(right));
}

export function add(left: string, right: string): string {
  const scale = common(left, right);
  return fromUnits(toUnits(left, scale) + toUnits(right, scale), scale);
}

export function subtract(left: string, right: string): string {
  const scale = common(left, right);
  return fromUnits(toUnits(left, scale) - toUnits(right, scale), scale);
}

export function multiply(left: string, right: string): string {
  const [leftScale, rightScale] = [scaleOf(left), scaleOf(right)];
  return fromUnits(toUnits(left, leftScale) * toUnits(right, rightScale), leftScale + rightScale);
}

// Negative, zero or positive, as left is less than, equal to or more than right.
export function compare(left: string, right: string): number {
  const scale = common(left, right);
  const difference = toUnits(left, scale) - toUnits(right, scale);
  return difference < 0n ? -1 : Number(difference > 0n);
}

// left / right with so many digits, rounded half up (away from zero). Throws on zero.
export function divide(left: string, right: string, digits: number): string {
  const scale = common(left, right);
  const [numerator, denominator] = [toUnits(left, scale), toUnits(right, scale)];
  const scaled = 2n * numerator * 10n ** BigInt(digits);
  const isNegative = scaled < 0n !== denominator < 0n;
  const [top, bottom] = [scaled < 0n ? -scaled : scaled, denominator < 0n ? -denominator : denominator];
  const rounded = (top + bottom) / (2n * bottom);
  return fromUnits(isNegative ? -rounded : rounded, digits);
}

// Rounded towards zero or filled up with zeros to so many digits behind the point.
export function withScale(text: string, digits: number): string {
  const scale = scaleOf(text);
  if (scale <= digits) {
    return fromUnits(toUnits(text, digits), digits);
  }
  return fromUnits(toUnits(text, scale) / 10n ** BigInt(scale - digits), digits);
}

export function isNegative(text: string): boolean {
  return text.startsWith("-") && /[1-9]/.test(text);
}

export function isZero(text: string): boolean {
  return !/[1-9]/.test(text);
}

export function sum(texts: Iterable<string>): string {
  let total = "0";
  for (const text of texts) {
    total = add(total, text);
  }
  return total;
}

// For people: thousands apart, "1,234.50"; both languages write it so.
export function grouped(text: string): string {
  const [whole = "", fraction] = text.split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? apart : `${apart}.${fraction}`;
}

// A bound that is not exact unless it is nothing: "≤1,200", "0".
export function atMost(text: string | undefined): string {
  return text === undefined ? "–" : isZero(text) ? "0" : `≤${grouped(text)}`;
}

// A ratio of 1 as per cent: "0.05" is "5", "0.1234" is "12.34".
export function percent(ratio: string): string {
  const scale = scaleOf(ratio);
  const text = fromUnits(toUnits(ratio, scale) * 100n, scale);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

// The one place where a decimal becomes a number: to draw it.
export function forDrawing(text: string): number {
  return Number(text);
}
