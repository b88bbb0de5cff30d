// The connection to /v1/stream: it comes back by itself and checks every chain of messages.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;
const HEAL_PAUSE_MS = 1_000;
const PING_EVERY_MS = 15_000;
const SILENCE_MS = 40_000;

export class Stream {
  // `onPush` gets each message and gives false if it cannot be applied; `onState` gets
  // "connecting", "live", "healing", "offline" or "shutdown".
  constructor(url, onPush, onState) {
    this.url = url;
    this.onPush = onPush;
    this.onState = onState;
    this.channels = new Map(); // key -> {name, symbol}
    this.sequences = new Map(); // key -> sequence of the latest message
    this.healing = new Set(); // keys that wait for a snapshot
    this.gapsHealed = 0;
    this.socket = null;
    this.nextId = 1;
    this.waitMs = FIRST_WAIT_MS;
    this.shuttingDown = false;
    setInterval(() => this.watch(), PING_EVERY_MS);
  }

  connect() {
    this.onState(this.shuttingDown ? "shutdown" : "connecting");
    this.sequences.clear();
    this.healing.clear();
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.addEventListener("open", () => {
      this.waitMs = FIRST_WAIT_MS;
      this.shuttingDown = false;
      this.heardAt = performance.now();
      this.onState("live");
      this.send("subscribe", [...this.channels.values()]);
    });
    socket.addEventListener("message", ({ data }) => {
      this.heardAt = performance.now();
      this.receive(JSON.parse(data));
    });
    socket.addEventListener("close", () => {
      if (socket === this.socket) {
        this.reconnect();
      }
    });
  }

  reconnect() {
    this.onState(this.shuttingDown ? "shutdown" : "offline");
    // Half of the wait is random, so that a thousand pages do not come back at one instant.
    setTimeout(() => this.connect(), this.waitMs * (0.5 + Math.random() / 2));
    this.waitMs = Math.min(2 * this.waitMs, LONGEST_WAIT_MS);
  }

  subscribe(channels) {
    for (const channel of channels) {
      this.channels.set(keyOf(channel.name, channel.symbol), channel);
    }
    this.send("subscribe", channels);
  }

  unsubscribe(channels) {
    for (const { name, symbol } of channels) {
      const key = keyOf(name, symbol);
      this.channels.delete(key);
      this.sequences.delete(key);
      this.healing.delete(key);
    }
    this.send("unsubscribe", channels);
  }

  send(op, channels) {
    if (this.socket?.readyState === WebSocket.OPEN && channels.length > 0) {
      this.socket.send(JSON.stringify({ op, id: this.nextId, params: { channels } }));
      this.nextId += 1;
    }
  }

  receive(message) {
    if (message.channel === "system") {
      this.shuttingDown = message.data?.event === "server_shutdown";
      return;
    }
    const key = keyOf(message.channel, message.symbol);
    if (message.channel === undefined || !this.channels.has(key)) {
      return; // an answer, or the last words of a channel just left
    }
    const isSnapshot = message.type === "snapshot";
    if (!isSnapshot && this.healing.has(key)) {
      return;
    }
    const inOrder = isSnapshot || this.sequences.get(key) === message.previous_sequence;
    if (!inOrder || this.onPush(message) === false) {
      this.heal(key);
      return;
    }
    this.sequences.set(key, message.sequence);
    if (isSnapshot && this.healing.delete(key)) {
      this.gapsHealed += 1;
      this.onState(this.healing.size > 0 ? "healing" : "live");
    }
  }

  // Ask for a snapshot: at once, or after a pause where a snapshot itself was wrong.
  heal(key) {
    const pauseMs = this.healing.has(key) ? HEAL_PAUSE_MS : 0;
    this.healing.add(key);
    this.onState("healing");
    setTimeout(() => {
      if (this.healing.has(key)) {
        this.send("resync", [this.channels.get(key)]);
      }
    }, pauseMs);
  }

  // A connection that says nothing for long, not even to a ping, is dead: start anew.
  watch() {
    if (this.socket?.readyState !== WebSocket.OPEN) {
      return;
    }
    if (performance.now() - this.heardAt > SILENCE_MS) {
      const dead = this.socket;
      this.socket = null;
      dead.close();
      this.reconnect();
      return;
    }
    this.socket.send(JSON.stringify({ op: "ping", id: this.nextId, params: {} }));
    this.nextId += 1;
  }
}

export function keyOf(name, symbol) {
  return `${name} ${symbol}`;
}
