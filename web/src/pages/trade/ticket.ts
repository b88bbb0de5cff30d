// An order ticket: what was filled in, and the body that the exchange is sent.

import type { OrderBody } from "../../lib/api-types.ts";
import type { Side } from "../../lib/market-types.ts";

export type TicketType = "limit" | "market" | "stop_limit" | "stop";
export type TimeInForce = "day" | "gtc" | "ioc" | "fok";

export interface Ticket {
  side: Side;
  type: TicketType;
  price: string;
  quantity: string;
  stopPrice: string;
  timeInForce: TimeInForce;
  postOnly: boolean;
  display: string;
  minimum: string;
  purpose: string; // "voluntary", or a scheme: then it is for compliance
}

export const hasPrice = (type: TicketType) => type === "limit" || type === "stop_limit";
export const hasTrigger = (type: TicketType) => type === "stop" || type === "stop_limit";

// null while something that the order needs is missing.
export function bodyOf(ticket: Ticket, symbol: string, clientOrderId: string): OrderBody | null {
  const { type, price, quantity, stopPrice } = ticket;
  if (!quantity || (hasPrice(type) && !price) || (hasTrigger(type) && !stopPrice)) {
    return null;
  }
  return {
    client_order_id: clientOrderId,
    symbol,
    side: ticket.side,
    type: hasPrice(type) ? "limit" : "market",
    quantity,
    time_in_force: type === "market" && ticket.timeInForce !== "fok" ? "ioc" : ticket.timeInForce,
    ...(hasPrice(type) ? { price } : {}),
    ...(hasTrigger(type) ? { stop_price: stopPrice } : {}),
    ...(ticket.postOnly && type === "limit" ? { post_only: true } : {}),
    ...(ticket.display ? { display_quantity: ticket.display } : {}),
    ...(ticket.minimum ? { min_quantity: ticket.minimum } : {}),
    ...(ticket.purpose === "voluntary" ? {} : { purpose: "compliance", scheme: ticket.purpose }),
  };
}
