// A list that comes in pages, newest first: the first page at once, the next when asked for.

import { api, asProblem, type Problem } from "./api.ts";

type Query = Record<string, string | number | boolean | null | undefined>;
interface PageOf<Item> {
  items: Item[];
  next_cursor: string | null;
}

const PAGE = 50;

export class Listing<Item> {
  items = $state.raw<Item[]>([]);
  problem = $state.raw<Problem | null>(null);
  isLoading = $state(true);
  #cursor = $state<string | null>(null);
  #path: () => string;
  #query: () => Query;
  #asked = 0;

  // Made while a component is set up; what `path` and `query` read makes it begin again.
  constructor(path: () => string, query: () => Query = () => ({})) {
    this.#path = path;
    this.#query = query;
    $effect(() => {
      void this.reload();
    });
  }

  reload = (): Promise<void> => this.#load(this.#path(), this.#query(), null);

  // For <Table more={...}>: null once everything is there.
  get more(): (() => void) | null {
    const cursor = this.#cursor;
    return cursor === null ? null : () => void this.#load(this.#path(), this.#query(), cursor);
  }

  async #load(path: string, query: Query, cursor: string | null): Promise<void> {
    const asked = ++this.#asked;
    this.isLoading = true;
    try {
      const page = await api.get<PageOf<Item>>(path, { limit: PAGE, ...query, cursor });
      if (asked === this.#asked) {
        this.items = cursor === null ? page.items : [...this.items, ...page.items];
        this.#cursor = page.next_cursor;
        this.problem = null;
      }
    } catch (error) {
      if (asked === this.#asked) {
        this.problem = asProblem(error);
      }
    } finally {
      if (asked === this.#asked) {
        this.isLoading = false;
      }
    }
  }
}
