// What a page loads and what it does, each with its state: shown by <Loaded> and <ProblemNote>.

import { asProblem, type Problem } from "./api.ts";

// Something that is fetched when the page opens and whenever what it depends on changes.
export class Resource<T> {
  data = $state.raw<T | null>(null);
  problem = $state.raw<Problem | null>(null);
  isLoading = $state(true);
  #load: (signal: AbortSignal) => Promise<T>;
  #abort: AbortController | null = null;

  // Made while a component is set up; what `load` reads synchronously makes it load again.
  constructor(load: (signal: AbortSignal) => Promise<T>) {
    this.#load = load;
    $effect(() => {
      void this.reload();
      return () => this.#abort?.abort();
    });
  }

  // What was there stays until the new is.
  reload = async (): Promise<void> => {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.isLoading = true;
    try {
      const data = await this.#load(abort.signal);
      if (this.#abort === abort) {
        this.data = data;
        this.problem = null;
      }
    } catch (error) {
      if (this.#abort === abort && !abort.signal.aborted) {
        this.problem = asProblem(error);
      }
    } finally {
      if (this.#abort === abort) {
        this.isLoading = false;
      }
    }
  };
}

// Something that the reader does: not twice at once, and with what was refused.
export class Action<Arguments extends unknown[] = []> {
  isBusy = $state(false);
  problem = $state.raw<Problem | null>(null);
  #work: (...given: Arguments) => Promise<void>;

  constructor(work: (...given: Arguments) => Promise<void>) {
    this.#work = work;
  }

  run = async (...given: Arguments): Promise<void> => {
    if (this.isBusy) {
      return;
    }
    this.isBusy = true;
    this.problem = null;
    try {
      await this.#work(...given);
    } catch (error) {
      this.problem = asProblem(error);
    } finally {
      this.isBusy = false;
    }
  };

  // The problem's words, if it is about that member of the body.
  of(field: string): string | null {
    return this.problem?.field === field ? this.problem.detail : null;
  }
}

// Within a component: do it again and again, but not while nobody looks at the page.
export function every(intervalMs: number, work: () => void): void {
  $effect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) {
        work();
      }
    }, intervalMs);
    return () => clearInterval(timer);
  });
}
