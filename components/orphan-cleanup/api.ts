import { setTimeout as sleep } from "node:timers/promises";
import {
  allPages,
  type ApiCall,
  complaints,
  type Envelope,
  envelopeOf,
  innermost,
  request,
} from "../cloudflare-api.ts";

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

/**
 * Talks to the API with a token, which goes nowhere but to `baseUrl`. Calls reject with one line that names neither the
 * token nor any other part of the request but its address.
 */
export function account(baseUrl: string, token: string): Account {
  const call = async (method: string, path: string): Promise<{ status: number; envelope: Envelope }> => {
    const answer = await persistently({ method, url: `${baseUrl}/${path}`, token, timeout: ANSWER_MS }).catch(
      (error: unknown) => {
        throw new Error(`${method} ${path}: ${innermost(error)}`);
      },
    );
    const envelope = await envelopeOf(answer);
    if (!answer.ok && answer.status !== 404) {
      throw new Error(`${method} ${path}: ${[answer.status.toString(), ...complaints(envelope)].join(", ")}`);
    }
    return { status: answer.status, envelope };
  };
  return {
    list: (path) => allPages(path, async (page) => (await call("GET", page)).envelope),
    find: async <T>(path: string) => {
      const { status, envelope } = await call("GET", path);
      return status === 404 ? undefined : (envelope.result as T);
    },
    remove: async (path) => void (await call("DELETE", path)),
  };
}

/** One request, again when it fails on Cloudflare's side of the line; each of them may be made twice. */
async function persistently(call: ApiCall): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await request(call).catch((error: unknown) => {
      if (attempt === ATTEMPTS) throw error;
    });
    if (answer && (attempt === ATTEMPTS || (answer.status < 500 && answer.status !== 429))) return answer;
    await sleep(PAUSE_MS);
  }
}
