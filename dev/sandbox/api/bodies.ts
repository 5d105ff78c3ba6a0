// Reads request bodies strictly: a field that the real API does not know is an error.

import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { z } from "zod";
import { ApiError } from "./answers.ts";

/** The request's JSON body. Throws 400 for anything that is not a JSON object. */
export async function jsonBody(c: Context): Promise<Record<string, unknown>> {
  let body: unknown;
  try {
    body = JSON.parse(await c.req.text());
  } catch {
    throw new ApiError(400, 6007, "Malformed JSON in request body");
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new ApiError(400, 6007, "Malformed JSON in request body");
  }
  return body as Record<string, unknown>;
}

/** How one part of the API words a body that does not fit. */
export interface Refusal {
  code: number;
  /** Put before the field and its problem, e.g. "access.api.error.invalid_request: ". */
  prefix: string;
  status?: ContentfulStatusCode;
}

/** Checks a value against a schema. Throws an ApiError that names every field with its problem, never its value. */
export function check<T extends z.ZodType>(schema: T, value: unknown, refusal: Refusal): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => {
    const place = issue.path.map(String).join(".");
    return place === "" ? issue.message : `${place}: ${issue.message}`;
  });
  throw new ApiError(refusal.status ?? 400, refusal.code, `${refusal.prefix}${problems.join("; ")}`);
}

/** Reads and checks the request's body. */
export async function readBody<T extends z.ZodType>(c: Context, schema: T, refusal: Refusal): Promise<z.output<T>> {
  return check(schema, await jsonBody(c), refusal);
}

/** The current time as the API writes it: RFC 3339, UTC, whole seconds. */
export const now = (): string => rfc3339(new Date());

export const rfc3339 = (date: Date): string => date.toISOString().replace(/\.\d+Z$/, "Z");

const UNITS: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a Go duration such as "24h" or "1h30m", undefined if it is none. */
export function goDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(amount) * (UNITS[unit ?? ""] ?? 0);
  }
  return total;
}
