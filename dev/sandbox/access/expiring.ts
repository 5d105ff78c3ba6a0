// Values that expire.

import { randomBytes } from "node:crypto";

/** Values under unguessable ids. They are in memory: after a restart of the edge a login has to begin anew. */
export class Expiring<T> {
  readonly #lifetimeMs: number;
  readonly #capacity: number;
  readonly #entries = new Map<string, { value: T; until: number }>();

  /** @param capacity above this number the oldest are dropped, so that strangers cannot fill the memory. */
  constructor(lifetimeMs: number, capacity = 1000) {
    this.#lifetimeMs = lifetimeMs;
    this.#capacity = capacity;
  }

  /** Keeps a value and returns its id. */
  add(value: T): string {
    const id = randomBytes(18).toString("base64url");
    this.#entries.set(id, { value, until: Date.now() + this.#lifetimeMs });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#capacity) break;
      this.#entries.delete(oldest);
    }
    return id;
  }

  /** The value, unless it has expired. */
  get(id: string): T | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.until > Date.now()) return entry?.value;
    this.#entries.delete(id);
    return undefined;
  }

  /** Returns the value and removes it. */
  take(id: string): T | undefined {
    const value = this.get(id);
    this.#entries.delete(id);
    return value;
  }

  /** Drops the values that `test` accepts. */
  drop(test: (value: T) => boolean): void {
    for (const [id, { value }] of this.#entries) if (test(value)) this.#entries.delete(id);
  }
}
