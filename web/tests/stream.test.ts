// The stream's client: what it sends when it connects, finds a gap, loses the connection.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import type { ProblemError } from "../src/lib/problem.ts";
import { StreamClient, type Push, type Socket } from "../src/lib/stream.ts";

class FakeSocket implements Socket {
  readyState = 0;
  sent: { op: string; id: number; params: Record<string, unknown> }[] = [];
  listeners: Record<string, (event: { data?: string }) => void> = {};
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.readyState = 3;
    this.listeners.close?.({});
  }
  addEventListener(kind: string, listener: (event: { data?: string }) => void): void {
    this.listeners[kind] = listener;
  }
  open(): void {
    this.readyState = 1;
    this.listeners.open?.({});
  }
  say(message: unknown): void {
    this.listeners.message?.({ data: JSON.stringify(message) });
  }
  // The latest request of that kind.
  asked(op: string) {
    return this.sent.findLast((message) => message.op === op);
  }
}

let sockets: FakeSocket[] = [];
let token: string | null = null;
let heard: Push[] = [];

function start(): StreamClient {
  const client = new StreamClient(
    () => {
      sockets.push(new FakeSocket());
      return sockets.at(-1) as FakeSocket;
    },
    () => token,
    () => {},
  );
  client.connect();
  return client;
}

function book(type: string, sequence: number, previous: number | null, symbol = "A") {
  return { channel: "book", symbol, type, sequence, previous_sequence: previous, data: {} };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  [sockets, token, heard] = [[], null, []];
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
});

test("a gap is healed by a snapshot, and what comes between is dropped", async () => {
  const client = start();
  client.subscribe("book", "A", (push) => void heard.push(push));
  const socket = sockets[0] as FakeSocket;
  socket.open();
  await settled();
  assert.deepEqual(socket.asked("subscribe")?.params, { channels: [{ name: "book", symbol: "A" }] });
  socket.say(book("snapshot", 5, null));
  socket.say(book("delta", 9, 8)); // 5 is the latest one known
  assert.equal(client.state, "healing");
  mock.timers.tick(0);
  assert.deepEqual(socket.asked("resync")?.params, { channels: [{ name: "book", symbol: "A" }] });
  socket.say(book("delta", 10, 9));
  socket.say(book("snapshot", 10, null));
  socket.say(book("delta", 12, 10));
  assert.deepEqual(heard.map((push) => push.sequence), [5, 10, 12]);
  assert.deepEqual([client.state, client.gapsHealed], ["live", 1]);
});

test("a handler that cannot apply a message has a new snapshot sent", async () => {
  const client = start();
  client.subscribe("book", "A", (push) => push.type === "snapshot");
  const socket = sockets[0] as FakeSocket;
  socket.open();
  await settled();
  socket.say(book("snapshot", 5, null));
  socket.say(book("delta", 6, 5));
  mock.timers.tick(0);
  assert.ok(socket.asked("resync"));
  assert.equal(client.state, "healing");
});

test("a lost connection comes back, logs in, and private channels go on where they stopped", async () => {
  token = "secret";
  const client = start();
  client.subscribe("fills", null, (push) => void heard.push(push));
  client.subscribe("book", "A", () => {});
  const first = sockets[0] as FakeSocket;
  first.open();
  assert.deepEqual(first.asked("login")?.params, { token: "secret" });
  first.say({ id: first.asked("login")?.id, result: {} });
  await settled();
  const asked = first.sent.find((message) => message.op === "subscribe");
  assert.deepEqual(asked?.params, { channels: [{ name: "fills" }] });
  first.say({ id: asked?.id, result: { sequence: 40 } });
  await settled();
  first.say({ ...book("event", 44, 40), channel: "fills" });
  first.close();
  assert.equal(client.state, "offline");
  mock.timers.tick(500);
  const second = sockets[1] as FakeSocket;
  second.open();
  second.say({ id: second.asked("login")?.id, result: {} });
  await settled();
  const again = second.sent.filter((message) => message.op === "subscribe");
  assert.deepEqual(again.map((message) => message.params), [
    { channels: [{ name: "fills", replay_from: 45 }] },
    { channels: [{ name: "book", symbol: "A" }] },
  ]);
  second.say({ ...book("event", 46, 44), channel: "fills" });
  assert.deepEqual(heard.map((push) => push.sequence), [44, 46]);
});

test("a silent connection is given up", async () => {
  const client = start();
  const socket = sockets[0] as FakeSocket;
  socket.open();
  await settled();
  client.watch();
  assert.equal(socket.asked("ping")?.op, "ping");
  mock.timers.tick(41_000);
  client.watch();
  assert.equal(client.state, "offline");
  await assert.rejects(client.request("ping"), (error: ProblemError) => error.problem.code === "unreachable");
});

test("leaving a channel unsubscribes when its last reader goes", async () => {
  const client = start();
  const socket = sockets[0] as FakeSocket;
  socket.open();
  await settled();
  const ends = [1, 2].map(() => client.subscribe("ticker", "A", () => {}));
  ends[0]?.();
  assert.equal(socket.asked("unsubscribe"), undefined);
  ends[1]?.();
  assert.deepEqual(socket.asked("unsubscribe")?.params, { channels: [{ name: "ticker", symbol: "A" }] });
});
