import { managementAddress } from "../network/network.ts";
import type { Sandbox } from "../sandbox.ts";

/**
 * Arguments that take the doctor's connections to the sandbox: its internet is not this machine's, so the edge is
 * reached where browsers reach it, and the host through the network for SSH, which passes the same firewall.
 *
 * @param edge address and port of the edge. Default: the running one.
 */
export function connectTo(sandbox: Sandbox, hostname: string, edge?: string): string[] {
  const { number, origin } = sandbox;
  const { port } = new URL(sandbox.browserUrl(hostname));
  return [
    `${hostname}:443:${edge ?? `127.0.0.1:${port}`}`,
    `${origin.ipv4}::${managementAddress(number)}:`,
    `[${origin.ipv6}]::[fd77:${number}::2]:`,
  ].flatMap((way) => ["--connect-to", way]);
}
