// HTTP/1.1 to an origin: kept connections, one request at a time on each.

import http from "node:http";
import type { Duplex } from "node:stream";
import { type Exchange, type Line, type Outcome, type RequestHead, silence } from "./exchange.ts";
import type { Limits } from "./limits.ts";
import type { Connection } from "./origin-dial.ts";

/** Sockets to one address of an origin. */
export class OriginAgent extends http.Agent {
  readonly #connect: () => Promise<Connection>;
  readonly #address: string;
  readonly #elsewhere = new WeakSet<Duplex>();
  #ready: Connection[] = [];

  /** @param address where its connections are to go; one that had to go elsewhere is used once. */
  constructor(connect: () => Promise<Connection>, address: string, options: http.AgentOptions) {
    super(options);
    this.#connect = connect;
    this.#address = address;
  }

  /** Takes a connection that has just been opened, for the next request. */
  offer(connection: Connection): void {
    this.#ready.push(connection);
    connection.socket.once("close", () => {
      this.#ready = this.#ready.filter((other) => other !== connection);
    });
  }

  /** Whether it has a connection that no request uses. */
  get hasFree(): boolean {
    return this.#ready.length > 0 || Object.values(this.freeSockets).some((sockets) => (sockets ?? []).length > 0);
  }

  override getName(): string {
    return "origin";
  }

  override createConnection(
    _options: http.ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const ready = this.#ready.shift();
    const connection = ready === undefined ? this.#connect() : Promise.resolve(ready);
    connection.then(
      ({ socket, address }) => {
        if (address !== this.#address) this.#elsewhere.add(socket);
        callback(null, socket);
      },
      (error: unknown) => callback(error as Error, undefined as unknown as Duplex),
    );
  }

  /** Keeps no fallback connections, or a recovered origin would get no traffic. */
  override keepSocketAlive(socket: Duplex): unknown {
    return !this.#elsewhere.has(socket) && super.keepSocketAlive(socket);
  }

  /** Lets running requests finish and keeps no connection. */
  retire(): void {
    (this as unknown as { keepAlive: boolean }).keepAlive = false;
    for (const sockets of Object.values(this.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
    for (const { socket } of this.#ready) socket.destroy();
  }

  override destroy(): void {
    for (const { socket } of this.#ready) socket.destroy();
    super.destroy();
  }
}

/** One request by an agent. */
export class Http1Line implements Line {
  readonly #agent: OriginAgent;
  readonly #limits: Limits;
  readonly #single: boolean;

  /** @param single whether the agent serves this request alone. */
  constructor(agent: OriginAgent, limits: Limits, single: boolean) {
    this.#agent = agent;
    this.#limits = limits;
    this.#single = single;
  }

  send(head: RequestHead, body: boolean, outcome: Outcome): Exchange {
    const chunked = body && head.headers["content-length"] === undefined;
    const outgoing = http.request({
      agent: this.#agent,
      method: head.method,
      path: head.path,
      headers: { ...head.headers, ...(chunked ? { "transfer-encoding": "chunked" } : {}) },
      setHost: false,
    });
    outgoing.setTimeout(this.#limits.readMs, () => outcome.failed(silence(), "never"));
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      outcome.failed(error, outgoing.reusedSocket && error.code === "ECONNRESET" ? "without-body" : "never");
    });
    outgoing.on("response", (incoming) => {
      outcome.answered({ status: incoming.statusCode ?? 502, rawHeaders: incoming.rawHeaders, body: incoming });
    });
    if (!body) outgoing.end();
    return { outgoing, cancel: () => void outgoing.destroy() };
  }

  release(): void {
    if (this.#single) this.#agent.destroy();
  }
}
