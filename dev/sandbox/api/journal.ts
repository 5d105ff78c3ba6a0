// The log of requests: method, path, status, who, how long. Never a body, never a header, so never a secret.

import { appendFileSync, existsSync, readFileSync } from "node:fs";
import type { HttpBindings } from "@hono/node-server";
import type { MiddlewareHandler } from "hono";
import type { ApiToken } from "./state.ts";
import { writeAtomically } from "./store.ts";

/** One request to the API. */
export interface Entry {
  id: number;
  at: string;
  method: string;
  path: string;
  /** HTTP status, or 0 if the connection was cut instead of answered. */
  status: number;
  /** Name of the API token, or null for requests without a known one. */
  token: string | null;
  duration_ms: number;
  /** Id of the fault it met. */
  fault?: string | undefined;
  /** True for a path that the double does not know. */
  unknown?: true | undefined;
}

/** Bindings and context variables of the API's routes. */
export interface ApiContext {
  Bindings: HttpBindings;
  Variables: { token: ApiToken; fault?: string; unknown?: true; cut?: true };
}

const KEPT = 1000;

/** The last requests, also across restarts. */
export class Journal {
  readonly #path: string;
  #entries: Entry[] = [];
  #next = 1;

  /** @param path JSON lines, one per request. */
  constructor(path: string) {
    this.#path = path;
    if (!existsSync(path)) return;
    for (const line of readFileSync(path, "utf8")
      .split("\n")
      .slice(-KEPT - 1)) {
      try {
        if (line !== "") this.#entries.push(JSON.parse(line) as Entry);
      } catch {
        // the last line of a process that was killed while writing it
      }
    }
    this.#next = (this.#entries.at(-1)?.id ?? 0) + 1;
    this.#rewrite();
  }

  add(entry: Omit<Entry, "id">): void {
    const full = { id: this.#next, ...entry };
    this.#next += 1;
    this.#entries.push(full);
    if (this.#entries.length > 2 * KEPT) {
      this.#entries = this.#entries.slice(-KEPT);
      this.#rewrite();
    } else {
      appendFileSync(this.#path, `${JSON.stringify(full)}\n`, { mode: 0o600 });
    }
  }

  /** The requests with an id above `after`, oldest first. */
  since(after = 0): Entry[] {
    return this.#entries.filter((entry) => entry.id > after);
  }

  #rewrite(): void {
    writeAtomically(this.#path, this.#entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  }
}

/** Writes every request to the journal, and those to unknown routes to standard error as well. */
export function journalling(journal: Journal): MiddlewareHandler<ApiContext> {
  return async (c, next) => {
    const start = performance.now();
    const at = new Date().toISOString();
    await next();
    const fault = c.get("fault");
    const unknown = c.get("unknown");
    const path = c.req.url.replace(/^[a-z]+:\/\/[^/]+/, "");
    journal.add({
      at,
      method: c.req.method,
      path,
      status: c.get("cut") === true ? 0 : c.res.status,
      token: (c.get("token") as ApiToken | undefined)?.name ?? null,
      duration_ms: Math.round((performance.now() - start) * 10) / 10,
      fault,
      unknown,
    });
    if (unknown)
      console.error(`!!! UNKNOWN ROUTE ${c.req.method} ${path}: the sandbox's Cloudflare has no such endpoint`);
  };
}
