// The page's one stream, its state for everybody to see, and channels for as long as a component
// is there.

import { untrack } from "svelte";
import { session } from "./session.svelte.ts";
import { StreamClient, PING_INTERVAL_MS, type Handler, type Push, type StreamState } from "./stream.ts";
import { onceAFrame } from "./frame.ts";

let state = $state<StreamState>("offline");
let gapsHealed = $state(0);
let notice = $state.raw<Record<string, string> | null>(null);

const client = new StreamClient(
  () => new WebSocket(new URL("v1/stream", location.href.replace(/^http/, "ws"))),
  () => session.current?.token ?? null,
  () => {
    state = client.state;
    gapsHealed = client.gapsHealed;
  },
  (data) => {
    notice = data;
  },
);

let isStarted = $state(false);
let token: string | null = null;

// Connects when the first page needs it.
function start(): void {
  if (isStarted) {
    return;
  }
  isStarted = true;
  token = session.current?.token ?? null;
  client.connect();
  setInterval(() => client.watch(), PING_INTERVAL_MS);
}

export const live = {
  get state(): StreamState {
    return state;
  },
  get gapsHealed(): number {
    return gapsHealed;
  },
  // The latest word about the exchange itself, such as {event: "trading_halted", symbol, reason}.
  get notice(): Record<string, string> | null {
    return notice;
  },
  get isUsed(): boolean {
    return isStarted;
  },
  request: <Result>(op: string, params: unknown = {}) => client.request<Result>(op, params),
  // Log in or out on the connection too, after the session has changed.
  followSession(): void {
    const now = session.current?.token ?? null;
    if (isStarted && now !== token) {
      token = now;
      client.restart();
    }
  },
};

// Within a component: follow a channel while `symbol` stays what it is (null: a private channel),
// and draw once a frame after what was heard.
export function follow(
  name: string,
  symbol: () => string | null,
  handler: Handler,
  draw: () => void = () => {},
  onSubscribed: () => void = () => {},
): void {
  $effect(() => {
    const wanted = symbol();
    untrack(start);
    const frame = onceAFrame(draw);
    const taken = (push: Push) => {
      const isTaken = handler(push);
      frame.request();
      return isTaken;
    };
    const end = untrack(() => client.subscribe(name, wanted, taken, onSubscribed));
    return () => {
      end();
      frame.cancel();
    };
  });
}
