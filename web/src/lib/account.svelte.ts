// The signed-in account's orders, fills and balances, kept by the private channels. What happened
// before comes over REST once a channel has begun, and the newer state of an order wins.

import { api } from "./api.ts";
import type { Balances, Fill, Order } from "./api-types.ts";
import { follow } from "./live.svelte.ts";
import type { List } from "./market-types.ts";
import { session } from "./session.svelte.ts";

const OPEN = new Set(["open", "partially_filled", "pending_trigger"]);
const RECENT = 100;

export class AccountView {
  open = $state.raw<readonly Order[]>([]);
  recent = $state.raw<readonly Order[]>([]); // newest first, open ones too
  fills = $state.raw<readonly Fill[]>([]);
  balances = $state.raw<Balances | null>(null);
  isLoaded = $state(false);
  #orders = new Map<string, Order>();
  #fills = new Map<string, Fill>();

  // To be made while a component is set up.
  constructor() {
    $effect(() => {
      void session.current?.token;
      this.#orders.clear();
      this.#fills.clear();
      this.balances = null;
      this.isLoaded = false;
      this.#draw();
    });
    const none = () => null;
    const draw = () => this.#draw();
    follow("orders", none, (push) => this.take(push.data as Order), draw, () => void this.#load());
    follow("fills", none, (push) => this.#takeFill(push.data as Fill), draw, () => void this.#loadFills());
    follow("balances", none, (push) => void (this.balances = push.data as Balances));
  }

  // A new state of an order, from wherever it came first: the stream, or the answer to a request.
  take(order: Order): void {
    const before = this.#orders.get(order.order_id);
    if (before === undefined || before.sequence <= order.sequence) {
      this.#orders.set(order.order_id, order);
    }
  }

  show(): void {
    this.#draw();
  }

  async #load(): Promise<void> {
    const status = [...OPEN].join(",");
    const pages = await Promise.all([
      this.#allOpen(status),
      api.get<List<Order>>("/orders", { limit: RECENT }).then((page) => page.items),
    ]).catch(() => []); // told by the next request of the reader's own
    pages.flat().forEach((order) => this.take(order));
    this.isLoaded = true;
    this.#draw();
  }

  async #allOpen(status: string): Promise<Order[]> {
    const found: Order[] = [];
    let cursor: string | null = null;
    do {
      const page: List<Order> = await api.get("/orders", { status, limit: 500, cursor });
      found.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor !== null && found.length < 5_000);
    return found;
  }

  async #loadFills(): Promise<void> {
    const page = await api.get<List<Fill>>("/fills", { limit: RECENT }).catch(() => null);
    page?.items.forEach((fill) => this.#takeFill(fill));
    this.#draw();
  }

  #takeFill(fill: Fill): void {
    this.#fills.set(`${fill.trade_id} ${fill.order_id}`, fill);
  }

  // Memory stays bounded: of what is closed only the recent is kept.
  #draw(): void {
    const newest = [...this.#orders.values()].sort(
      (left, right) => right.created_at.localeCompare(left.created_at) || right.sequence - left.sequence,
    );
    this.open = newest.filter((order) => OPEN.has(order.status));
    this.recent = newest.slice(0, RECENT);
    newest
      .filter((order) => !OPEN.has(order.status))
      .slice(2 * RECENT)
      .forEach((order) => this.#orders.delete(order.order_id));
    const fills = [...this.#fills.entries()].sort((left, right) => right[1].sequence - left[1].sequence);
    fills.slice(RECENT).forEach(([key]) => this.#fills.delete(key));
    this.fills = fills.slice(0, RECENT).map(([, fill]) => fill);
  }
}
