// Client of the API double's admin side, for the sandbox's own parts and the tests, over its unix socket.

import http from "node:http";
import { join } from "node:path";
import type { ApiTokenRequest, OrganizationPatch } from "./admin.ts";
import type { Fault, FaultRule } from "./faults.ts";
import type { Entry } from "./journal.ts";
import type { Mail, State } from "./state.ts";

const TIMEOUT_MS = 10_000;

/** A partial state for `alter`: objects are merged, arrays replaced, null removes. */
export type StatePatch = { [K in keyof State]?: unknown };

/** The admin side of a running API double. Every call rejects within seconds if the double does not answer. */
export interface SandboxApi {
  /** Resolves once the double answers. Rejects after `timeoutMs` (default 10 s), naming the socket. */
  ready(timeoutMs?: number): Promise<void>;
  /** The whole state, keys included: for tests, never for a log. */
  state(): Promise<State>;
  /** Merges into the state and returns the new one. */
  alter(patch: StatePatch): Promise<State>;
  /** Changes the Zero Trust organisation, even if the API refuses to (strict mode can be switched off here). */
  organization(patch: OrganizationPatch): Promise<void>;
  /** One-time PINs that were not mailed, newest first. */
  mailbox(to?: string): Promise<Mail[]>;
  /** Requests to the API, oldest first, from after the one with id `after`. */
  requests(after?: number): Promise<Entry[]>;
  /** Makes an API token: by default with all that the program needs, on every zone and account. */
  createToken(request: ApiTokenRequest): Promise<{ id: string; token: string }>;
  deleteToken(id: string): Promise<void>;
  /** Sets a fault for later requests. */
  fault(rule: FaultRule): Promise<Fault>;
  faults(): Promise<Fault[]>;
  /** Resolves with the fault once it was hit `hits` times (default 1), or when `timeoutMs` (default 10 s) are over. */
  faultHit(id: string, hits?: number, timeoutMs?: number): Promise<Fault>;
  /** Removes a fault, or all; requests that one of them holds go on. */
  clearFaults(id?: string): Promise<void>;
}

/** Path of the double's unix socket in a state directory (the checkout's `.state`). */
export const apiSocket = (stateDir: string): string => join(stateDir, "sandbox", "api.sock");

function call<T>(socket: string, method: string, path: string, body?: unknown, timeoutMs = TIMEOUT_MS): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        socketPath: socket,
        method,
        path: `/sandbox${path}`,
        headers: body === undefined ? {} : { "content-type": "application/json" },
        signal: AbortSignal.timeout(timeoutMs),
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode !== undefined && response.statusCode < 300) resolve(JSON.parse(text) as T);
          else reject(new Error(`${method} /sandbox${path}: ${response.statusCode ?? 0} ${text}`));
        });
      },
    );
    request.on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** @param stateDir the checkout's `.state` folder. */
export function sandboxApi(stateDir: string): SandboxApi {
  const socket = apiSocket(stateDir);
  const get = <T>(path: string, timeoutMs?: number): Promise<T> => call<T>(socket, "GET", path, undefined, timeoutMs);
  const send = <T>(method: string, path: string, body?: unknown): Promise<T> => call<T>(socket, method, path, body);

  return {
    async ready(timeoutMs = TIMEOUT_MS) {
      const end = Date.now() + timeoutMs;
      for (;;) {
        try {
          // A double that has ended refuses at once; on a busy machine a running one may be slow.
          await get("/ready");
          return;
        } catch (error) {
          if (Date.now() > end) throw new Error(`the sandbox's API does not answer on ${socket}`, { cause: error });
          await new Promise((resolve) => setTimeout(resolve, 25));
        }
      }
    },
    state: () => get("/state"),
    alter: (patch) => send("PATCH", "/state", patch),
    organization: async (patch) => void (await send("PATCH", "/organization", patch)),
    mailbox: (to) => get(`/mailbox${to === undefined ? "" : `?to=${encodeURIComponent(to)}`}`),
    requests: (after = 0) => get(`/requests?after=${after}`),
    createToken: (request) => send("POST", "/tokens", request),
    deleteToken: async (id) => void (await send("DELETE", `/tokens/${id}`)),
    fault: (rule) => send("POST", "/faults", rule),
    faults: () => get("/faults"),
    faultHit: (id, hits = 1, timeoutMs = TIMEOUT_MS) =>
      get(`/faults/${id}?hits=${hits}&wait=${timeoutMs}`, timeoutMs + 1000),
    clearFaults: async (id) => void (await send("DELETE", id === undefined ? "/faults" : `/faults/${id}`)),
  };
}
