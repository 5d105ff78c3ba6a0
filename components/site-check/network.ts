// Requests that can be redirected to a certain edge of Cloudflare, or to the sandbox's.

import https from "node:https";
import net from "node:net";
import { networkInterfaces } from "node:os";
import { userError } from "../../settings/error.ts";
import { sameEndpoint } from "../../settings/network.ts";

/**
 * Sends connections for one host and port to another, as curl's --connect-to does. In `from` an empty part means any,
 * in `to` an empty part means the same.
 */
export interface Detour {
  from: { host: string | undefined; port: number | undefined };
  to: { host: string | undefined; port: number | undefined };
}

/** Parses `HOST1:PORT1:HOST2:PORT2`, IPv6 addresses in brackets; `undefined` if the text has another form. */
export function parseDetour(text: string): Detour | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]]*):(\d*):(\[[0-9a-f:.]+\]|[^:[\]]*):(\d*)$/i.exec(text);
  if (!match) return undefined;
  const [, from = "", fromPort = "", to = "", toPort = ""] = match;
  const bare = (host: string) => host.replace(/^\[|\]$/g, "");
  const port = (digits: string) => (digits === "" ? undefined : Number(digits));
  return {
    from: { host: bare(from) || undefined, port: port(fromPort) },
    to: { host: bare(to) || undefined, port: port(toPort) },
  };
}

/** How this workstation reaches others. */
export interface Network {
  detours: readonly Detour[];
  /** Certificate authorities (CAs) to trust, PEM; `undefined` for the usual ones. */
  ca: string | undefined;
}

/**
 * How the program reaches its sites: straight, or by the detours in the variable IMMICH_ACCESS_CONNECT_TO, which has
 * the form of `parseDetour`, several separated by spaces. Node's NODE_EXTRA_CA_CERTS adds CAs.
 */
export function networkFromEnvironment(environment: NodeJS.ProcessEnv): Network {
  const texts = environment.IMMICH_ACCESS_CONNECT_TO?.split(" ").filter((text) => text !== "") ?? [];
  const detours = texts.map((text) => {
    const detour = parseDetour(text);
    if (!detour)
      throw userError(`IMMICH_ACCESS_CONNECT_TO has ${text}, which is not of the form HOST1:PORT1:HOST2:PORT2`);
    return detour;
  });
  return { detours, ca: undefined };
}

/** Where a connection to a host and port goes, after detours. */
export function destination({ detours }: Network, host: string, port: number): { host: string; port: number } {
  const detour = detours.find(
    ({ from }) => (from.host ?? host) === host && (from.port === undefined || from.port === port),
  );
  return { host: detour?.to.host ?? host, port: detour?.to.port ?? port };
}

/** Whether an address, or `localhost`, is this machine's own. */
export function isThisMachine(host: string): boolean {
  const own = [
    "localhost",
    ...Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((one) => one.address)),
  ];
  const endpoint = (text: string) => (net.isIPv6(text) ? `[${text.split("%")[0] ?? ""}]:1` : `${text}:1`);
  return own.some((address) => sameEndpoint(endpoint(address), endpoint(host)));
}

/** The response to a request. */
export interface Answer {
  status: number;
  location: string;
  /** Whether Cloudflare has answered itself, with a challenge instead of the site (header `cf-mitigated`). */
  isChallenge: boolean;
  /** At most 64 KB. */
  body: string;
}

/**
 * Milliseconds to wait for a response. Cloudflare says 522 itself, but only after 19 s for each of two addresses of the
 * host that do not answer, as behind a router that forwards nothing.
 */
export const ANSWER_MS = 45_000;
const BODY_BYTES = 65_536;

/**
 * One GET over HTTPS on a connection of its own.
 *
 * @throws Error of the network, or one named TimeoutError
 */
export function get(network: Network, url: URL, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const port = Number(url.port || 443);
  return new Promise((resolve, reject) => {
    const request = https.get({
      ...destination(network, url.hostname, port),
      servername: url.hostname,
      path: url.pathname + url.search,
      headers: { host: url.host, "user-agent": "immich-access", ...headers },
      ...(network.ca !== undefined && { ca: network.ca }),
      signal: AbortSignal.timeout(ANSWER_MS),
      agent: false,
    });
    request.on("error", reject);
    request.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, location: "", isChallenge: false, body: "" });
    });
    request.on("response", (response) => {
      let body = "";
      const done = () => {
        const { location = "", "cf-mitigated": mitigated } = response.headers;
        resolve({ status: response.statusCode ?? 0, location, isChallenge: mitigated === "challenge", body });
      };
      response.on("data", (chunk: Buffer) => {
        body += chunk.toString();
        if (body.length > BODY_BYTES) response.destroy();
      });
      response.on("error", done);
      response.on("close", done);
    });
  });
}

/** Result of a connection attempt: accepted, refused or dropped, or not possible from here (no route, no IPv6). */
export type Attempt = "open" | "blocked" | "impossible";

/** Milliseconds until an unanswered connection counts as dropped by a firewall. */
const DROPPED_MS = 3000;

/** Tries to connect to a TCP port. */
export function attempt(network: Network, host: string, port: number): Promise<Attempt> {
  return new Promise((resolve) => {
    const socket = net.connect(destination(network, host, port));
    const end = (result: Attempt) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => {
      end("blocked");
    }, DROPPED_MS);
    socket.on("connect", () => {
      end("open");
    });
    socket.on("error", ({ code }: NodeJS.ErrnoException) => {
      end(code === "ENETUNREACH" || code === "EADDRNOTAVAIL" ? "impossible" : "blocked");
    });
  });
}
