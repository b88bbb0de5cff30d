// What a user may be, in words.

import { texts } from "../../lib/i18n.svelte.ts";

export const role = texts(
  {
    trader: "trader",
    market_maker: "market maker",
    compliance: "compliance",
    event_organiser: "event organiser",
    registry: "registry",
    settlement: "settlement",
    operator: "operator",
    auditor: "auditor",
  },
  {
    trader: "交易",
    market_maker: "做市",
    compliance: "履约",
    event_organiser: "活动主办",
    registry: "登记",
    settlement: "结算",
    operator: "运营",
    auditor: "审计",
  },
);
