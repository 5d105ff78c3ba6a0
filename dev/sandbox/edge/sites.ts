// Which names the edge serves, by the DNS records and zones of the API's state. Pure functions.

import type { DnsRecord, State, Zone } from "../api/state.ts";
import type { Resolve } from "./resolver.ts";

/** A name that is served: its zone and the addresses of its origin. */
export interface Site {
  zone: Zone;
  addresses: string[];
}

/** Why a name is not served. */
export type NoSite = "unknown" | "origin-dns" | "cross-account";

const MAX_ALIASES = 8;

const under = (zone: Zone, host: string): boolean => host === zone.name || host.endsWith(`.${zone.name}`);

/** The zone of a host name: the longest that it lies under. */
export function zoneOf(state: State, host: string): Zone | undefined {
  return state.zones.filter((zone) => under(zone, host)).sort((a, b) => b.name.length - a.name.length)[0];
}

/** The proxiable records that answer for a name: its own, or else those of the closest wildcard. */
function recordsOf(state: State, zone: Zone, host: string): DnsRecord[] {
  const own = (name: string): DnsRecord[] =>
    state.dns_records.filter(
      (record) => record.zone_id === zone.id && record.name === name && ["A", "AAAA", "CNAME"].includes(record.type),
    );
  const exact = own(host);
  if (exact.length > 0) return exact;
  for (let rest = host; rest !== zone.name && rest.includes(".");) {
    rest = rest.slice(rest.indexOf(".") + 1);
    const wild = own(`*.${rest}`);
    if (wild.length > 0) return wild;
  }
  return [];
}

function addressesOf(state: State, records: DnsRecord[], resolve: Resolve, depth: number): string[] | "foreign" {
  const alias = records.find((record) => record.type === "CNAME");
  if (alias === undefined) return records.map((record) => record.content);
  if (depth >= MAX_ALIASES) return [];
  const zone = zoneOf(state, alias.content);
  if (zone === undefined) return resolve(state, alias.content);
  return addressesOf(state, recordsOf(state, zone, alias.content), resolve, depth + 1);
}

/** Whether the edge answers for a zone: its name servers are Cloudflare's, and it is not paused. */
const isServed = ({ status = "active", paused = false }: Zone): boolean => status === "active" && !paused;

/** The site behind a host name, or why there is none: only a proxied record makes the edge answer for a name. */
export function siteOf(state: State, host: string, resolve: Resolve): Site | NoSite {
  const zone = zoneOf(state, host);
  if (zone === undefined || !isServed(zone)) return "unknown";
  const records = recordsOf(state, zone, host).filter((record) => record.proxied);
  if (records.length === 0) return "unknown";
  const addresses = addressesOf(state, records, resolve, 0);
  if (addresses === "foreign") return "cross-account";
  return addresses.length === 0 ? "origin-dns" : { zone, addresses };
}

/** The value of a zone's setting. */
export const setting = (zone: Zone, id: string): unknown => zone.settings[id]?.value;

/**
 * The names of the visitor-facing certificate for a server name, or undefined where the edge has none to show: the
 * name of a zone that is served and its first-level subdomains (Universal SSL) once the zone has a proxied record, the
 * team domains, and the API's own name.
 */
export function certificateNames(state: State, serverName: string): string[] | undefined {
  if (serverName === API_HOST) return [API_HOST];
  if (teamOf(state, serverName) !== undefined) return [serverName];
  const zone = zoneOf(state, serverName);
  if (zone === undefined || !isServed(zone)) return undefined;
  const firstLevel = serverName === zone.name || !serverName.slice(0, -zone.name.length - 1).includes(".");
  const proxied = state.dns_records.some((record) => record.zone_id === zone.id && record.proxied);
  return firstLevel && proxied ? [zone.name, `*.${zone.name}`] : undefined;
}

/** The name under which the edge answers for the API, for hosts that fetch the address ranges. */
export const API_HOST = "api.cloudflare.com";

/** The organisation whose team domain this is. */
export const teamOf = (state: State, host: string): State["organizations"][number] | undefined =>
  state.organizations.find((organization) => organization.auth_domain === host);
