// The envelope that every answer of the Cloudflare API comes in, and the errors it carries.

import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";

interface Message {
  code: number;
  message: string;
  error_chain?: Message[];
}

/** A refusal. `errors` is what the client reads; `status` the HTTP status. */
export class ApiError extends Error {
  readonly status: ContentfulStatusCode;
  readonly errors: Message[];

  constructor(status: ContentfulStatusCode, code: number, message: string, ...more: Message[]) {
    super(message);
    this.status = status;
    this.errors = [{ code, message }, ...more];
  }
}

/** 403, as for a token that lacks a permission or does not reach the zone or account. */
export const forbidden = (): ApiError => new ApiError(403, 10000, "Authentication error");

/** 200 (or `status`) with a result. */
export function ok(c: Context, result: unknown, status: ContentfulStatusCode = 200): Response {
  return c.json({ success: true, errors: [], messages: [], result }, status);
}

/** The error's envelope. The header keeps the official clients from trying a deliberate error again. */
export function failed(c: Context, error: ApiError): Response {
  c.header("x-should-retry", "false");
  return c.json({ success: false, errors: error.errors, messages: [], result: null }, error.status);
}

/** 200 with one page of a list, by the query's `page` and `per_page` (default 1 and 20, at most 1000 a page). */
export function page(c: Context, items: unknown[]): Response {
  const number = (name: string, fallback: number): number => {
    const value = Number(c.req.query(name) ?? fallback);
    if (!Number.isInteger(value) || value < 1) throw new ApiError(400, 1004, `Invalid value for ${name}`);
    return value;
  };
  const current = number("page", 1);
  const size = Math.min(number("per_page", 20), 1000);
  const result = items.slice((current - 1) * size, current * size);
  // Cloudflare promises no more than this for every list; some have a number of pages.
  const info = { page: current, per_page: size };
  return c.json({ success: true, errors: [], messages: [], result, result_info: info });
}
