// Records what is sent to an API, what it answers, and which fields of the answers are read.

import { vi } from "vitest";

/** One request with its answer. */
export interface Exchange {
  method: string;
  /** Below /client/v4, without the query. */
  path: string;
  /** Names of the query's parameters. */
  query: string[];
  body: unknown;
  status: number;
  result: unknown;
  /** Paths of the fields of the result that were read; `[]` is an element of a list. */
  read: Set<string>;
}

/** A value that notes which of its fields are asked for, those that it does not have among them. */
function observed<T>(value: T, path: string, read: Set<string>): T {
  if (typeof value !== "object" || value === null) return value;
  return new Proxy(value, {
    get(target, name) {
      const one: unknown = Reflect.get(target, name);
      // JSON.stringify means the whole, none of the fields by its name.
      if (name === "toJSON") return () => target;
      // `await` asks every object for it.
      if (typeof name === "symbol" || name === "then") return one;
      if (Array.isArray(target)) return /^\d+$/.test(name) ? observed(one, `${path}\n[]`, read) : one;
      read.add(`${path}\n${name}`);
      return observed(one, `${path}\n${name}`, read);
    },
  });
}

/** Records from now on all that `fetch` sends to `base`. */
export function recordExchanges(base: string): Exchange[] {
  const exchanges: Exchange[] = [];
  const original = globalThis.fetch;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const response = await original(input, init);
    const url = new URL(input instanceof Request ? input.url : input);
    if (!url.href.startsWith(base)) return response;
    // A deleted ruleset is answered without a body.
    const envelope = (await response
      .clone()
      .json()
      .catch(() => ({ result: undefined }))) as { result: unknown };
    const exchange: Exchange = {
      method: init?.method ?? "GET",
      path: url.pathname.replace("/client/v4", ""),
      query: [...url.searchParams.keys()],
      body: typeof init?.body === "string" ? JSON.parse(init.body) : undefined,
      status: response.status,
      result: envelope.result,
      read: new Set(),
    };
    exchanges.push(exchange);
    const result = observed(structuredClone(envelope.result), "", exchange.read);
    vi.spyOn(response, "json").mockResolvedValue({ ...envelope, result });
    return response;
  });
  return exchanges;
}
