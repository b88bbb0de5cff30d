// The REST interface: strict JSON, and every refusal as a ProblemError with the server's words.

import { language } from "./i18n.svelte.ts";
import { session } from "./session.svelte.ts";
import { problemOf, ProblemError, type Problem } from "./problem.ts";

export { asProblem, ProblemError, type Problem } from "./problem.ts";

type Query = Record<string, string | number | boolean | null | undefined>;

const UNREACHABLE = {
  en: "The exchange cannot be reached. Check the connection and try again.",
  zh: "无法连接交易所，请检查网络后重试。",
};
const UNREADABLE = {
  en: "The exchange gave an answer that this page does not understand.",
  zh: "交易所的应答无法识别。",
};

export interface Sending {
  query?: Query;
  body?: unknown;
  // For what must count once however often it is sent.
  idempotencyKey?: string;
  accept?: string;
  signal?: AbortSignal;
}

function address(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `v1${path}${text ? `?${text}` : ""}`;
}

async function send(method: string, path: string, sending: Sending): Promise<Response> {
  const headers = new Headers({ "Accept-Language": language.current });
  const token = session.current?.token;
  if (token !== undefined) {
    headers.set("Authorization", `Bearer ${token}`);
  }
  if (sending.accept !== undefined) {
    headers.set("Accept", sending.accept);
  }
  if (sending.idempotencyKey !== undefined) {
    headers.set("Idempotency-Key", sending.idempotencyKey);
  }
  const options: RequestInit = { method, headers, cache: "no-store" };
  if (sending.body !== undefined) {
    headers.set("Content-Type", "application/json");
    options.body = JSON.stringify(sending.body);
  }
  if (sending.signal !== undefined) {
    options.signal = sending.signal;
  }
  let response: Response;
  try {
    response = await fetch(address(path, sending.query), options);
  } catch (error) {
    if (sending.signal?.aborted) {
      throw error;
    }
    throw problemOf("unreachable", 0, UNREACHABLE[language.current]);
  }
  if (!response.ok) {
    const problem = (await response.json().catch(() => null)) as Problem | null;
    if (response.status === 401 && session.current?.token === token) {
      session.set(null); // it has ended; the page asks for it anew
    }
    throw problem === null
      ? problemOf("unreadable", response.status, UNREADABLE[language.current])
      : new ProblemError(problem);
  }
  return response;
}

async function call<T>(method: string, path: string, sending: Sending): Promise<T> {
  const response = await send(method, path, sending);
  return (response.status === 204 ? null : await response.json()) as T;
}

// Paths are those behind /v1.
export const api = {
  get: <T>(path: string, query: Query = {}, signal?: AbortSignal) =>
    call<T>("GET", path, signal === undefined ? { query } : { query, signal }),
  post: <T>(path: string, body: unknown = {}, more: Sending = {}) =>
    call<T>("POST", path, { ...more, body }),
  put: <T>(path: string, body: unknown) => call<T>("PUT", path, { body }),
  patch: <T>(path: string, body: unknown) => call<T>("PATCH", path, { body }),
  delete: <T>(path: string, query: Query = {}) => call<T>("DELETE", path, { query }),
  // A document that is not JSON, such as a PDF.
  file: async (path: string, accept: string, query: Query = {}) =>
    (await send("GET", path, { accept, query })).blob(),
};

// Hand a file to the reader.
export function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
