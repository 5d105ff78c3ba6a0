// Connections to origins: the addresses in turn, TLS as the plan says, and what each failure is called.

import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import type { Limits } from "./limits.ts";
import type { OriginPlan } from "./origin-plan.ts";

/** A failure to get an answer from the origin, with the status that the visitor sees. */
export class OriginError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Where connections come from and go to. */
export interface Egress {
  /** Source addresses, by family. Default: the system chooses. */
  ipv4?: string;
  ipv6?: string;
  /** Ports of origins. */
  httpPort: number;
  httpsPort: number;
}

async function dial(address: string, port: number, egress: Egress, timeoutMs: number): Promise<net.Socket> {
  const source = net.isIPv6(address) ? egress.ipv6 : egress.ipv4;
  const socket = net.connect({
    host: address,
    port,
    noDelay: true,
    ...(source === undefined ? {} : { localAddress: source }),
  });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(timeoutMs) });
    return socket;
  } catch (error) {
    socket.destroy();
    const { code, name } = error as NodeJS.ErrnoException;
    if (code === "ECONNREFUSED") throw new OriginError(521, `${address}: connection refused`);
    if (name === "AbortError" || code === "ETIMEDOUT") throw new OriginError(522, `${address}: no answer`);
    throw new OriginError(523, `${address}: ${code ?? String(error)}`);
  }
}

/** Tries the addresses in turn; the last failure counts. */
async function dialAny(plan: OriginPlan, egress: Egress, limits: Limits): Promise<net.Socket> {
  const port = plan.tls === undefined ? egress.httpPort : egress.httpsPort;
  let last: unknown = new OriginError(523, "no address");
  for (const address of plan.addresses) {
    try {
      return await dial(address, port, egress, limits.connectMs);
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

async function secure(plan: OriginPlan, raw: net.Socket, limits: Limits): Promise<tls.TLSSocket> {
  const { strict, authorities, revoked, client } = plan.tls ?? { strict: true, authorities: [], revoked: [] };
  let socket: tls.TLSSocket;
  try {
    socket = tls.connect({
      socket: raw,
      servername: plan.host,
      ca: authorities,
      // Checked below, so that a refused certificate is told apart from a failed handshake.
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
      ...(client === undefined ? {} : { cert: client.certificate, key: client.privateKey }),
    });
  } catch (error) {
    raw.destroy();
    throw new OriginError(525, (error as Error).message);
  }
  try {
    await once(socket, "secureConnect", { signal: AbortSignal.timeout(limits.connectMs) });
  } catch (error) {
    socket.destroy();
    throw new OriginError(525, `TLS handshake failed: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
  if (strict && !socket.authorized) {
    const reason = String(socket.authorizationError);
    socket.destroy();
    throw new OriginError(526, `certificate not accepted: ${reason}`);
  }
  if (strict && revoked.includes(socket.getPeerX509Certificate()?.serialNumber ?? "")) {
    socket.destroy();
    throw new OriginError(526, "certificate not accepted: revoked");
  }
  return socket;
}

/** A connection that is ready for a request. Rejects with an OriginError. */
export async function connectOrigin(plan: OriginPlan, egress: Egress, limits: Limits): Promise<net.Socket> {
  const raw = await dialAny(plan, egress, limits);
  return plan.tls === undefined ? raw : secure(plan, raw, limits);
}

class OriginAgent extends http.Agent {
  readonly #connect: () => Promise<net.Socket>;

  constructor(connect: () => Promise<net.Socket>, options: http.AgentOptions) {
    super(options);
    this.#connect = connect;
  }

  override getName(): string {
    return "origin";
  }

  override createConnection(
    _options: http.ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#connect().then(
      (socket) => callback(null, socket),
      (error: unknown) => callback(error as Error, undefined as unknown as Duplex),
    );
  }

  /** Lets running requests end, keeps nothing. */
  retire(): void {
    (this as unknown as { keepAlive: boolean }).keepAlive = false;
    for (const sockets of Object.values(this.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }
}

/** Kept connections, one pool per host and plan. A changed plan (other mode, certificate, address) starts anew. */
export class OriginPools {
  readonly #egress: Egress;
  readonly #limits: Limits;
  readonly #pools = new Map<string, { key: string; agent: OriginAgent }>();

  constructor(egress: Egress, limits: Limits) {
    this.#egress = egress;
    this.#limits = limits;
  }

  /** The agent with kept connections for a plan. */
  agent(plan: OriginPlan): http.Agent {
    const slot = `${plan.tls === undefined ? "http" : "https"}://${plan.host}`;
    const known = this.#pools.get(slot);
    if (known?.key === plan.key) return known.agent;
    known?.agent.retire();
    const agent = new OriginAgent(() => this.connect(plan), { keepAlive: true, timeout: this.#limits.idleMs });
    this.#pools.set(slot, { key: plan.key, agent });
    return agent;
  }

  /** An agent for one request on a connection of its own. */
  single(plan: OriginPlan): http.Agent {
    return new OriginAgent(() => this.connect(plan), { keepAlive: false });
  }

  /** A fresh connection. */
  connect(plan: OriginPlan): Promise<net.Socket> {
    return connectOrigin(plan, this.#egress, this.#limits);
  }

  /** Drops every connection. */
  close(): void {
    for (const { agent } of this.#pools.values()) agent.destroy();
    this.#pools.clear();
  }
}
