// Connections to origins: one of the addresses at random, TLS by the plan, and the status for each failure.

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
  ipv4?: string | undefined;
  ipv6?: string | undefined;
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
    localAddress: source,
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

/** A connection, with the origin's address that it leads to. */
interface Connection {
  socket: net.Socket;
  address: string;
}

/** Failures after which another address is tried: nobody was reached. */
const UNREACHED = new Set([521, 522, 523]);

/** One of the addresses, at random. */
function oneOf(addresses: readonly string[]): string {
  const address = addresses[Math.floor(Math.random() * addresses.length)];
  if (address === undefined) throw new OriginError(523, "no address");
  return address;
}

/**
 * Dials an address and, if it is not reached, another of the plan's at random; the last failure counts.
 *
 * Cloudflare calls it Zero-Downtime Failover and "currently retries only once for HTTP 521, 522, and 523"
 * (developers.cloudflare.com/fundamentals/get-started/task-guides/origin-health/pro/). The page for the Free
 * plan, which does not mention it; the one about proxied records (see `OriginPools.agent`) does, for every plan.
 */
async function dialEither(plan: OriginPlan, first: string, egress: Egress, limits: Limits): Promise<Connection> {
  const port = plan.tls === undefined ? egress.httpPort : egress.httpsPort;
  const to = async (address: string) => ({ socket: await dial(address, port, egress, limits.connectMs), address });
  try {
    return await to(first);
  } catch (error) {
    const others = plan.addresses.filter((address) => address !== first);
    if (others.length === 0 || !(error instanceof OriginError && UNREACHED.has(error.status))) throw error;
    return to(oneOf(others));
  }
}

async function secure(plan: OriginPlan, raw: net.Socket, limits: Limits): Promise<tls.TLSSocket> {
  const { strict, cas, revoked, client } = plan.tls ?? { strict: true, cas: [], revoked: [] };
  let socket: tls.TLSSocket;
  try {
    socket = tls.connect({
      socket: raw,
      servername: plan.host,
      ca: cas,
      // Checked below, so that a refused certificate is told apart from a failed handshake.
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
      cert: client?.certificate,
      key: client?.privateKey,
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

class OriginAgent extends http.Agent {
  readonly #connect: () => Promise<Connection>;
  readonly #address: string;
  readonly #elsewhere = new WeakSet<Duplex>();

  /** @param address where its connections are to go; one that had to go elsewhere is used once. */
  constructor(connect: () => Promise<Connection>, address: string, options: http.AgentOptions) {
    super(options);
    this.#connect = connect;
    this.#address = address;
  }

  override getName(): string {
    return "origin";
  }

  override createConnection(
    _options: http.ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#connect().then(
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
  }
}

/**
 * Kept connections, one pool per host, plan and address. A changed plan (other mode, certificate, addresses) starts anew.
 */
export class OriginPools {
  readonly #egress: Egress;
  readonly #limits: Limits;
  readonly #pools = new Map<string, { key: string; agents: Map<string, OriginAgent> }>();

  constructor(egress: Egress, limits: Limits) {
    this.#egress = egress;
    this.#limits = limits;
  }

  /**
   * The agent with kept connections for one request of a plan. Each goes to any of the addresses: of several proxied
   * records Cloudflare picks one, "to randomly distribute traffic"
   * (developers.cloudflare.com/dns/manage-dns-records/how-to/round-robin-dns/).
   */
  agent(plan: OriginPlan): http.Agent {
    const slot = `${plan.tls === undefined ? "http" : "https"}://${plan.host}`;
    let pool = this.#pools.get(slot);
    if (pool?.key !== plan.key) {
      for (const agent of pool?.agents.values() ?? []) agent.retire();
      pool = { key: plan.key, agents: new Map() };
      this.#pools.set(slot, pool);
    }
    const address = oneOf(plan.addresses);
    const known = pool.agents.get(address);
    if (known !== undefined) return known;
    const made = this.#agent(plan, address, { keepAlive: true, timeout: this.#limits.idleMs });
    pool.agents.set(address, made);
    return made;
  }

  /** An agent for one request on a connection of its own. */
  single(plan: OriginPlan): http.Agent {
    return this.#agent(plan, oneOf(plan.addresses), { keepAlive: false });
  }

  /** Drops every connection. */
  close(): void {
    for (const { agents } of this.#pools.values()) for (const agent of agents.values()) agent.destroy();
    this.#pools.clear();
  }

  #agent(plan: OriginPlan, address: string, options: http.AgentOptions): OriginAgent {
    const connect = async () => {
      const dialled = await dialEither(plan, address, this.#egress, this.#limits);
      return plan.tls === undefined
        ? dialled
        : { ...dialled, socket: await secure(plan, dialled.socket, this.#limits) };
    };
    return new OriginAgent(connect, address, options);
  }
}
