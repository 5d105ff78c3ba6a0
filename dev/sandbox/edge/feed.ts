// Follows the API double's state. The last state applies while the API is away; before the first read
// there is nothing, and the edge serves nobody.

import { EventEmitter, once } from "node:events";
import http from "node:http";
import type { Cas } from "../api/cas.ts";
import type { State } from "../api/state.ts";

/** Everything the edge runs on. */
export interface EdgeState {
  tag: string;
  state: State;
  cas: Cas;
}

/** One request over a unix socket. Rejects after `timeoutMs`. */
export function overSocket(
  socket: string,
  method: string,
  path: string,
  timeoutMs: number,
  body?: unknown,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const request = http.request({ socketPath: socket, method, path, headers, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const WAIT_MS = 25_000;
const RETRY_MS = 50;

/** A live copy of the state. */
export class Feed {
  readonly #socket: string;
  readonly #events = new EventEmitter().setMaxListeners(0);
  #current: EdgeState | undefined;
  #stopped = false;

  /** @param socket the API double's unix socket. */
  constructor(socket: string) {
    this.#socket = socket;
  }

  /** The last known state, undefined until the API was reached once. */
  get current(): EdgeState | undefined {
    return this.#current;
  }

  /** Starts following. Never throws: an API that is away is asked again. */
  start(): void {
    void this.#follow();
  }

  stop(): void {
    this.#stopped = true;
    this.#events.emit("stop");
  }

  onChange(listener: (state: EdgeState) => void): void {
    this.#events.on("change", listener);
  }

  /** Resolves once there is a state that `test` accepts. Rejects after 5 s. */
  async until(test: (state: EdgeState) => boolean): Promise<void> {
    const signal = AbortSignal.timeout(5000);
    while (this.#current === undefined || !test(this.#current)) await once(this.#events, "change", { signal });
  }

  /** Sends something to the API double's admin side; failure is reported on standard error and otherwise ignored. */
  async tell(path: string, body: unknown): Promise<void> {
    try {
      await overSocket(this.#socket, "POST", `/sandbox/${path}`, 3000, body);
    } catch (error) {
      console.error(`edge: cannot reach the API for ${path}: ${(error as Error).message}`);
    }
  }

  async #follow(): Promise<void> {
    while (!this.#stopped) {
      try {
        const tag = encodeURIComponent(this.#current?.tag ?? "");
        const path = `/sandbox/edge-state?tag=${tag}&wait=${WAIT_MS}`;
        const answer = await overSocket(this.#socket, "GET", path, WAIT_MS + 5000);
        if (answer.status === 304) continue;
        if (answer.status !== 200) throw new Error(`the API answered ${answer.status}`);
        this.#current = JSON.parse(answer.text) as EdgeState;
        this.#events.emit("change", this.#current);
      } catch {
        await this.#pause();
      }
    }
  }

  async #pause(): Promise<void> {
    await once(this.#events, "stop", { signal: AbortSignal.timeout(RETRY_MS) }).catch(() => undefined);
  }
}
