// A change of the market's rules in words.

import type { MarketRule } from "../../lib/api-types.ts";
import { texts } from "../../lib/i18n.svelte.ts";

const t = texts(
  {
    day: "Calendar, {key}",
    sessions: "Sessions of {key}",
    closing_price: "Closing price of {key}",
    block_trading: "Block trading of {key}",
    quoting: "Market makers' obligations in {key}",
    disclosure: "Disclosure of {key}",
    complaints: "Complaints",
    surveillance: "Surveillance of {key}",
    settlement: "Delivery of {key}",
    shipped: "as shipped again",
    everywhere: "all instruments",
  },
  {
    day: "日历，{key}",
    sessions: "{key}的交易时段",
    closing_price: "{key}的收盘价规则",
    block_trading: "{key}的大宗交易规则",
    quoting: "{key}的做市义务",
    disclosure: "{key}的披露标准",
    complaints: "投诉规则",
    surveillance: "{key}的监察参数",
    settlement: "{key}的交收规则",
    shipped: "恢复出厂规则",
    everywhere: "全部品种",
  },
);

export function describe(change: MarketRule): string {
  const terms =
    change.rule === null
      ? t("shipped")
      : Object.entries(change.rule)
          .map(([name, value]) => `${name.replaceAll("_", " ")} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
          .join(", ");
  const key = change.key === "*" ? t("everywhere") : change.key;
  return `${t(change.kind, { key })}: ${terms}`;
}
