// Things that are worth something for a short while only.

import { randomBytes } from "node:crypto";

/** Values under unguessable ids. Lives in memory: a restart of the edge forgets them, and a login begins anew. */
export class Expiring<T> {
  readonly #lifetimeMs: number;
  readonly #capacity: number;
  readonly #entries = new Map<string, { value: T; until: number }>();

  /** @param capacity of more than so many the oldest go, so that strangers cannot fill the memory. */
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

  /** The value, unless its time is over. */
  get(id: string): T | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.until > Date.now()) return entry?.value;
    this.#entries.delete(id);
    return undefined;
  }

  /** The value, which is not there any more afterwards. */
  take(id: string): T | undefined {
    const value = this.get(id);
    this.#entries.delete(id);
    return value;
  }

  /** Drops what `test` accepts. */
  drop(test: (value: T) => boolean): void {
    for (const [id, { value }] of this.#entries) if (test(value)) this.#entries.delete(id);
  }
}
