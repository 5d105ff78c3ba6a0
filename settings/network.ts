import { BlockList, isIP, isIPv4 } from "node:net";
import { domainToASCII } from "node:url";

// The host agent checks the same values (host/agent/site.py and ranges.py). Both test suites run the table in
// host/tests/values.json, so that they agree.

type Block = readonly [cidr: string, what: string];

/** Addresses that a provider shares among its customers (RFC 6598). */
export const CGNAT = "100.64.0.0/10";

/** Address blocks that Cloudflare's edge cannot reach, with their common names. */
const UNREACHABLE: readonly Block[] = [
  ["0.0.0.0/8", "this network"],
  ["10.0.0.0/8", "a private network"],
  [CGNAT, "a provider's shared (CGNAT) space"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local"],
  ["172.16.0.0/12", "a private network"],
  ["192.168.0.0/16", "a private network"],
  ["224.0.0.0/3", "multicast or reserved"],
  ["::/127", "loopback or unspecified"],
  ["::ffff:0:0/96", "an IPv4-mapped address"],
  ["fc00::/7", "a private network"],
  ["fe80::/10", "link-local"],
  ["ff00::/8", "multicast"],
];

/** Further blocks where Cloudflare cannot have ranges. The hosts of the sandbox and the tests are in some of them. */
const NOT_CLOUDFLARES: readonly Block[] = [
  ["192.0.0.0/24", "reserved for protocols"],
  ["192.0.2.0/24", "for documentation"],
  ["192.88.99.0/24", "reserved for relays of 6to4"],
  ["198.18.0.0/15", "for benchmarks"],
  ["198.51.100.0/24", "for documentation"],
  ["203.0.113.0/24", "for documentation"],
  ["64:ff9b::/96", "IPv4 addresses behind NAT64"],
  ["64:ff9b:1::/48", "IPv4 addresses behind NAT64"],
  ["100::/64", "a black hole"],
  ["2001::/23", "reserved for protocols"],
  ["2001:db8::/32", "for documentation"],
  ["2002::/16", "IPv4 addresses behind 6to4"],
  ["3fff::/20", "for documentation"],
  ["5f00::/16", "reserved for segment routing"],
  ["fec0::/10", "site-local"],
];

/** Cloudflare's widest ranges are /13 and /29. Anything much wider is a mistake that would open the host. */
const WIDEST = { 4: 8, 6: 20 } as const;

const family = (address: string) => (isIPv4(address) ? "ipv4" : "ipv6");

/** Whether an address is in a range; an address of the other IP version never is. */
export function contains(cidr: string, address: string): boolean {
  const [network = "", prefix = ""] = cidr.split("/");
  if (family(network) !== family(address)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), family(network));
  return list.check(address, family(address));
}

/**
 * Why an address cannot be an origin behind Cloudflare.
 *
 * @returns the reason, or `undefined` if the address is in no block that the internet cannot reach
 */
export function unreachableReason(address: string): string | undefined {
  if (isIP(address) === 0) return "is not an IPv4 or IPv6 address";
  const block = UNREACHABLE.find(([cidr]) => contains(cidr, address));
  return block && `is in ${block[0]}, ${block[1]}, where Cloudflare cannot reach it`;
}

/**
 * Why a text is not a valid address range for the firewall: malformed, wider than Cloudflare's widest ranges, or
 * overlapping a block that the internet cannot reach.
 */
export function rangeProblem(cidr: string): string | undefined {
  const range = parseRange(cidr);
  if (!range) return "is not an address range like 173.245.48.0/20";
  const { network, version, prefix } = range;
  const widest = WIDEST[version === 4 ? 4 : 6];
  if (prefix < widest) return `is wider than /${widest.toString()}, far more than Cloudflare has`;
  const excess = hostBitsProblem(range);
  if (excess !== undefined) return excess;
  const block = [...UNREACHABLE, ...NOT_CLOUDFLARES].find(
    ([other]) => contains(other, network) || contains(cidr, other.split("/")[0] ?? ""),
  );
  return block && `overlaps ${block[0]}, ${block[1]}`;
}

/** Where a home network can be. The host agent has the same blocks. */
const HOMES = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", CGNAT, "fc00::/7"];

/** Why a text is not a home network: malformed, or not within private, shared or unique local addresses. */
export function homeNetworkProblem(cidr: string): string | undefined {
  const range = parseRange(cidr);
  if (!range) return "is not a network like 192.168.1.0/24";
  const excess = hostBitsProblem(range);
  if (excess !== undefined) return excess;
  const within = (block: string) => contains(block, range.network) && range.prefix >= Number(block.split("/")[1]);
  return HOMES.some(within) ? undefined : `is not in a private network (${HOMES.join(", ")})`;
}

interface AddressRange {
  network: string;
  version: number;
  prefix: number;
}

/** An address range's parts; `undefined` if the text is not one. */
function parseRange(cidr: string): AddressRange | undefined {
  const [, network = "", prefixText = ""] = /^([0-9a-fA-F.:]+)\/(0|[1-9][0-9]{0,2})$/.exec(cidr) ?? [];
  const [version, prefix] = [isIP(network), Number(prefixText)];
  return version === 0 || prefix > sizeOf(version) ? undefined : { network, version, prefix };
}

/** Bits of an address. */
const sizeOf = (version: number): number => (version === 4 ? 32 : 128);

function hostBitsProblem({ network, prefix }: AddressRange): string | undefined {
  if (!hasHostBits(network, prefix)) return undefined;
  return `has bits set behind the first ${prefix.toString()}, so it is an address and not a range`;
}

/**
 * Why valid ranges cannot all be Cloudflare's: together they have more addresses than the widest that is taken alone,
 * ten times as many as Cloudflare has.
 */
export function rangesProblem(ranges: readonly string[]): string | undefined {
  const tooMany = ([4, 6] as const).find((version) => {
    const bits = sizeOf(version);
    const sizes = ranges
      .filter((cidr) => cidr.includes(":") === (version === 6))
      .map((cidr) => 1n << BigInt(bits - Number(cidr.split("/")[1])));
    return sizes.reduce((sum, size) => sum + size, 0n) > 1n << BigInt(bits - WIDEST[version]);
  });
  return tooMany && `has more IPv${tooMany.toString()} addresses than Cloudflare can have`;
}

/** Whether an address has bits set behind the prefix of a range, so that it is no network. */
export const hasHostBits = (address: string, prefix: number): boolean =>
  (bitsOf(address) & ((1n << BigInt(sizeOf(isIP(address)) - prefix)) - 1n)) !== 0n;

/** An address as a number. */
function bitsOf(address: string): bigint {
  if (isIPv4(address)) return address.split(".").reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const [head = [], tail = []] = canonicalIpv6(address)
    .split("::")
    .map((part) => part.split(":").filter((group) => group !== ""));
  const zeros = Array<string>(8 - head.length - tail.length).fill("0");
  return [...head, ...zeros, ...tail].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

/** Canonical text of an IPv6 address: hexadecimal groups without leading zeros, the longest run of zeros as `::`. */
const canonicalIpv6 = (address: string) => new URL(`http://[${address}]`).hostname.slice(1, -1);

/**
 * Splits `address:port` or `[ipv6]:port`. `undefined` if the text is neither, or if the port is not 1 to 65535 without
 * leading zeros.
 */
export function parseEndpoint(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):([1-9][0-9]{0,4})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65535) return undefined;
  if (match?.[1] !== undefined && isIP(host) !== 6) return undefined;
  return isIP(host) !== 0 || isHostname(host) ? { host, port } : undefined;
}

const LABEL = "(?!-)[a-z0-9-]{1,63}(?<!-)";
/** A name must not end in a decimal or hexadecimal number: resolvers read `127.1` and `0x7f000001` as 127.0.0.1. */
const LAST_LABEL = `(?!(?:[0-9]+|0x[0-9a-f]*)$)${LABEL}`;
const hostname = (repeated: "*" | "+") => new RegExp(`^(?=.{1,253}$)(?:${LABEL}\\.)${repeated}${LAST_LABEL}$`);

/** A host name by RFC 1123, in lower case. */
const HOSTNAME = hostname("*");

/** A host name with two labels or more. The contract with the host agent hands this pattern to Python. */
export const FULL_HOSTNAME = hostname("+");

/** Whether the text is a host name with at least `labels` labels. */
export function isHostname(text: string, labels = 1): boolean {
  return HOSTNAME.test(text) && text.split(".").length >= labels;
}

/**
 * An international host name in ASCII (`xn--…`), which DNS records, Access and certificates want; any other text as it
 * is.
 */
export const asciiHostname = (text: string): string => (/^[ -~]*$/.test(text) ? text : domainToASCII(text) || text);

/**
 * Whether two endpoints, `address:port`, are the same listener by their text: all addresses by which a machine reaches
 * itself count as one. False if a text is not an endpoint.
 */
export function sameEndpoint(one: string, other: string): boolean {
  const [left, right] = [parseEndpoint(one), parseEndpoint(other)];
  if (!left || !right) return false;
  return left.port === right.port && canonicalHost(left.host) === canonicalHost(right.host);
}

function canonicalHost(host: string): string {
  // Node treats ::ffff:127.0.0.1 as the IPv4 address in it. Linux connects to itself for an unspecified address.
  const own = new BlockList();
  own.addSubnet("127.0.0.0", 8, "ipv4");
  own.addAddress("0.0.0.0", "ipv4");
  own.addSubnet("::", 127, "ipv6");
  if (host === "localhost" || (isIP(host) !== 0 && own.check(host, family(host)))) return "localhost";
  return isIP(host) === 6 ? canonicalIpv6(host) : host;
}

/** Whether a host is the machine itself, including IPv4-mapped IPv6 addresses and unspecified ones. */
export function isLoopback(host: string): boolean {
  return canonicalHost(host) === "localhost";
}
