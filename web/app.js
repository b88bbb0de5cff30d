// The page: what the stream says, drawn at most once for each frame of the screen.

import { Book } from "./book.js";
import { Stream } from "./stream.js";
import { currentLanguage, setLanguage, text } from "./texts.js";

const DEPTH = 10;
const TAPE_LENGTH = 21;
const RETRY_MS = 2_000;
const CONTENT = "-H 'Content-Type: application/json'";
const THEMES = ["auto", "light", "dark"];

const state = {
  symbols: [],
  symbol: null,
  tickers: new Map(), // symbol -> ticker
  book: new Book(),
  trades: [], // newest first
  newTrades: 0, // how many of them came since the last draw; Infinity: all are to be drawn anew
  connection: "connecting",
};
let commandsFor = null; // what the shown commands were made for
let frameAsked = false;

const byId = (id) => document.getElementById(id);
const streamUrl = new URL("v1/stream", document.baseURI);
streamUrl.protocol = streamUrl.protocol.replace("http", "ws");
const stream = new Stream(streamUrl.href, onPush, (connection) => {
  state.connection = connection;
  draw();
});

// --- What the stream says ---

function onPush({ channel, symbol, type, data, ...rest }) {
  draw();
  if (channel === "ticker") {
    state.tickers.set(symbol, data);
  } else if (symbol !== state.symbol) {
    return true;
  } else if (channel === "book") {
    return state.book.apply({ type, data, ...rest });
  } else if (type === "snapshot") {
    state.trades = data.items.slice(0, TAPE_LENGTH);
    state.newTrades = Infinity;
  } else {
    state.trades = [data, ...state.trades].slice(0, TAPE_LENGTH);
    state.newTrades += 1;
  }
  return true;
}

function select(symbol) {
  const channelsOf = (of) => ["book", "trades"].map((name) => ({ name, symbol: of }));
  if (state.symbol !== null) {
    stream.unsubscribe(channelsOf(state.symbol));
  }
  state.symbol = symbol;
  state.book = new Book();
  state.trades = [];
  state.newTrades = Infinity;
  stream.subscribe(channelsOf(symbol));
  remember("symbol", symbol);
  draw();
}

// --- Drawing ---

function draw() {
  if (!frameAsked) {
    frameAsked = true;
    requestAnimationFrame(() => {
      frameAsked = false;
      drawConnection();
      drawTabs();
      drawTicker(state.tickers.get(state.symbol));
      drawBook();
      drawTape();
      drawCommands();
    });
  }
}

// Change a text only where it differs, so that nothing is laid out again without need.
function put(element, value) {
  if (element.textContent !== value) {
    element.textContent = value;
  }
}

function drawConnection() {
  byId("connection").dataset.state = state.connection;
  byId("market").dataset.connection = state.connection; // what is no longer current looks so
  put(byId("connection-text"), text(state.connection));
}

function drawTabs() {
  for (const button of byId("instruments").children) {
    const symbol = button.dataset.symbol;
    button.setAttribute("aria-current", String(symbol === state.symbol));
    put(button.lastElementChild, state.tickers.get(symbol)?.last ?? "–");
  }
}

function drawTicker(ticker) {
  put(byId("symbol"), state.symbol ?? "–");
  const show = (id, value) => put(byId(id), value ?? "–");
  for (const name of ["last", "open", "high", "low", "vwap", "reference_price", "trading_day"]) {
    show(name, ticker?.[name]);
  }
  show("volume", ticker && grouped(ticker.volume));
  show("turnover", ticker && grouped(ticker.turnover));
  show("limits", ticker && `${ticker.lower_limit} – ${ticker.upper_limit}`);
  const halt = ticker?.halt_reason ? ` (${ticker.halt_reason})` : "";
  show("phase", ticker && text(`phase_${ticker.phase}`) + halt);
  byId("phase").dataset.phase = ticker?.phase ?? "";
  const change = ticker?.change;
  const falls = change?.startsWith("-");
  const sign = change && !falls && change !== "0.00" ? "+" : "";
  show("change", change && `${sign}${change} (${sign}${ticker.change_percent} %)`);
  byId("change").className = `change ${falls ? "down" : sign && "up"}`;
}

function drawBook() {
  const { bids, asks, sequence, checksum } = state.book;
  const sums = (levels) => {
    let sum = 0n;
    return levels.slice(0, DEPTH).map((level) => [...level, (sum += BigInt(level[1]))]);
  };
  const [bidRows, askRows] = [sums(bids), sums(asks)];
  const deepest = Math.max(Number(bidRows.at(-1)?.[3] ?? 1), Number(askRows.at(-1)?.[3] ?? 1));
  drawSide(byId("bids"), bidRows, deepest);
  drawSide(byId("asks"), askRows.reverse(), deepest);
  put(byId("spread"), bids.length && asks.length ? difference(asks[0][0], bids[0][0]) : "–");
  const values = { sequence, checksum, gaps: stream.gapsHealed };
  const isCurrent = state.connection === "live" && sequence !== null;
  put(byId("book-state"), isCurrent ? text("book_state", values) : text("book_stale"));
}

function drawSide(body, rows, deepest) {
  while (body.rows.length > rows.length) {
    body.deleteRow(-1);
  }
  rows.forEach(([price, quantity, orders, sum], index) => {
    const row = body.rows[index] ?? newRow(body, 4);
    const cells = [price, grouped(quantity), String(orders), grouped(String(sum))];
    cells.forEach((value, column) => put(row.cells[column], value));
    row.style.setProperty("--depth", (Number(sum) / deepest).toFixed(3));
  });
}

function drawTape() {
  if (state.newTrades === 0) {
    return;
  }
  const body = byId("trades");
  if (state.newTrades > TAPE_LENGTH) {
    body.replaceChildren();
  }
  const fresh = state.trades.slice(0, state.newTrades);
  for (const trade of fresh.reverse()) {
    const row = newRow(body, 4, 0);
    row.className = state.newTrades > TAPE_LENGTH ? "" : "new";
    const time = new Date(trade.time).toLocaleTimeString(currentLanguage(), { hour12: false });
    const cells = [time, trade.price, grouped(trade.quantity), text(trade.taker_side)];
    cells.forEach((value, column) => put(row.cells[column], value));
    row.cells[1].className = row.cells[3].className = trade.taker_side;
  }
  while (body.rows.length > TAPE_LENGTH) {
    body.deleteRow(-1);
  }
  byId("no-trades").hidden = state.trades.length > 0;
  state.newTrades = 0;
}

// The limit is the day's highest price, so that the text stays as it is while the market moves.
function drawCommands() {
  const price = state.tickers.get(state.symbol)?.upper_limit;
  if (!price || commandsFor === `${state.symbol} ${price}`) {
    return;
  }
  commandsFor = `${state.symbol} ${price}`;
  const base = new URL("v1", document.baseURI).href;
  const bearer = '-H "Authorization: Bearer $TOKEN"';
  const order = {
    client_order_id: `first-${Date.now().toString(36).slice(-6)}`,
    symbol: state.symbol,
    side: "buy",
    type: "limit",
    price,
    quantity: "10",
  };
  put(
    byId("curl-login"),
    `TOKEN=$(curl -s ${base}/sessions ${CONTENT} \\\n` +
      `  -d '{"username":"enterprise","password":"demo"}' \\\n` +
      `  | sed 's/.*"token" *: *"\\([^"]*\\)".*/\\1/')`,
  );
  put(
    byId("curl-order"),
    `curl -s ${base}/orders ${bearer} ${CONTENT} \\\n  -d '${JSON.stringify(order)}'; echo`,
  );
  put(byId("curl-fills"), `curl -s "${base}/fills?symbol=${state.symbol}" ${bearer}; echo`);
}

function newRow(body, cells, index = -1) {
  const row = body.insertRow(index);
  for (let column = 0; column < cells; column += 1) {
    row.insertCell();
  }
  return row;
}

// "1234567.80" as "1,234,567.80", without going through a number.
function grouped(decimal) {
  const [whole, fraction] = decimal.split(".");
  const groups = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? groups : `${groups}.${fraction}`;
}

// One price less another, exactly: both have two decimals.
function difference(left, right) {
  const fen = BigInt(left.replace(".", "")) - BigInt(right.replace(".", ""));
  const digits = String(fen < 0n ? -fen : fen).padStart(3, "0");
  return `${fen < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

// --- What the reader chooses ---

function remember(name, value) {
  try {
    localStorage.setItem(`puhui.${name}`, value);
  } catch {
    // Storage is refused; the choice lasts as long as the page.
  }
}

function recall(name) {
  try {
    return localStorage.getItem(`puhui.${name}`);
  } catch {
    return null;
  }
}

function chooseLanguage(name) {
  setLanguage(name);
  const other = currentLanguage() === "zh" ? ["English", "en"] : ["中文", "zh"];
  [byId("language").textContent, byId("language").lang] = other;
  state.newTrades = Infinity;
  draw();
}

function chooseTheme(name) {
  document.documentElement.dataset.theme = THEMES.includes(name) ? name : "auto";
}

function listen() {
  byId("language").addEventListener("click", () => {
    chooseLanguage(byId("language").lang);
    remember("language", currentLanguage());
  });
  byId("theme").addEventListener("click", () => {
    const shown = document.documentElement.dataset.theme;
    const systemIsDark = matchMedia("(prefers-color-scheme: dark)").matches;
    const isDark = shown === "dark" || (shown === "auto" && systemIsDark);
    chooseTheme(isDark ? "light" : "dark");
    remember("theme", isDark ? "light" : "dark");
  });
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(byId(button.dataset.copy).textContent);
      button.textContent = text("copied");
      setTimeout(() => put(button, text("copy")), RETRY_MS);
    });
  }
}

// --- The beginning ---

async function getJson(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) {
    throw new Error(`${path} answered ${response.status}`);
  }
  return response.json();
}

async function start() {
  try {
    const [instruments, status] = await Promise.all([
      getJson("v1/instruments"),
      getJson("v1/status"),
    ]);
    byId("demo").hidden = !status.demo;
    state.symbols = instruments.items.map(({ symbol }) => symbol);
  } catch {
    state.connection = "offline";
    draw();
    setTimeout(start, RETRY_MS);
    return;
  }
  byId("instruments").replaceChildren(...state.symbols.map(newTab));
  stream.subscribe(state.symbols.map((symbol) => ({ name: "ticker", symbol })));
  const recalled = recall("symbol");
  const first = state.symbols.includes(recalled) ? recalled : state.symbols[0];
  if (first !== undefined) {
    select(first);
  }
  stream.connect();
}

function newTab(symbol) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.symbol = symbol;
  const [name, last] = [document.createElement("span"), document.createElement("span")];
  name.className = "tab-symbol";
  name.textContent = symbol;
  button.append(name, last);
  button.addEventListener("click", () => symbol !== state.symbol && select(symbol));
  return button;
}

chooseTheme(recall("theme"));
chooseLanguage(recall("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en"));
listen();
start();
