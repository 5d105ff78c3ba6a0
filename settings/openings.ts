// What the host's firewall lets in besides Cloudflare: networks for SSH, and ports that stay open, in ufw's syntax. The
// host agent checks the same values (host/agent/firewall/openings.py).

import { isIP } from "node:net";
import { hasHostBits } from "./network.ts";

/**
 * Why a text is not a network or an address for a rule of ufw.
 *
 * @returns the reason, as the end of a sentence that begins with the text
 */
export function networkProblem(text: string): string | undefined {
  const [, address = "", prefixText] = /^([0-9a-fA-F.:]+)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text) ?? [];
  const size = isIP(address) === 4 ? 32 : 128;
  const prefix = prefixText === undefined ? size : Number(prefixText);
  if (isIP(address) === 0 || prefix > size) return "is not a network like 192.168.1.0/24";
  return hasHostBits(address, prefix)
    ? `has bits set behind the first ${prefix.toString()}, so it is an address and not a network`
    : undefined;
}

const PORTS = "[1-9][0-9]{0,4}(?::[1-9][0-9]{0,4})?(?:,[1-9][0-9]{0,4}(?::[1-9][0-9]{0,4})?)*";
/** Protocols without ports for which ufw 0.36.2 has rules. */
const PORTLESS = "ah|esp|gre|ipv6|vrrp";
const OPENING = new RegExp(`^(?:(${PORTS})(/tcp|/udp)?|(${PORTLESS}))(?: from (\\S+))?$`);

/** ufw takes 15 ports in a rule, of which a span counts as two. */
const MOST_PORTS = 15;

/**
 * Why a text is not an opening in ufw's syntax: `8123/tcp from 192.168.1.0/24`, `60000:61000/udp`, `53`, `esp`.
 *
 * @returns the reason, as the end of a sentence that begins with the text
 */
export function openingProblem(text: string): string | undefined {
  const [matched, ports = "", protocol, portless, network] = OPENING.exec(text) ?? [];
  if (matched === undefined) return "is not in ufw's syntax, like 8123/tcp from 192.168.1.0/24 or 51820/udp";
  const problem = network === undefined ? undefined : networkProblem(network);
  const source = problem && `is for ${network ?? ""}, which ${problem}`;
  if (portless === "ipv6" && network?.includes(":")) return "comes from IPv4 addresses only: it is IPv6 in IPv4";
  if (portless !== undefined) return source;
  const spans = ports.split(",").map((part) => part.split(":").map(Number));
  if (spans.flat().some((port) => port > 65535)) return "has a port above 65535";
  if (spans.some(([first = 0, last = Infinity]) => first >= last))
    return "has a span of ports that ends where it begins";
  if (spans.flat().length > MOST_PORTS) return `has more than ${MOST_PORTS.toString()} ports`;
  if (protocol === undefined && /[,:]/.test(ports)) return "needs a protocol, /tcp or /udp, for several ports";
  return source;
}
