// What else at Cloudflare would get the requests for the stack's names.
import { ApiProblem, type ApiReader } from "../doctor/cloudflare/api.ts";
import type { DnsRecord } from "../doctor/cloudflare/facts.ts";
import { isTunnel, TUNNEL_REMEDY } from "../doctor/cloudflare/zone.ts";
import { readList, RECORD, ROUTE, tryList } from "./answers.ts";

/** Tasks for the user about tunnels and Workers that have one of the names. */
export async function rivalTasks(
  apis: {
    /** Repeats what is refused for the moment. */
    api: ApiReader;
    /** Takes a refusal at its word. */
    once: ApiReader;
  },
  zoneId: string,
  names: readonly string[],
): Promise<string[]> {
  const zone = `/zones/${zoneId}`;
  const [records, routes] = await Promise.all([
    Promise.all(names.map((name) => readList(apis.api, `${zone}/dns_records?name=${name}`, RECORD))),
    readRoutes(apis.once, zone),
  ]);
  return [...tunnelTasks(records.flat()), ...(typeof routes === "string" ? [routes] : workerTasks(routes, names))];
}

/** A task for each record that leads into a Cloudflare Tunnel. */
export const tunnelTasks = (records: readonly DnsRecord[]): string[] =>
  records
    .filter(isTunnel)
    .map(
      ({ name, content }) =>
        `a Cloudflare Tunnel gets the requests for ${name} (CNAME ${content}), not this host: ${TUNNEL_REMEDY}`,
    );

/** A route of a zone, and the Worker that takes its requests; without one Cloudflare takes them itself. */
export interface Route {
  pattern: string;
  script?: string | null | undefined;
}

/** A task for each Worker that would take requests for one of the names. */
export const workerTasks = (routes: readonly Route[], names: readonly string[]): string[] =>
  routes.flatMap(({ pattern, script }) => {
    const taken = script ? names.filter((name) => matchesName(pattern, name)) : [];
    if (taken.length === 0) return [];
    return [
      `the Worker "${String(script)}" takes requests for ${taken.join(" and ")} (route ${pattern}): in the dashboard, ` +
        `Workers Routes of the zone, delete the route, or add one for ${String(taken[0])}/* without a Worker`,
    ];
  });

/** Whether a route's pattern takes requests for a host name. A star can only begin the host, or end the path. */
function matchesName(pattern: string, hostname: string): boolean {
  const host = pattern.replace(/^(https?|\*):\/\//, "").split("/")[0] ?? "";
  return host.startsWith("*") ? hostname.endsWith(host.slice(1)) : hostname === host;
}

/** The zone's routes; none if the token may not read them, since the program has no other use for that permission. */
async function readRoutes(api: ApiReader, zone: string): Promise<Route[] | string> {
  try {
    return await tryList(api, `${zone}/workers/routes`, ROUTE);
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    if (error.status === 401 || error.status === 403) return [];
    return `see in the dashboard that no Worker has a route for the name, because they cannot be read: ${error.message}`;
  }
}
