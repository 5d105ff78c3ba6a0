// Opens connections to origins: to one of the addresses, with TLS by the plan, and the status for each failure.

import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { OriginError } from "./exchange.ts";
import type { Limits } from "./limits.ts";
import type { OriginPlan } from "./origin-plan.ts";

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
export interface Connection {
  socket: net.Socket;
  address: string;
}

/** Failures after which another address is tried: nobody was reached. */
const UNREACHED = new Set([521, 522, 523]);

/** One of the addresses, at random. */
export function oneOf(addresses: readonly string[]): string {
  const address = addresses[Math.floor(Math.random() * addresses.length)];
  if (address === undefined) throw new OriginError(523, "no address");
  return address;
}

/**
 * Dials an address and, if it is not reached, another of the plan's at random; the last failure counts.
 *
 * Cloudflare calls it Zero-Downtime Failover and "currently retries only once for HTTP 521, 522, and 523"
 * (developers.cloudflare.com/fundamentals/get-started/task-guides/origin-health/pro/). The page for the Free
 * plan, which does not mention it; the one about proxied records (see `OriginPools`) does, for every plan.
 */
async function dialEither(plan: OriginPlan, first: string, egress: Egress, limits: Limits): Promise<Connection> {
  const port = plan.port ?? (plan.tls === undefined ? egress.httpPort : egress.httpsPort);
  const to = async (address: string) => ({ socket: await dial(address, port, egress, limits.connectMs), address });
  try {
    return await to(first);
  } catch (error) {
    const others = plan.addresses.filter((address) => address !== first);
    if (others.length === 0 || !(error instanceof OriginError && UNREACHED.has(error.status))) throw error;
    return to(oneOf(others));
  }
}

async function secure(
  host: string,
  { strict, cas, revoked, client }: NonNullable<OriginPlan["tls"]>,
  raw: net.Socket,
  limits: Limits,
  protocols: string[],
): Promise<tls.TLSSocket> {
  let socket: tls.TLSSocket;
  try {
    socket = tls.connect({
      socket: raw,
      servername: host,
      ca: cas,
      // Checked below, so that a refused certificate is told apart from a failed handshake.
      rejectUnauthorized: false,
      ALPNProtocols: protocols,
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

/**
 * Opens a connection for a plan, first of all to `address`.
 *
 * @param protocols what to offer in the TLS handshake (ALPN), the preferred one first.
 * @throws OriginError
 */
export async function connect(
  plan: OriginPlan,
  address: string,
  egress: Egress,
  limits: Limits,
  protocols: string[],
): Promise<Connection> {
  const dialled = await dialEither(plan, address, egress, limits);
  if (plan.tls === undefined) return dialled;
  return { ...dialled, socket: await secure(plan.host, plan.tls, dialled.socket, limits, protocols) };
}
