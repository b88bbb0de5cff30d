// The one connection to /v1/stream: it comes back by itself, logs in, subscribes again, and checks
// every chain of messages. A gap is shown (state "healing") until a new snapshot, or for private
// channels the replayed past, has closed it.

import { problemOf, ProblemError, type Problem } from "./problem.ts";

export type StreamState = "connecting" | "live" | "healing" | "offline" | "shutdown";

export interface Push<Data = any> {
  channel: string;
  symbol: string | null;
  type: "snapshot" | "delta" | "event";
  sequence: number;
  previous_sequence: number | null;
  data: Data;
}

// Gives false if the message cannot be applied, so that a new snapshot is needed.
export type Handler = (push: Push) => boolean | void;

export interface Socket {
  readyState: number;
  send(text: string): void;
  close(): void;
  addEventListener(kind: string, listener: (event: { data?: string }) => void): void;
}

interface Channel {
  name: string;
  symbol: string | null;
  isPrivate: boolean;
  handlers: Set<Handler>;
  onSubscribed: Set<() => void>;
  sequence: number | null; // of the latest message; null: waiting for a snapshot
  isHealing: boolean;
}

interface Waiting {
  resolve: (result: never) => void;
  reject: (error: ProblemError) => void;
}

const OPEN = 1;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;
const HEAL_PAUSE_MS = 1_000;
const PING_EVERY_MS = 15_000;
const SILENCE_MS = 40_000;
const PRIVATE = new Set(["orders", "fills", "balances"]);

export class StreamClient {
  state: StreamState = "offline";
  gapsHealed = 0;
  #open: () => Socket;
  #token: () => string | null;
  #onChange: () => void;
  #onNotice: (data: Record<string, string>) => void;
  #socket: Socket | null = null;
  #channels = new Map<string, Channel>();
  #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #waitMs = FIRST_WAIT_MS;
  #isShuttingDown = false;
  #heardAtMs = 0;
  #isReady = false; // logged in, if there is somebody to log in

  // `token` gives whom to log in as; `onChange` hears of a new state, `onNotice` of system messages.
  constructor(
    open: () => Socket,
    token: () => string | null,
    onChange: () => void,
    onNotice: (data: Record<string, string>) => void = () => {},
  ) {
    this.#open = open;
    this.#token = token;
    this.#onChange = onChange;
    this.#onNotice = onNotice;
  }

  connect(): void {
    this.#isReady = false;
    this.#become(this.#isShuttingDown ? "shutdown" : "connecting");
    const socket = this.#open();
    this.#socket = socket;
    socket.addEventListener("open", () => void this.#begin(socket));
    socket.addEventListener("message", ({ data = "" }) => {
      if (socket === this.#socket) {
        this.#heardAtMs = Date.now();
        this.#receive(JSON.parse(data));
      }
    });
    socket.addEventListener("close", () => {
      if (socket === this.#socket) {
        this.#comeBack();
      }
    });
  }

  // Somebody else is signed in: begin anew as him. What he may not see is forgotten.
  restart(): void {
    for (const channel of this.#channels.values()) {
      if (channel.isPrivate) {
        channel.sequence = null;
      }
    }
    this.#drop();
    this.connect();
  }

  // Follow a channel; the function that is given back ends it. `onSubscribed` is called whenever a
  // private channel has begun: what is asked of REST from then on misses nothing.
  subscribe(
    name: string,
    symbol: string | null,
    handler: Handler,
    onSubscribed: () => void = () => {},
  ): () => void {
    const key = keyOf(name, symbol);
    let channel = this.#channels.get(key);
    if (channel === undefined) {
      const isPrivate = PRIVATE.has(name);
      const [handlers, called] = [new Set<Handler>(), new Set<() => void>()];
      const state = { sequence: null, isHealing: false };
      channel = { name, symbol, isPrivate, handlers, onSubscribed: called, ...state };
      this.#channels.set(key, channel);
    }
    const found = channel;
    found.handlers.add(handler);
    found.onSubscribed.add(onSubscribed);
    if (this.#isReady) {
      this.#askFor([found]); // also for a second reader: he needs a snapshot too
    }
    return () => {
      found.handlers.delete(handler);
      found.onSubscribed.delete(onSubscribed);
      if (found.handlers.size === 0 && this.#channels.get(key) === found) {
        this.#channels.delete(key);
        if (this.#isReady) {
          this.#tell("unsubscribe", { channels: [named(found)] });
        }
        this.#showHealing();
      }
    };
  }

  // Ask for something; rejects with a ProblemError.
  request<Result>(op: string, params: unknown = {}): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#socket?.readyState !== OPEN) {
        reject(unreachable());
        return;
      }
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ op, id, params }));
    });
  }

  // Called every PING_EVERY_MS: a connection that is silent, even to a ping, is dead.
  watch(): void {
    if (this.#socket?.readyState !== OPEN) {
      return;
    }
    if (Date.now() - this.#heardAtMs > SILENCE_MS) {
      this.#drop();
      this.#comeBack();
      return;
    }
    this.#tell("ping", {});
  }

  // --- The connection ---

  async #begin(socket: Socket): Promise<void> {
    this.#heardAtMs = Date.now();
    this.#isShuttingDown = false;
    const token = this.#token();
    if (token !== null) {
      await this.request("login", { token }).catch(() => {}); // REST tells that a session has ended
    }
    if (socket !== this.#socket || socket.readyState !== OPEN) {
      return;
    }
    this.#waitMs = FIRST_WAIT_MS;
    this.#isReady = true;
    for (const channel of this.#channels.values()) {
      channel.isHealing = false;
      if (!channel.isPrivate) {
        channel.sequence = null;
      }
    }
    this.#become("live");
    this.#askFor([...this.#channels.values()]);
  }

  #comeBack(): void {
    this.#isReady = false;
    this.#become(this.#isShuttingDown ? "shutdown" : "offline");
    for (const waiting of this.#waiting.values()) {
      waiting.reject(unreachable());
    }
    this.#waiting.clear();
    // Half of the wait is random, so that a thousand pages do not come back at one instant.
    setTimeout(() => {
      if (this.#socket?.readyState !== OPEN) {
        this.connect();
      }
    }, this.#waitMs * (0.5 + Math.random() / 2));
    this.#waitMs = Math.min(2 * this.#waitMs, LONGEST_WAIT_MS);
  }

  #drop(): void {
    const dead = this.#socket;
    this.#socket = null;
    dead?.close();
  }

  #tell(op: string, params: unknown): void {
    this.request(op, params).catch(() => {});
  }

  // --- Channels ---

  #askFor(channels: Channel[]): void {
    const isSignedIn = this.#token() !== null;
    for (const channel of channels.filter((one) => one.isPrivate && isSignedIn)) {
      this.#askForPrivate(channel);
    }
    const open = channels.filter((one) => !one.isPrivate);
    if (open.length > 0) {
      this.#tell("subscribe", { channels: open.map(named) });
    }
  }

  // From where it stopped; at first from now on.
  #askForPrivate(channel: Channel): void {
    const isReplayed = channel.sequence !== null && channel.name !== "balances";
    const from = isReplayed ? { replay_from: (channel.sequence as number) + 1 } : {};
    this.request<{ sequence: number }>("subscribe", { channels: [{ name: channel.name, ...from }] })
      .then(({ sequence }) => {
        channel.sequence ??= sequence;
        this.#healed(channel);
        channel.onSubscribed.forEach((call) => call());
      })
      .catch(() => {});
  }

  #receive(message: Push & { id?: number; result?: never; error?: Problem }): void {
    if (message.channel === undefined) {
      const waiting = this.#waiting.get(message.id ?? 0);
      this.#waiting.delete(message.id ?? 0);
      if (message.error !== undefined) {
        waiting?.reject(new ProblemError(message.error));
      } else {
        waiting?.resolve(message.result as never);
      }
      return;
    }
    if (message.channel === "system") {
      this.#isShuttingDown ||= message.data.event === "server_shutdown";
      this.#onNotice(message.data);
      return;
    }
    const channel = this.#channels.get(keyOf(message.channel, message.symbol));
    const found = channel ?? this.#channels.get(keyOf(message.channel, null));
    if (found !== undefined) {
      this.#follow(found, message);
    }
  }

  #follow(channel: Channel, push: Push): void {
    const isSnapshot = push.type === "snapshot";
    if (!isSnapshot && (channel.isHealing || (channel.sequence === null && !channel.isPrivate))) {
      return; // the snapshot that is on its way holds it already
    }
    const isNext = channel.sequence === null || channel.sequence === push.previous_sequence;
    if (!isSnapshot && !isNext) {
      this.#heal(channel);
      return;
    }
    for (const handler of channel.handlers) {
      if (handler(push) === false) {
        this.#heal(channel);
        return;
      }
    }
    channel.sequence = push.sequence;
    if (isSnapshot) {
      this.#healed(channel);
    }
  }

  // Ask for what is missing: at once, or after a pause where a snapshot itself was wrong.
  #heal(channel: Channel): void {
    const pauseMs = channel.isHealing ? HEAL_PAUSE_MS : 0;
    channel.isHealing = true;
    this.#showHealing();
    setTimeout(() => {
      if (!channel.isHealing || !this.#isReady || channel.handlers.size === 0) {
        return;
      }
      if (channel.isPrivate) {
        this.#askForPrivate(channel);
      } else {
        this.#tell("resync", { channels: [named(channel)] });
      }
    }, pauseMs);
  }

  #healed(channel: Channel): void {
    if (channel.isHealing) {
      channel.isHealing = false;
      this.gapsHealed += 1;
      this.#showHealing();
    }
  }

  #showHealing(): void {
    if (this.#isReady) {
      const isHealing = [...this.#channels.values()].some((channel) => channel.isHealing);
      this.#become(isHealing ? "healing" : "live");
    }
  }

  #become(state: StreamState): void {
    this.state = state;
    this.#onChange();
  }
}

export const PING_INTERVAL_MS = PING_EVERY_MS;

function unreachable(): ProblemError {
  return problemOf("unreachable", 0, "The exchange cannot be reached. 无法连接交易所。");
}

function keyOf(name: string, symbol: string | null): string {
  return `${name} ${symbol ?? ""}`;
}

function named({ name, symbol }: Channel): { name: string; symbol: string | null } {
  return { name, symbol };
}
