// Requests to the Cloudflare API, with the retries and the error text of the official plugin.
import { STATUS_CODES } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A JSON object. */
export type JsonObject = { [name: string]: Json };

/** The API answered with an error, or not at all. */
export class ApiError extends Error {
  /** HTTP status; undefined without an answer. */
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

/** How the provider is configured. */
export interface ClientOptions {
  /** With or without a slash at its end. */
  baseUrl: string;
  /** Sent with every request. */
  headers: Record<string, string>;
}

/** Attempts after the first one. */
const retries = 10;
/** No single attempt takes longer, in milliseconds. */
const attemptTimeout = 60_000;

/** Milliseconds until attempt `next` (1 for the first repetition): doubling from 2 s to 30 s, up to a quarter less. */
function backoff(next: number, retryAfter: string | null): number {
  const asked = retryAfter === null ? Number.NaN : Number(retryAfter) * 1000;
  if (asked >= 0 && asked < 60_000) return asked;
  return Math.min(30_000, 2000 * 2 ** (next - 1)) * (1 - Math.random() / 4);
}

function repeatable(response: Response): boolean {
  const told = response.headers.get("x-should-retry");
  if (told !== null) return told === "true";
  return [408, 409, 429].includes(response.status) || response.status >= 500;
}

/** Talks to one API. */
export class Client {
  readonly #base: string;
  readonly #headers: Record<string, string>;

  constructor(options: ClientOptions) {
    this.#base = options.baseUrl.replace(/\/*$/, "/");
    this.#headers = options.headers;
  }

  /**
   * Sends a request and returns `result` of the answer's envelope.
   * @param path relative to the base address, without a slash in front.
   * @throws ApiError with the status and the answer's text; a request's body is never part of it.
   */
  async request(method: string, path: string, body: JsonObject | undefined, signal: AbortSignal): Promise<Json> {
    const url = this.#base + path;
    const name = `${method} ${JSON.stringify(url)}`;
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      let retryAfter: string | null = null;
      try {
        const response = await fetch(url, {
          method,
          headers: { ...this.#headers, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
          body: body === undefined ? null : JSON.stringify(body),
          signal: AbortSignal.any([signal, AbortSignal.timeout(attemptTimeout)]),
        });
        const text = await response.text();
        if (response.ok) return this.#result(name, text);
        if (attempt >= retries || !repeatable(response)) {
          const reason = `${response.status} ${STATUS_CODES[response.status] ?? ""}`.trim();
          throw new ApiError(`failed to make http request: ${name}: ${reason} ${text}`.trim(), response.status);
        }
        retryAfter = response.headers.get("retry-after");
      } catch (error) {
        if (error instanceof ApiError || signal.aborted) throw error;
        if (attempt >= retries) {
          const { cause, message } = error as Error;
          throw new ApiError(
            `failed to make http request: ${name}: ${cause instanceof Error ? cause.message : message}`,
          );
        }
      }
      await sleep(backoff(attempt + 1, retryAfter), undefined, { signal });
    }
  }

  #result(name: string, text: string): Json {
    try {
      return (JSON.parse(text) as { result?: Json }).result ?? null;
    } catch {
      throw new ApiError(`failed to deserialize http request: ${name}: the answer is not JSON`);
    }
  }
}
