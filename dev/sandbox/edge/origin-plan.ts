// How the edge is to reach an origin: from the zone's SSL mode and its origin pulls. Pure functions.

import { createHash } from "node:crypto";
import { changeOf } from "../api/pull-certificates.ts";
import { portByRules } from "../api/origin-rules.ts";
import type { PullCertificate, Zone } from "../api/state.ts";
import type { EdgeState } from "./feed.ts";
import { setting, type Site } from "./sites.ts";

/** How to connect. Plans with equal keys can share a connection. */
export interface OriginPlan {
  key: string;
  host: string;
  addresses: string[];
  /** Absent: the usual one of the scheme. */
  port?: number;
  /** Undefined for plain HTTP. */
  tls?: {
    /** Full (strict): the certificate must be valid, name the host, come from a known CA and not be revoked. */
    strict: boolean;
    cas: string[];
    /** Serial numbers of revoked Origin CA certificates, upper-case hexadecimal. */
    revoked: string[];
    /** The client certificate to present if the origin asks for one. */
    client?: { certificate: string; privateKey: string } | undefined;
    /** Whether to offer HTTP/2, which the origin may decline. */
    http2: boolean;
  };
}

const newest = (certificates: PullCertificate[]): PullCertificate | undefined =>
  certificates.filter((certificate) => Date.parse(certificate.active_from) <= Date.now()).at(-1);

/** The client certificate for a host, by precedence: its own, the zone's, the one that all accounts share. */
function clientCertificate(
  edge: EdgeState,
  zone: Zone,
  host: string,
): { certificate: string; privateKey: string } | undefined {
  const { origin_pulls: pulls } = zone;
  const own = pulls.hostnames.find((entry) => entry.hostname === host && entry.enabled);
  const change = changeOf(zone, host);
  const certId = change ? change.cert_id : own?.cert_id;
  const candidates = pulls.hostname_certificates.filter((certificate) => certificate.id === certId);
  const isHeld = edge.state.options.hostname_pulls_need_zone_setting && setting(zone, "tls_client_auth") !== "on";
  const chosen = (isHeld ? undefined : newest(candidates)) ?? (pulls.enabled ? newest(pulls.certificates) : undefined);
  if (chosen !== undefined) return { certificate: chosen.certificate, privateKey: chosen.private_key };
  return setting(zone, "tls_client_auth") === "on" ? edge.cas.sharedPull : undefined;
}

/**
 * The plan for a request that came in over `scheme`. Off and Flexible go to the origin in plain text; Full and
 * Full (strict) use the visitor's scheme.
 */
export function originPlan(edge: EdgeState, site: Site, host: string, scheme: "http" | "https"): OriginPlan {
  const mode = setting(site.zone, "ssl");
  const port = portByRules(site.zone, { host, scheme });
  const parts: Omit<OriginPlan, "key"> = { host, addresses: site.addresses, ...(port !== undefined && { port }) };
  if (scheme === "https" && (mode === "full" || mode === "strict")) {
    const client = clientCertificate(edge, site.zone, host);
    parts.tls = {
      strict: mode === "strict",
      cas: [edge.cas.originCa.certificate, edge.cas.publicCa.certificate],
      revoked: edge.state.origin_certificates.filter((c) => c.revoked_at !== null).map((c) => c.serial_number),
      client,
      http2: setting(site.zone, "origin_max_http_version") !== "1",
    };
  }
  return { ...parts, key: createHash("sha256").update(JSON.stringify(parts)).digest("hex") };
}
