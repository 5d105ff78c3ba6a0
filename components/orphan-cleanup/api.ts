import { setTimeout as sleep } from "node:timers/promises";
import {
  allPages,
  type ApiCall,
  errorMessages,
  type Envelope,
  readEnvelope,
  rootCause,
  request,
} from "../cloudflare-api.ts";

/** What the provider cannot do at Cloudflare: search for resources, and delete one that is not in the state. */
export interface Account {
  /** Gets all pages of a list. */
  list<T>(path: string): Promise<T[]>;
  /** Gets one object; `undefined` if there is none at that address. */
  find<T>(path: string): Promise<T | undefined>;
  /** Deletes the object at an address, if it still exists. */
  remove(path: string): Promise<void>;
}

/** Milliseconds to wait for a response, and before the next attempt. */
const ANSWER_MS = 15_000;
const PAUSE_MS = 1000;
const ATTEMPTS = 4;

/**
 * Calls the API with a token, which is sent to `baseUrl` only. Calls reject with one line that names the request's
 * method and address, and nothing else of it.
 */
export function openAccount(baseUrl: string, token: string): Account {
  const call = async (method: string, path: string): Promise<{ status: number; envelope: Envelope }> => {
    const answer = await requestWithRetries({ method, url: `${baseUrl}/${path}`, token, timeout: ANSWER_MS }).catch(
      (error: unknown) => {
        throw new Error(`${method} ${path}: ${rootCause(error)}`);
      },
    );
    const envelope = await readEnvelope(answer);
    if (!answer.ok && answer.status !== 404) {
      throw new Error(`${method} ${path}: ${[answer.status.toString(), ...errorMessages(envelope)].join(", ")}`);
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

/** Sends a request, and retries it after a server-side or network error. All requests here are idempotent. */
async function requestWithRetries(call: ApiCall): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await request(call).catch((error: unknown) => {
      if (attempt === ATTEMPTS) throw error;
    });
    if (answer && (attempt === ATTEMPTS || (answer.status < 500 && answer.status !== 429))) return answer;
    await sleep(PAUSE_MS);
  }
}
