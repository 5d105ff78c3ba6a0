// Whether a zone can serve a host name at all. The doctor and configure ask the same.
import { asciiHostname } from "../../../settings/network.ts";
import { type Check, type Finding, failed, passed } from "../finding.ts";
import type { Zone } from "./facts.ts";

/** What is wrong with a zone, and the way out. */
export interface ZoneProblem {
  problem: string;
  remedy: string;
}

/** Why a zone cannot serve anything; `undefined` if it can, as far as Cloudflare tells. */
export function zoneProblem({ status, paused, type, name_servers: servers }: Zone): ZoneProblem | undefined {
  if (type !== undefined && type !== "full") {
    const what = type === "partial" ? "has a CNAME set-up (partial)" : `is of the type ${type}`;
    return {
      problem: `${what}: its DNS records are at another provider, where this program sets none`,
      remedy: "convert it to a full set-up in the dashboard (DNS, Settings), or use a zone whose DNS Cloudflare has",
    };
  }
  if (status !== undefined && status !== "active") {
    const listed = Array.isArray(servers) && servers.length > 0 ? servers.join(" and ") : "that the dashboard shows";
    return {
      problem: `is not active, its status is ${status}: its name servers are not Cloudflare's`,
      remedy: `set the name servers ${listed} at the domain's registrar, and wait until the dashboard shows it as active`,
    };
  }
  if (paused !== true) return undefined;
  return {
    problem: "is paused: Cloudflare publishes the host's own address and lets nothing pass through Access",
    remedy: "in the dashboard, Overview, Advanced Actions: Enable Cloudflare on Site",
  };
}

/** How many labels a host name has in front of the zone's name; `undefined` if it is not in the zone. */
export function labelsInZone(hostname: string, zoneName: string): number | undefined {
  const zone = asciiHostname(zoneName);
  if (hostname === zone) return 0;
  return hostname.endsWith(`.${zone}`) ? hostname.split(".").length - zone.split(".").length : undefined;
}

/** What Universal SSL does not cover of a name in the zone, and what to do; `undefined` if it covers the name. */
export function certificateProblem(hostname: string, zoneName: string): ZoneProblem | undefined {
  if ((labelsInZone(hostname, zoneName) ?? 0) <= 1) return undefined;
  const zone = asciiHostname(zoneName);
  return {
    problem: `Cloudflare's free certificate (Universal SSL) covers ${zone} and names one level under it, not ${hostname}`,
    remedy: `take a name like photos.${zone}, or order a certificate for it in the dashboard, SSL/TLS, Edge Certificates`,
  };
}

/** Check of the zone; the finding if it cannot be read. */
export const ZONE: Check = {
  id: "zone",
  place: "cloudflare",
  title: "Zone",
  why: "Cloudflare serves and protects names only in an active zone whose DNS it has.",
  fix: "look at the zone's overview in the dashboard",
};

/** Whether the zone can serve the stack's names. */
export function zoneFinding(zone: Zone): Finding {
  const found = zoneProblem(zone);
  if (found) return failed(ZONE, found.problem, found.remedy);
  if (zone.status === undefined) return failed(ZONE, "Cloudflare does not tell its status", ZONE.fix, "unknown");
  return passed(ZONE, `${zone.name} is active`);
}

/** Check of a name's certificate for visitors; the finding if the zone cannot be read. */
export const REACH: Check = {
  id: "visitor-certificate",
  place: "cloudflare",
  title: "Visitors' certificate",
  why: "Without a certificate for the name no visitor gets a connection.",
  fix: "pulumi config set zoneId <id on the overview page of the name's zone>",
};

/** Whether a host name is in the zone, at a level that Universal SSL covers. */
export function reachFinding(zone: Zone, hostname: string): Finding {
  if (labelsInZone(hostname, zone.name) === undefined) return failed(REACH, `${hostname} is not in ${zone.name}`);
  const found = certificateProblem(hostname, zone.name);
  if (found) return failed(REACH, found.problem, found.remedy, "warning");
  return passed(REACH, `${hostname} is within the reach of Universal SSL`);
}
