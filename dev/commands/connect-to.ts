import { managementAddress } from "../sandbox/network/network.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";

/** The names that lead to the edge, of all of a stack's sites, by its outputs. */
export function hostnamesOf({ url, publicShareUrl, moreSites = {} }: Readonly<Record<string, unknown>>): string[] {
  const further = Object.values(moreSites as Record<string, { url: string }>).map((site) => site.url);
  return [url, publicShareUrl, ...further].flatMap((one) => (typeof one === "string" ? new URL(one).hostname : []));
}

/**
 * Arguments that take the doctor's connections to the sandbox: its internet is not this machine's, so the edge is
 * reached where browsers reach it, and the host through the network for SSH, which passes the same firewall.
 *
 * @param hostnames names that lead to the edge.
 * @param edge address and port of the edge. Default: the running one.
 */
export function connectTo(sandbox: Sandbox, hostnames: readonly string[], edge?: string): string[] {
  const { number, origin } = sandbox;
  const browsers = (hostname: string) => `127.0.0.1:${new URL(sandbox.browserUrl(hostname)).port}`;
  return [
    ...hostnames.map((hostname) => `${hostname}:443:${edge ?? browsers(hostname)}`),
    `${origin.ipv4}::${managementAddress(number)}:`,
    `[${origin.ipv6}]::[fd77:${number}::2]:`,
  ].flatMap((way) => ["--connect-to", way]);
}
