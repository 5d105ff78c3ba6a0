// The kept connections to origins, and which of them carries a request.

import type http from "node:http";
import tls from "node:tls";
import { type Line, OriginError } from "./exchange.ts";
import type { Limits } from "./limits.ts";
import { connect, type Connection, type Egress, oneOf } from "./origin-dial.ts";
import { Http1Line, OriginAgent } from "./origin-http1.ts";
import { OriginSession } from "./origin-http2.ts";
import type { OriginPlan } from "./origin-plan.ts";

const HTTP1 = ["http/1.1"];
const HTTP2 = ["h2", ...HTTP1];

/** The connections of one plan to one address. */
class OriginLines {
  readonly #plan: OriginPlan;
  readonly #address: string;
  readonly #egress: Egress;
  readonly #limits: Limits;
  readonly #agent: OriginAgent;
  #sessions: OriginSession[] = [];
  /** The connection that is being opened, for those who can share it. */
  #opening: Promise<OriginSession | undefined> | undefined;
  /** Whether the origin has chosen HTTP/1.1 last, so that nobody waits for a connection to share. */
  #hasChosenHttp1 = false;
  #isRetired = false;

  constructor(plan: OriginPlan, address: string, egress: Egress, limits: Limits) {
    this.#plan = plan;
    this.#address = address;
    this.#egress = egress;
    this.#limits = limits;
    this.#agent = this.#newAgent({ keepAlive: true, timeout: limits.idleMs });
  }

  /** See `OriginPools.line`. */
  async line(fresh: boolean): Promise<Line> {
    if (this.#plan.tls?.http2 !== true) {
      return this.#http1(fresh ? this.single() : this.#agent);
    }
    for (;;) {
      const session = this.#sessions.find((candidate) => candidate.reserve());
      if (session !== undefined) return session;
      if (!fresh && this.#agent.hasFree) return this.#http1(this.#agent);
      if (this.#opening === undefined || this.#hasChosenHttp1) return this.#open(fresh);
      const shared = await this.#opening;
      if (shared?.reserve() === true) return shared;
    }
  }

  /** An agent for one request on a connection of its own, over HTTP/1.1. */
  single(): OriginAgent {
    return this.#newAgent({ keepAlive: false });
  }

  /** Lets running requests finish and keeps no connection. */
  retire(): void {
    this.#isRetired = true;
    this.#agent.retire();
    for (const session of this.#sessions) session.retire();
  }

  /** Drops every connection. */
  destroy(): void {
    this.#isRetired = true;
    this.#agent.destroy();
    for (const session of this.#sessions) session.destroy();
  }

  async #open(fresh: boolean): Promise<Line> {
    const opened = this.#connect(HTTP2);
    const started = opened.then(async ({ socket, address }) => {
      const isHttp2 = socket instanceof tls.TLSSocket && socket.alpnProtocol === "h2";
      this.#hasChosenHttp1 = !isHttp2;
      return isHttp2
        ? this.#keep(await OriginSession.start(socket, this.#plan.host, this.#limits), address)
        : undefined;
    });
    this.#opening = started;
    try {
      const session = await started;
      if (session?.reserve() === true) return session;
      if (session !== undefined) throw new OriginError(520, "the origin takes no requests on a new connection");
    } finally {
      if (this.#opening === started) this.#opening = undefined;
    }
    const agent = fresh || this.#isRetired ? this.single() : this.#agent;
    agent.offer(await opened);
    return this.#http1(agent);
  }

  /** A fallback connection serves only those who have waited for it, or a recovered origin would get no traffic. */
  #keep(session: OriginSession, address: string): OriginSession {
    this.#sessions = this.#sessions.filter((other) => other.isOpen);
    if (address === this.#address && !this.#isRetired) this.#sessions.push(session);
    else setImmediate(() => session.retire());
    return session;
  }

  #http1(agent: OriginAgent): Line {
    return new Http1Line(agent, this.#limits, agent !== this.#agent);
  }

  #newAgent(options: http.AgentOptions): OriginAgent {
    return new OriginAgent(() => this.#connect(HTTP1), this.#address, options);
  }

  #connect(protocols: string[]): Promise<Connection> {
    return connect(this.#plan, this.#address, this.#egress, this.#limits, protocols);
  }
}

/**
 * Kept connections, one pool per host, plan and address. A changed plan (other mode, certificate, addresses) starts anew.
 *
 * Each request goes to any of the addresses: of several proxied records Cloudflare picks one, "to randomly distribute
 * traffic" (developers.cloudflare.com/dns/manage-dns-records/how-to/round-robin-dns/).
 */
export class OriginPools {
  readonly #egress: Egress;
  readonly #limits: Limits;
  readonly #pools = new Map<string, { key: string; lines: Map<string, OriginLines> }>();

  constructor(egress: Egress, limits: Limits) {
    this.#egress = egress;
    this.#limits = limits;
  }

  /**
   * What carries one request of a plan: a stream on an HTTP/2 connection where the origin speaks that, or an HTTP/1.1
   * connection.
   *
   * @param fresh whether the request cannot be sent again, so that over HTTP/1.1 it needs a connection that the origin
   *   has not been able to close meanwhile.
   * @throws OriginError
   */
  line(plan: OriginPlan, fresh: boolean): Promise<Line> {
    return this.#lines(plan).line(fresh);
  }

  /** An agent for one request on a connection of its own, over HTTP/1.1. */
  single(plan: OriginPlan): http.Agent {
    return this.#lines(plan).single();
  }

  /** Drops every connection. */
  close(): void {
    for (const { lines } of this.#pools.values()) for (const line of lines.values()) line.destroy();
    this.#pools.clear();
  }

  #lines(plan: OriginPlan): OriginLines {
    const slot = `${plan.tls === undefined ? "http" : "https"}://${plan.host}`;
    let pool = this.#pools.get(slot);
    if (pool?.key !== plan.key) {
      for (const lines of pool?.lines.values() ?? []) lines.retire();
      pool = { key: plan.key, lines: new Map() };
      this.#pools.set(slot, pool);
    }
    const address = oneOf(plan.addresses);
    const known = pool.lines.get(address);
    if (known !== undefined) return known;
    const made = new OriginLines(plan, address, this.#egress, this.#limits);
    pool.lines.set(address, made);
    return made;
  }
}
