import { setTimeout as sleep } from "node:timers/promises";
import {
  allPages,
  type ApiCall,
  errorCodes,
  errorMessages,
  type Envelope,
  readEnvelope,
  rootCause,
  request,
} from "./cloudflare-api.ts";

/** What the provider cannot do at Cloudflare: search, refresh a token, and delete what is not in the state. */
export interface Account {
  /** Gets all pages of a list. */
  list<T>(path: string): Promise<T[]>;
  /** Gets one object; `undefined` if there is none at that address. */
  find<T>(path: string): Promise<T | undefined>;
  /** Sets what is at an address. */
  put(path: string, value: object): Promise<void>;
  /** Changes fields of the object at an address. */
  patch(path: string, fields: object): Promise<void>;
  /** Asks for an action at an address. It may be repeated, so it must do no harm twice. */
  post<T>(path: string): Promise<T>;
  /** Deletes the object at an address, if it still exists. Waits up to a minute until nothing uses it any more. */
  remove(path: string): Promise<void>;
}

/** Milliseconds to wait for a response, and before the next attempt. */
const ANSWER_MS = 15_000;
const PAUSE_MS = 1000;

/** The longest pause that is kept of what Cloudflare asks for; the next `up` goes on where this one ends. */
const LONGEST_PAUSE_MS = 60_000;

/** Attempts after a server-side or network error. */
const ATTEMPTS = 4;

/** Cloudflare's codes for a certificate that the edge still presents, or that is on its way there: for some seconds. */
const STILL_USED = [1433, 1434];
const STILL_USED_ATTEMPTS = 60;

/** Cloudflare's words for a token that it does not know everywhere yet: for some seconds after its creation. */
const NEW_TOKEN = /unable to authenticate/i;
const NEW_TOKEN_ATTEMPTS = 30;

/**
 * Calls the API with a token, which is sent to `baseUrl` only. Calls reject with one line that names the request's
 * method and address, and nothing else of it.
 *
 * @param pause milliseconds before the next attempt
 */
export function openAccount(baseUrl: string, token: string, pause = PAUSE_MS): Account {
  const call = async (method: string, path: string, body?: object): Promise<Answer> => {
    const asked = { method, url: `${baseUrl}/${path}`, token, timeout: ANSWER_MS, body };
    const answer = await askPatiently(asked, pause).catch((error: unknown) => {
      throw new Error(`${method} ${path}: ${rootCause(error)}`);
    });
    if (!answer.ok && answer.status !== 404) {
      throw new Error(`${method} ${path}: ${[answer.status.toString(), ...errorMessages(answer.envelope)].join(", ")}`);
    }
    return answer;
  };
  /** Calls, and refuses what is no answer of the API's, and that there is nothing at the address. */
  const demand = async (method: string, path: string, body?: object): Promise<Envelope> => {
    const { status, envelope } = await call(method, path, body);
    if (status === 404) throw new Error(`${method} ${path}: ${["404", ...errorMessages(envelope)].join(", ")}`);
    requireOwn(envelope.success === true, method, path, status);
    return envelope;
  };
  return {
    list: (path) =>
      allPages(path, async (page) => {
        const envelope = await demand("GET", page);
        // Whoever takes anything else for an empty list deletes what is in use.
        requireOwn(envelope.result === null || Array.isArray(envelope.result), "GET", page, 200);
        return envelope;
      }),
    find: async <T>(path: string) => {
      const { status, envelope } = await call("GET", path);
      requireOwn(envelope.success === (status !== 404), "GET", path, status);
      return status === 404 ? undefined : (envelope.result as T);
    },
    put: async (path, value) => void (await demand("PUT", path, value)),
    patch: async (path, fields) => void (await demand("PATCH", path, fields)),
    post: async <T>(path: string) => (await demand("POST", path)).result as T,
    remove: async (path) => void (await call("DELETE", path)),
  };
}

/** Refuses what something else than Cloudflare's API has answered. */
function requireOwn(isOwn: boolean, method: string, path: string, status: number): void {
  if (!isOwn) throw new Error(`${method} ${path}: ${status.toString()}, but the answer is not one of Cloudflare's API`);
}

interface Answer {
  ok: boolean;
  status: number;
  /** Milliseconds that Cloudflare wants to pass before the next attempt. */
  retryAfter: number;
  envelope: Envelope;
}

/** Sends a request, and repeats it after an error that passes. All requests here are idempotent. */
async function askPatiently(call: ApiCall, pause: number): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await ask(call).catch((error: unknown) => {
      if (attempt === ATTEMPTS) throw error;
    });
    if (answer && attempt >= attemptsAfter(answer)) return answer;
    await sleep(Math.max(pause, Math.min(answer?.retryAfter ?? 0, LONGEST_PAUSE_MS)));
  }
}

async function ask(call: ApiCall): Promise<Answer> {
  const answer = await request(call);
  const envelope = await readEnvelope(answer);
  return { ok: answer.ok && envelope.success !== false, status: answer.status, retryAfter: pauseIn(answer), envelope };
}

/** The header Retry-After (RFC 9110, section 10.2.3) in milliseconds: a number of seconds, or a time. */
function pauseIn({ headers }: Response): number {
  const text = headers.get("retry-after") ?? "0";
  const milliseconds = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(milliseconds) ? milliseconds : 0;
}

/** How often a request is sent that gets such an answer. */
function attemptsAfter({ ok, status, envelope }: Answer): number {
  if (ok) return 1;
  if (errorCodes(envelope).some((code) => STILL_USED.includes(code))) return STILL_USED_ATTEMPTS;
  if (status === 403 && errorMessages(envelope).some((said) => NEW_TOKEN.test(said))) return NEW_TOKEN_ATTEMPTS;
  return status >= 500 || status === 429 ? ATTEMPTS : 1;
}
