import { setTimeout as sleep } from "node:timers/promises";

/** What the provider cannot do at Cloudflare: look for resources, and delete one that is not in the state. */
export interface Account {
  /** The results of a GET of a list, of all its pages. */
  list<T>(path: string): Promise<T[]>;
  /** The result of a GET; `undefined` where there is nothing at that address. */
  find<T>(path: string): Promise<T | undefined>;
  /** Deletes what is at an address, if it is still there. */
  remove(path: string): Promise<void>;
}

/** Milliseconds for one answer, and before another attempt. */
const ANSWER_MS = 15_000;
const PAUSE_MS = 1000;
const ATTEMPTS = 4;
/** The largest page that all of the lists take. */
const PAGE = 50;

/** The frame around every answer; fields are missing where something else than the API answers. */
interface Envelope {
  result?: unknown;
  result_info?: { total_pages?: number };
  errors?: readonly { message?: string }[];
}

/**
 * Talks to the API with a token, which goes nowhere but to `baseUrl`. Calls reject with one line that names neither the
 * token nor any other part of the request but its address.
 */
export function account(baseUrl: string, token: string): Account {
  const call = async (method: string, path: string): Promise<{ status: number; envelope: Envelope }> => {
    const answer = await request(method, `${baseUrl}/${path}`, token).catch((error: unknown) => {
      throw new Error(`${method} ${path}: ${innermost(error)}`);
    });
    const envelope = (await answer.json().catch(() => ({}))) as Envelope;
    if (!answer.ok && answer.status !== 404) {
      const said = (envelope.errors ?? []).flatMap(({ message }) => message ?? []);
      throw new Error(`${method} ${path}: ${[answer.status.toString(), ...said].join(", ")}`);
    }
    return { status: answer.status, envelope };
  };
  return {
    list: async <T>(path: string) => {
      const found: T[] = [];
      for (let page = 1; ; page += 1) {
        const query = `${path.includes("?") ? "&" : "?"}page=${page.toString()}&per_page=${PAGE.toString()}`;
        const { envelope } = await call("GET", path + query);
        found.push(...((envelope.result ?? []) as T[]));
        if (page >= (envelope.result_info?.total_pages ?? 1)) return found;
      }
    },
    find: async <T>(path: string) => {
      const { status, envelope } = await call("GET", path);
      return status === 404 ? undefined : (envelope.result as T);
    },
    remove: async (path) => void (await call("DELETE", path)),
  };
}

/** One request, again when it fails on Cloudflare's side of the line; each of them may be made twice. */
async function request(method: string, url: string, token: string): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${token}` },
      // A redirection would take the token elsewhere.
      redirect: "error",
      signal: AbortSignal.timeout(ANSWER_MS),
    }).catch((error: unknown) => {
      if (attempt === ATTEMPTS) throw error;
    });
    if (answer && (attempt === ATTEMPTS || (answer.status < 500 && answer.status !== 429))) return answer;
    await sleep(PAUSE_MS);
  }
}

/** The reason of a failed fetch, which its outer error does not name. */
const innermost = (error: unknown): string =>
  error instanceof Error ? (error.cause === undefined ? error.message : innermost(error.cause)) : String(error);
