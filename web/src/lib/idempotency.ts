// Keys for what must count once: the same as long as the same is sent, so that a second click or
// a repetition after a lost answer does nothing twice.

import { newId } from "./ids.ts";

export class IdempotencyKey {
  #sent = "";
  #key = "";

  of(body: unknown): string {
    const sending = JSON.stringify(body);
    if (sending !== this.#sent) {
      [this.#sent, this.#key] = [sending, newId()];
    }
    return this.#key;
  }

  // It has counted: the same once more is meant as another one.
  done(): void {
    this.#sent = "";
  }
}
