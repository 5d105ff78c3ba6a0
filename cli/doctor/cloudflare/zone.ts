import { isIPv4 } from "node:net";
import { isOriginType } from "../../../components/dns-record-types.ts";
import { type OriginTarget, type RecordContent, recordsOf } from "../../../components/dns-records.ts";
import { contains } from "../../../settings/network.ts";
import { type Check, type Finding, failed, fromProblem, passed } from "../finding.ts";
import type { DnsRecord, IpRanges } from "./facts.ts";

/** The command that reverts drift at Cloudflare. */
export const REFRESH_UP = "pulumi up --refresh";

/** Check of the DNS records; the finding if they cannot be read. */
export const DNS: Check = {
  id: "dns-record",
  place: "cloudflare",
  title: "DNS records",
  why: "Access protects proxied records only; any other publishes the host's address.",
  fix: REFRESH_UP,
};

/**
 * Whether the host name's records are those of the stack, all proxied.
 *
 * @param target where the stack's records lead
 */
export function dnsFinding(records: readonly DnsRecord[], target: OriginTarget): Finding {
  const wanted = recordsOf(target);
  const own = records.filter(({ type }) => isOriginType(type));
  const tunnel = own.find(isTunnel);
  if (tunnel) return failed(DNS, `a Cloudflare Tunnel gets the requests: ${list([tunnel])}`, TUNNEL_REMEDY);
  const bare = own.filter(({ proxied }) => !proxied);
  if (bare.length > 0) return failed(DNS, `not proxied: ${list(bare)}`);
  const missing = wanted.filter((one) => !own.some((record) => sameRecord(record, one)));
  const foreign = own.filter((record) => !wanted.some((one) => sameRecord(record, one)));
  if (missing.length > 0) {
    const says = `no record for ${missing.map(({ content }) => content).join(", ")}`;
    if (foreign.length === 0) return failed(DNS, says);
    const moving = "name" in target ? "" : `; if a DDNS client writes them, set originName (docs/moving-address.md)`;
    return failed(DNS, `${says}, but ${list(foreign)}`, `${REFRESH_UP}${moving}`);
  }
  if (foreign.length > 0) {
    return failed(DNS, `not of this stack: ${list(foreign)}`, "delete it in the dashboard, DNS, Records");
  }
  return passed(DNS, `proxied: ${list(own)}`);
}

/** Whether a record sends a name's requests into a Cloudflare Tunnel. */
export const isTunnel = ({ type, content }: Pick<DnsRecord, "type" | "content">) =>
  type === "CNAME" && content.toLowerCase().replace(/\.$/, "").endsWith(".cfargotunnel.com");

/** What to do about a tunnel that has a name. */
export const TUNNEL_REMEDY =
  "take the name out of the tunnel (dashboard, Zero Trust, Networks, Tunnels), delete its CNAME record (DNS, Records), " +
  `then ${REFRESH_UP}`;

const list = (records: readonly DnsRecord[]) => records.map(({ type, content }) => `${type} ${content}`).join(", ");

/** Whether a record is one of the stack's, of any type for an address. */
const sameRecord = ({ type, content }: DnsRecord, wanted: RecordContent) =>
  wanted.type === "CNAME"
    ? type === "CNAME" && content.toLowerCase().replace(/\.$/, "") === wanted.content
    : sameAddress(content, wanted.content);

const canonical = (address: string) =>
  isIPv4(address) || !URL.canParse(`http://[${address}]`) ? address : new URL(`http://[${address}]`).hostname;
const sameAddress = (one: string, other: string) => canonical(one) === canonical(other);

const RESOLUTION: Check = {
  id: "dns-resolution",
  place: "workstation",
  title: "Name resolution",
  why: "Devices that get the host's own address do not reach the site, or bypass Cloudflare.",
  fix: "look for the name in your router's or resolver's own entries and in /etc/hosts",
};

/**
 * Whether the host name leads to Cloudflare as seen from here.
 *
 * @param addresses the addresses of the name; `undefined` if no resolver answers
 */
export function resolutionFinding(addresses: readonly string[] | undefined, ranges: IpRanges): Finding {
  if (!addresses) return failed(RESOLUTION, "no resolver answers", "look at this workstation's network", "unknown");
  const cloudflare = [...ranges.ipv4_cidrs, ...ranges.ipv6_cidrs];
  const others = addresses.filter((address) => !cloudflare.some((cidr) => contains(cidr, address)));
  if (addresses.length === 0) return failed(RESOLUTION, "the name does not resolve from here");
  return fromProblem(
    RESOLUTION,
    others.length === 0 ? undefined : `leads to ${others.join(", ")}, which is not Cloudflare`,
    `leads to Cloudflare (${addresses.join(", ")})`,
  );
}

/** Check of the SSL mode; the finding if the zone's settings cannot be read. */
export const SSL: Check = {
  id: "ssl-mode",
  place: "cloudflare",
  title: "SSL mode",
  why: "In any other mode Cloudflare does not verify the host's certificate, or does not even encrypt.",
  fix: REFRESH_UP,
};
const TLS: Check = {
  id: "zone-settings",
  place: "cloudflare",
  title: "Zone settings",
  why: "Visitors could use an outdated TLS version or none, or Cloudflare could change the SSL mode by itself.",
  fix: REFRESH_UP,
};
const WEBSOCKETS: Check = {
  id: "websockets-setting",
  place: "cloudflare",
  title: "Websockets allowed",
  why: "Without them Immich shows itself as offline.",
  fix: REFRESH_UP,
};
const UPLOAD: Check = {
  id: "upload-limit",
  place: "cloudflare",
  title: "Upload limit",
  why: "Cloudflare rejects larger uploads with 413, and Immich does not upload in parts.",
  fix: "use the app's automatic URL switching to upload large videos at home",
};

/** The setting that a zone may not have yet; such a zone has the mode "custom" only, and Cloudflare changes nothing. */
export const AUTOMATIC_MODE = "ssl_automatic_mode";

/** A zone's settings by id, without those that the zone does not have. */
export type ZoneSettings = Readonly<Record<string, unknown>>;

/** The zone's settings that the stack declares. */
export interface ExpectedZone {
  minTlsVersion: string;
  alwaysUseHttps: boolean;
}

/** The four findings about a zone's settings. */
export function zoneFindings(settings: ZoneSettings, wanted: ExpectedZone): Finding[] {
  const expected: Readonly<Record<string, string>> = {
    ...(AUTOMATIC_MODE in settings && { [AUTOMATIC_MODE]: "custom" }),
    min_tls_version: wanted.minTlsVersion,
    always_use_https: wanted.alwaysUseHttps ? "on" : "off",
  };
  const others = Object.entries(expected).filter(([id, value]) => settings[id] !== value);
  const shown = (id: string) => String(settings[id]);
  return [
    fromProblem(SSL, settings["ssl"] === "strict" ? undefined : `is ${shown("ssl")}, not strict`, "Full (strict)"),
    fromProblem(
      TLS,
      others.length === 0 ? undefined : others.map(([id, value]) => `${id} is ${shown(id)}, not ${value}`).join(", "),
      `TLS ${wanted.minTlsVersion} and newer, always_use_https ${shown("always_use_https")}`,
    ),
    fromProblem(WEBSOCKETS, settings["websockets"] === "on" ? undefined : `are ${shown("websockets")}`, "on"),
    uploadLimit(settings["max_upload"]),
  ];
}

/** Upload limit of Cloudflare's free plan in megabytes. */
const LEAST_UPLOAD = 100;

function uploadLimit(megabytes: unknown): Finding {
  if (typeof megabytes !== "number") return failed(UPLOAD, "Cloudflare does not tell", UPLOAD.fix, "unknown");
  const says = `${megabytes.toString()} MB each`;
  return megabytes < LEAST_UPLOAD ? failed(UPLOAD, says) : passed(UPLOAD, says);
}
