// Faults on demand: a test says which request is to go wrong, when and how.

import { EventEmitter, once } from "node:events";
import type { Context, MiddlewareHandler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { z } from "zod";
import { newId } from "./ids.ts";
import type { ApiContext } from "./journal.ts";

export const faultSchema = z.strictObject({
  /** HTTP method. Default: any. */
  method: z.string().toUpperCase().optional(),
  /** Regular expression, matched against the path after `/client/v4`, without the query. Default: any. */
  path: z
    .string()
    .refine((source) => isRegExp(source), "is a regular expression")
    .optional(),
  /** How many matching requests to pass first. Default 0. */
  skip: z.int().min(0).default(0),
  /** How many requests to hit after that; 0 means every one. Default 1. */
  times: z.int().min(0).default(1),
  /** `before`: nothing was done yet. `after`: the change is made and on disk. Default `before`. */
  phase: z.enum(["before", "after"]).default("before"),
  /**
   * `status`: answer with an error. `cut`: close the connection without an answer. `hold`: wait until the fault is
   * removed (10 minutes at most), then continue normally.
   */
  outcome: z.enum(["status", "cut", "hold"]),
  /** For `status`: the HTTP status. Default 500. */
  status: z.int().min(400).max(599).default(500),
  /** For `status`: code and message of the error. */
  code: z.int().default(10001),
  message: z.string().default("Fault injected by the sandbox"),
  /** For `status`: whether clients may retry (no `x-should-retry: false`). Default false. */
  retryable: z.boolean().default(false),
  /** For `status`: seconds for a `Retry-After` header. Default: none. */
  retry_after: z.int().min(0).optional(),
});

export type FaultRule = z.input<typeof faultSchema>;

/** A fault's rule, and how often it was matched and hit. */
export type Fault = z.output<typeof faultSchema> & { id: string; seen: number; hits: number };

const HOLD_LIMIT_MS = 600_000;

function isRegExp(source: string): boolean {
  try {
    new RegExp(source);
    return true;
  } catch {
    return false;
  }
}

/** The faults that are set. They live in memory: a restart of the process clears them. */
export class Faults {
  readonly #faults = new Map<string, Fault>();
  readonly #events = new EventEmitter().setMaxListeners(0);

  add(rule: z.output<typeof faultSchema>): Fault {
    const fault = { ...rule, id: newId().slice(0, 8), seen: 0, hits: 0 };
    this.#faults.set(fault.id, fault);
    return fault;
  }

  list(): Fault[] {
    return [...this.#faults.values()];
  }

  get(id: string): Fault | undefined {
    return this.#faults.get(id);
  }

  /** Removes one fault, or all; requests held by it go on. */
  remove(id?: string): void {
    if (id === undefined) this.#faults.clear();
    else this.#faults.delete(id);
    this.#events.emit("change");
  }

  /** Resolves when the fault has been hit `count` times or is gone, or after `milliseconds`. */
  async hit(id: string, count: number, milliseconds: number): Promise<void> {
    const waiting = (): boolean => (this.#faults.get(id)?.hits ?? count) < count;
    await this.#until(() => !waiting(), milliseconds);
  }

  /** Resolves when the fault is removed, or after ten minutes. */
  async released(id: string): Promise<void> {
    await this.#until(() => !this.#faults.has(id), HOLD_LIMIT_MS);
  }

  /** The fault that applies to this request, if any; counts it. */
  take(method: string, path: string): Fault | undefined {
    let found: Fault | undefined;
    for (const fault of this.#faults.values()) {
      if (fault.method !== undefined && fault.method !== method) continue;
      if (fault.path !== undefined && !new RegExp(fault.path).test(path)) continue;
      fault.seen += 1;
      const spent = fault.times > 0 && fault.hits >= fault.times;
      if (found !== undefined || fault.seen <= fault.skip || spent) continue;
      fault.hits += 1;
      found = fault;
    }
    if (found !== undefined) this.#events.emit("change");
    return found;
  }

  async #until(done: () => boolean, milliseconds: number): Promise<void> {
    const signal = AbortSignal.timeout(milliseconds);
    while (!done() && !signal.aborted) {
      await once(this.#events, "change", { signal }).catch(() => undefined);
    }
  }
}

/** Closes the client's connection without an answer. */
function cut(c: Context<ApiContext>): Response {
  c.set("cut", true);
  c.env.incoming.socket.destroy();
  return c.body(null);
}

async function strike(c: Context<ApiContext>, faults: Faults, fault: Fault): Promise<Response | undefined> {
  if (fault.outcome === "cut") return cut(c);
  if (fault.outcome === "hold") {
    await faults.released(fault.id);
    return undefined;
  }
  const headers: Record<string, string> = fault.retryable ? {} : { "x-should-retry": "false" };
  if (fault.retry_after !== undefined) headers["retry-after"] = String(fault.retry_after);
  const errors = [{ code: fault.code, message: fault.message }];
  const body = { success: false, errors, messages: [], result: null };
  return c.json(body, fault.status as ContentfulStatusCode, headers);
}

/** Applies the faults to requests. */
export function faultGate(faults: Faults, prefix: string): MiddlewareHandler<ApiContext> {
  return async (c, next) => {
    const fault = faults.take(c.req.method, c.req.path.slice(prefix.length));
    if (fault === undefined) return next();
    c.set("fault", fault.id);
    if (fault.phase === "before") {
      const answer = await strike(c, faults, fault);
      return answer ?? next();
    }
    await next();
    const answer = await strike(c, faults, fault);
    if (answer === undefined) return;
    // Hono merges the headers of an answer that is replaced; the first answer must leave no trace.
    c.res = undefined;
    c.res = answer;
  };
}
